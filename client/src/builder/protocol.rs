//! What CONNECT says.

use std::time::Duration;

use sterna_core::packet::PropertiesBuf;
use sterna_core::{Authentication, VersionPolicy, Will};

use super::{ClientBuilder, Runtime};
use crate::authentication::Authenticator;

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// The protocol version. Default: 5.0, and 3.1.1 if the server refuses that.
    pub fn version(mut self, version: VersionPolicy) -> Self {
        self.config.version = version;
        self
    }

    /// Sets the bridge flag that some servers know, on 3.x only. Default: off.
    pub fn bridge(mut self, bridge: bool) -> Self {
        self.config.bridge = bridge;
        self
    }

    /// Keep Alive, rounded down to seconds, at most 65,535; zero is off. Default: 60 s.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.config.keep_alive = u16::try_from(keep_alive.as_secs()).unwrap_or(u16::MAX);
        self
    }

    /// User name. Default: the URL's.
    pub fn user_name(mut self, user_name: impl Into<Box<str>>) -> Self {
        self.config.user_name = Some(user_name.into());
        self
    }

    /// Password. Default: the URL's.
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.config.password = Some(password.into().into_boxed_slice());
        self
    }

    /// Enhanced authentication by `method` (5.0): `authenticator` takes the client's steps, for each connection and for
    /// [`Client::reauthenticate`](crate::Client::reauthenticate). There is no falling back to 3.1.1 then. Default: none.
    pub fn authentication(
        mut self,
        method: impl Into<Box<str>>,
        authenticator: impl Authenticator + 'static,
    ) -> Self {
        self.config.authentication = Some(Box::new(Authentication { method: method.into(), data: None }));
        self.authenticator = Some(Box::new(authenticator));
        self
    }

    /// The message that the server publishes if this client goes without a DISCONNECT. Default: none.
    pub fn will(mut self, will: Will) -> Self {
        self.config.will = Some(Box::new(will));
        self
    }

    /// User Properties of CONNECT (5.0). Default: none.
    pub fn user_properties(mut self, user_properties: impl Into<PropertiesBuf>) -> Self {
        self.config.user_properties = user_properties.into();
        self
    }

    /// How many messages of QoS 1 and 2 the server may have unacknowledged towards us (5.0); on 3.x only the threshold of
    /// [`ack_blocked_after`](Self::ack_blocked_after). Default: 1,024. A server that exceeds it is disconnected from
    /// once, and allowed 65,535 from then on.
    pub fn receive_maximum(mut self, receive_maximum: u16) -> Self {
        self.config.receive_maximum = receive_maximum;
        self
    }

    /// The largest packet to take, in bytes. Default: the protocol's largest.
    pub fn maximum_packet_size(mut self, maximum_packet_size: u32) -> Self {
        self.config.maximum_packet_size = maximum_packet_size;
        self
    }

    /// How many topic aliases the server may use (5.0). Default: 16.
    pub fn topic_alias_maximum(mut self, topic_alias_maximum: u16) -> Self {
        self.config.topic_alias_maximum = topic_alias_maximum;
        self
    }

    /// Asks the server for Response Information (5.0). Default: off.
    pub fn request_response_information(mut self, request: bool) -> Self {
        self.config.request_response_information = request;
        self
    }

    /// Lets the server explain failures with Reason Strings and User Properties (5.0). Default: on.
    pub fn request_problem_information(mut self, request: bool) -> Self {
        self.config.request_problem_information = request;
        self
    }
}
