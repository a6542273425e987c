//! What stands for a proxy in a build without: no connection ever has it.
#![expect(clippy::unnecessary_wraps, reason = "the real one can fail")]

use std::io;
use std::net::IpAddr;

use crate::{Endpoint, TransportError, TransportOptions};

pub(crate) enum ProxyHandshake {}

impl ProxyHandshake {
    pub(crate) fn for_endpoint(
        _: &Endpoint,
        _: &TransportOptions,
        _: Option<IpAddr>,
    ) -> Result<Option<Box<Self>>, TransportError> {
        Ok(None)
    }

    pub(crate) fn receive(&mut self, _: &mut &[u8]) -> Result<bool, TransportError> {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn flush(&mut self, _: &mut dyn io::Write) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        match *self {}
    }
}
