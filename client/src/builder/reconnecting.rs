//! Which servers, and when to try again.

use std::time::Duration;

use sterna_core::{Reconnect, ServerClose};
use sterna_transport::{Endpoint, UrlError};

use super::{ClientBuilder, Runtime};

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// Adds a server: when an attempt fails, the next one is tried at once, and after the last the first; a round of
    /// failures is followed by a pause. All of them are one cluster, with one session for this client.
    ///
    /// A connection that held is made again to the same server first. One that did not hold
    /// ([`Reconnect::stable_after`]), or that the server itself ended, moves on.
    ///
    /// User name and password of this URL are for this server; without, the client's are. `clientId` has no place in
    /// it, since there is one client.
    pub fn server(mut self, url: &str) -> Self {
        let endpoint = Endpoint::parse(url).and_then(|endpoint| match endpoint.client_id {
            Some(_) => Err(UrlError::Query("clientId".into())),
            None => Ok(endpoint),
        });
        self.endpoints = self.endpoints.and_then(|mut endpoints| {
            endpoints.push(endpoint?);
            Ok(endpoints)
        });
        self
    }

    /// Try the servers in an order drawn from the seed. Default: in the order in which they were given.
    pub fn shuffle_servers(mut self, shuffle: bool) -> Self {
        self.config.shuffle_servers = shuffle;
        self
    }

    /// How many times in a row to follow a server that sends us to another (5.0: Use another server, for one
    /// connection, and Server moved, for good), with the scheme and the credentials of the server that was given.
    /// Default: 0, such a server has refused.
    pub fn redirects(mut self, limit: u8) -> Self {
        self.config.redirects = limit;
        self
    }

    /// How long one attempt may take, from resolving the name to CONNACK. Default: 30 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long PINGRESP may take. Default: 10 s.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// How long the server may take to acknowledge before the connection is made anew; and how long operations wait
    /// while unread messages fill [`incoming_reserve`](Self::incoming_reserve), until they end with
    /// [`OperationError::Stalled`](crate::OperationError::Stalled). Default: 60 s; zero is off, and for `Stalled` 60 s.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// How long waiting bytes may make no progress. Default: 30 s; zero is off.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// How long a graceful disconnect waits for what is pending, and then once more for DISCONNECT to leave. However a
    /// client ends, this is also how long it waits for its store to have everything, and then to release its file, but
    /// at least a second for each. Default: 10 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.config.drain_timeout = timeout;
        self
    }

    /// How lost connections are made again. Default: for ever, with exponential back-off and jitter.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// Whether the very first connection is retried like later ones. Default: no, its failure is
    /// [`connect`](Self::connect)'s.
    pub fn retry_first(mut self, first: bool) -> Self {
        self.config.reconnect.first = first;
        self
    }

    /// Decides whether to try again after the server refused or ended the connection. Default:
    /// [`Reconnect::default_retry`].
    pub fn retry(mut self, retry: fn(ServerClose) -> bool) -> Self {
        self.config.reconnect.retry = retry;
        self
    }
}
