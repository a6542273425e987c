//! A server, as a client reaches it.

use std::time::Duration;

use sterna::tokio::Runtime;
use sterna::{ClientBuilder, ProtocolVersion, Reconnect, TlsOptions, VersionPolicy};
use sterna_simulator::TestCertificates;

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    WebSocket,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::Tcp, Self::Tls, Self::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
        }
    }
}

/// One server, and what is spoken to it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) broker: &'static str,
    pub(crate) version: ProtocolVersion,
    pub(crate) transport: Transport,
    pub(crate) url: String,
    /// The authority that its certificate is of.
    pub(crate) authority: Option<String>,
}

impl Place {
    pub(crate) fn new(
        broker: &'static str,
        version: ProtocolVersion,
        transport: Transport,
        url: String,
    ) -> Self {
        Self { broker, version, transport, url, authority: None }
    }

    pub(crate) fn trusting(mut self, certificates: &TestCertificates) -> Self {
        self.authority = Some(certificates.authority.clone());
        self
    }

    /// A client with a name of its own that reconnects quickly.
    pub(crate) fn builder(&self) -> ClientBuilder<Runtime> {
        let reconnect = Reconnect {
            minimum: Duration::from_millis(10),
            initial: Duration::from_millis(50),
            maximum: Duration::from_millis(200),
            ..Reconnect::default()
        };
        let mut builder = sterna::tokio::builder(&self.url);
        if let Some(authority) = &self.authority
            && self.transport == Transport::Tls
        {
            builder = builder.tls(TlsOptions::new().ca_pem(authority));
        }
        builder.version(VersionPolicy::Only(self.version)).client_id("recorded").reconnect(reconnect)
    }

    /// Another client of the same server, which is not recorded.
    pub(crate) fn other(&self) -> ClientBuilder<Runtime> {
        self.builder().client_id("other")
    }
}
