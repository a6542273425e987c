//! SOCKS5 (RFC 1928) with user and password (RFC 1929).

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};

use super::{Proxy, ProxyError, ProxyKind};
use crate::{Credentials, Endpoint};

const VERSION: u8 = 5;
const AUTHENTICATION_VERSION: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const DOMAIN: u8 = 3;
const IPV6: u8 = 4;

/// One exchange with a proxy.
pub(super) struct Socks5 {
    state: State,
    credentials: Option<Credentials>,
    /// The request, which is sent when the proxy has let us in.
    request: Vec<u8>,
    /// What has come of the proxy's answer: 262 bytes at most.
    answer: Vec<u8>,
}

/// What the proxy is to say next.
#[derive(Clone, Copy)]
enum State {
    Method,
    Authentication,
    Reply,
}

impl Socks5 {
    pub(super) fn start(
        proxy: &Proxy,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
        out: &mut BytesMut,
    ) -> Result<Self, ProxyError> {
        let request = request(proxy.kind, endpoint, address)?;
        match &proxy.credentials {
            Some(_) => out.put_slice(&[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD]),
            None => out.put_slice(&[VERSION, 1, NO_AUTHENTICATION]),
        }
        let credentials = proxy.credentials.clone();
        Ok(Self { state: State::Method, credentials, request, answer: Vec::new() })
    }

    /// Whether the proxy has connected us.
    pub(super) fn receive(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Result<bool, ProxyError> {
        while self.gather(input)? {
            let answer = std::mem::take(&mut self.answer);
            match self.state {
                State::Method => self.handle_method(&answer, out)?,
                State::Authentication => self.handle_authentication(&answer, out)?,
                State::Reply if answer[1] == 0 => return Ok(true),
                State::Reply => return Err(ProxyError::Reply(answer[1])),
            }
        }
        Ok(false)
    }

    /// Whether a whole answer has come. No byte behind it is taken.
    fn gather(&mut self, input: &mut &[u8]) -> Result<bool, ProxyError> {
        while self.answer.len() < self.needed() {
            let missing = self.needed() - self.answer.len();
            let (taken, rest) = input.split_at(input.len().min(missing));
            self.answer.extend_from_slice(taken);
            *input = rest;
            let version = match self.state {
                State::Authentication => AUTHENTICATION_VERSION,
                State::Method | State::Reply => VERSION,
            };
            if self.answer.first().is_some_and(|&first| first != version) {
                return Err(ProxyError::Answer("it is not SOCKS5"));
            }
            if matches!((self.state, &self.answer[..]), (State::Reply, &[_, 0, _, kind, ..]) if ![IPV4, DOMAIN, IPV6].contains(&kind))
            {
                return Err(ProxyError::Answer("it has an address of an unknown kind"));
            }
            if taken.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How long the answer is, as far as it tells yet.
    fn needed(&self) -> usize {
        match (self.state, &self.answer[..]) {
            (State::Method | State::Authentication, _) => 2,
            // A refusal may be without an address.
            (State::Reply, &[_, reply, ..]) if reply != 0 => 2,
            (State::Reply, &[_, _, _, DOMAIN, length, ..]) => 7 + usize::from(length),
            (State::Reply, &[_, _, _, IPV6, ..]) => 22,
            (State::Reply, &[_, _, _, IPV4, ..]) => 10,
            (State::Reply, _) => 5,
        }
    }

    fn handle_method(&mut self, answer: &[u8], out: &mut BytesMut) -> Result<(), ProxyError> {
        match (answer[1], &self.credentials) {
            (NO_AUTHENTICATION, _) => {
                out.put_slice(&self.request);
                self.state = State::Reply;
            }
            (USER_AND_PASSWORD, Some(credentials)) => {
                let password = credentials.password.as_deref().unwrap_or_default();
                out.put_u8(AUTHENTICATION_VERSION);
                for text in [credentials.user_name.as_bytes(), password] {
                    out.put_u8(u8::try_from(text.len()).map_err(|_| ProxyError::Credentials)?);
                    out.put_slice(text);
                }
                self.state = State::Authentication;
            }
            (0xFF, _) => return Err(ProxyError::Authentication),
            _ => return Err(ProxyError::Answer("it chooses what was not offered")),
        }
        Ok(())
    }

    fn handle_authentication(&mut self, answer: &[u8], out: &mut BytesMut) -> Result<(), ProxyError> {
        if answer[1] != 0 {
            return Err(ProxyError::Authentication);
        }
        out.put_slice(&self.request);
        self.state = State::Reply;
        Ok(())
    }
}

fn request(kind: ProxyKind, endpoint: &Endpoint, address: Option<IpAddr>) -> Result<Vec<u8>, ProxyError> {
    let literal = endpoint.host.parse().ok();
    let address = if kind == ProxyKind::Socks5 {
        Some(literal.or(address).ok_or(ProxyError::Unresolved)?)
    } else {
        literal
    };
    let mut request = vec![VERSION, CONNECT, 0];
    match address {
        Some(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Some(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        None => {
            let unsayable = || ProxyError::ServerName(endpoint.host.clone());
            let length = u8::try_from(endpoint.host.len()).map_err(|_| unsayable())?;
            request.extend([DOMAIN, length]);
            request.extend(endpoint.host.as_bytes());
        }
    }
    request.extend(endpoint.port.to_be_bytes());
    Ok(request)
}
