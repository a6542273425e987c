//! HTTP CONNECT (RFC 9110 §9.3.6).

use bytes::{BufMut, BytesMut};
use data_encoding::BASE64;

use super::{Proxy, ProxyError};
use crate::Endpoint;
use crate::http_head::HttpHead;

/// More headers than any proxy's answer has.
const HEADER_LIMIT: usize = 128;

/// A request that is made, and an answer that has not come.
#[derive(Default)]
pub(super) struct HttpConnect {
    head: HttpHead,
}

impl HttpConnect {
    pub(super) fn start(proxy: &Proxy, endpoint: &Endpoint, out: &mut BytesMut) -> Result<Self, ProxyError> {
        let server = endpoint.authority();
        if server.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ProxyError::ServerName(endpoint.host.clone()));
        }
        out.put_slice(format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n").as_bytes());
        if let Some(credentials) = &proxy.credentials {
            let mut pair = credentials.user_name.as_bytes().to_vec();
            pair.push(b':');
            pair.extend_from_slice(credentials.password.as_deref().unwrap_or_default());
            out.put_slice(format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(&pair)).as_bytes());
        }
        out.put_slice(b"\r\n");
        Ok(Self::default())
    }

    /// Whether the answer has come, and lets us through.
    pub(super) fn receive(&mut self, input: &mut &[u8]) -> Result<bool, ProxyError> {
        let too_long = |_| ProxyError::Answer("it is too long");
        let Some(head) = self.head.receive(input).map_err(too_long)? else { return Ok(false) };
        let mut headers = [httparse::EMPTY_HEADER; HEADER_LIMIT];
        let mut response = httparse::Response::new(&mut headers);
        let is_complete = response.parse(head).is_ok_and(|status| status.is_complete());
        let Some(status) = response.code.filter(|_| is_complete) else {
            return Err(ProxyError::Answer("it is not HTTP"));
        };
        match status {
            200..300 => Ok(true),
            407 => Err(ProxyError::Authentication),
            _ => Err(ProxyError::Refused { status, reason: response.reason.unwrap_or_default().into() }),
        }
    }
}
