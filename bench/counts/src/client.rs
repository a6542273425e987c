//! A connection with the buffers of its driver, and a server that says what is needed.

use bytes::{Buf, BytesMut};
use sterna_core::packet::{Packet, ProtocolVersion, QoS};
use sterna_core::{
    Action, Config, ConnectOverrides, Connection, Event, Instant, Message, Publish, Transmit, VersionPolicy,
};

use crate::message::{self, Content, TOPIC};

pub const NOW: Instant = Instant::from_micros(1);

pub struct Driven {
    pub connection: Connection,
    pub transmit: Transmit,
    pub input: BytesMut,
    pub version: ProtocolVersion,
    /// Packets of the server that were not read.
    server: Vec<u8>,
}

impl Driven {
    /// Connected, with the defaults.
    pub fn connected(version: ProtocolVersion) -> Self {
        Self::connected_with(version, |_| ())
    }

    pub fn connected_with(version: ProtocolVersion, configure: impl FnOnce(&mut Config)) -> Self {
        let mut driven = Self::started(version, configure);
        driven.connect();
        driven
    }

    /// Not connected yet.
    pub fn started(version: ProtocolVersion, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(1);
        config.version = VersionPolicy::Only(version);
        configure(&mut config);
        let mut connection = Connection::new(config, NOW).expect("lawful");
        connection.connect(NOW);
        let (transmit, input) = (Transmit::new(), BytesMut::with_capacity(256 << 10));
        Self { connection, transmit, input, version, server: Vec::new() }
    }

    pub fn connect(&mut self) {
        let Some(Action::Connect { attempt, .. }) = self.connection.poll_action() else {
            panic!("not started")
        };
        self.connection.handle_connected(NOW, attempt, ConnectOverrides::default());
        self.transmit();
        self.written();
        let connack: &[u8] =
            if self.version == ProtocolVersion::V5 { b"\x20\x03\x00\x00\x00" } else { b"\x20\x02\x00\x00" };
        self.server.extend_from_slice(connack);
        self.arrive();
        self.read();
        while self.connection.poll_event().is_some() {}
    }

    pub fn publish(&mut self, qos: QoS, Content { properties, payload }: Content<'_>) {
        let publish = Publish::new(TOPIC, payload).qos(qos).properties(properties);
        self.connection.publish(NOW, publish).expect("accepted");
    }

    pub fn transmit(&mut self) -> bool {
        self.connection.poll_transmit(NOW, &mut self.transmit)
    }

    /// The transport takes everything.
    pub fn written(&mut self) {
        let length = self.transmit.remaining();
        self.transmit.advance(length);
        self.connection.handle_written(NOW, length);
    }

    pub fn expect_published(&mut self) {
        let event = self.connection.poll_event();
        assert!(matches!(event, Some(Event::Published { result: Ok(_), .. })), "{event:?}");
    }

    pub fn last_id(&self) -> u16 {
        self.connection.last_packet_id().expect("one was given out")
    }

    /// The server sends this packet; it is there with the next [`arrive`](Self::arrive).
    pub fn server_sends(&mut self, packet: &Packet<'_>) {
        message::encode(packet, self.version, &mut self.server);
    }

    /// What the server sent is in the read buffer.
    pub fn arrive(&mut self) {
        self.input.reserve(self.server.len());
        self.input.extend_from_slice(&self.server);
        self.server.clear();
    }

    pub fn read(&mut self) {
        self.connection.handle_input(NOW, &mut self.input);
    }

    pub fn expect_message(&mut self) -> Message {
        self.connection.poll_message().expect("a message")
    }
}
