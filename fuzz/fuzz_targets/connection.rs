//! A server that says anything, in pieces of any size: the client never panics, keeps its bounds, and its deadlines lie
//! ahead once they were handled.
#![no_main]

use bytes::{Buf, BytesMut};
use core::time::Duration;
use libfuzzer_sys::fuzz_target;
use sterna_core::packet::{ProtocolVersion, QoS};
use sterna_core::{
    Action, Config, ConnectOverrides, Connection, Instant, Lost, LostKind, Publish, Reconnect, Transmit,
    VersionPolicy,
};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const RESERVE: usize = 4 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((&selector, pieces)) = input.split_first() else { return };
    let mut driver = Driver::new(VERSIONS[usize::from(selector) % VERSIONS.len()]);
    // Each piece: its length, then its bytes; a length of zero lets time pass, 255 loses the connection.
    let mut rest = pieces;
    while let Some((&length, bytes)) = rest.split_first() {
        let (piece, next) = bytes.split_at(usize::from(length % 64).min(bytes.len()));
        rest = next;
        match length {
            0 => driver.pass_time(),
            255 => driver.lose(),
            _ => driver.receive(piece),
        }
        driver.drive();
    }
});

struct Driver {
    connection: Connection,
    now: Instant,
    input: BytesMut,
    transmit: Transmit,
    up: Option<sterna_core::Attempt>,
}

impl Driver {
    fn new(version: ProtocolVersion) -> Self {
        let mut config = Config::new(1);
        config.version = VersionPolicy::Only(version);
        config.reconnect = Reconnect { first: true, ..Reconnect::default() };
        (config.incoming_limit, config.incoming_bytes, config.incoming_reserve) = (8, 1 << 10, RESERVE);
        let now = Instant::ZERO;
        let mut connection = Connection::new(config, now).expect("the options are lawful");
        connection.connect(now);
        let mut driver =
            Self { connection, now, input: BytesMut::new(), transmit: Transmit::new(), up: None };
        driver.drive();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            driver.connection.publish(now, Publish::new("t", "p").qos(qos)).expect("there is room");
        }
        driver
    }

    fn receive(&mut self, piece: &[u8]) {
        if self.up.is_some() {
            self.input.extend_from_slice(piece);
            self.connection.handle_input(self.now, &mut self.input);
        }
    }

    fn pass_time(&mut self) {
        self.now = self.connection.poll_timeout().map_or(self.now + Duration::from_secs(1), |(at, _)| at);
        self.connection.handle_timeout(self.now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|(at, _)| at > self.now), "{next:?} was handled already");
    }

    fn lose(&mut self) {
        if let Some(attempt) = self.up.take() {
            self.input.clear();
            let lost = Lost { kind: LostKind::Eof, detail: "".into() };
            self.connection.handle_disconnected(self.now, attempt, lost);
        }
    }

    fn drive(&mut self) {
        loop {
            self.connection.poll_transmit(self.now, &mut self.transmit);
            let length = self.transmit.remaining();
            self.transmit.advance(length);
            self.connection.handle_written(self.now, length);
            match self.connection.poll_action() {
                Some(Action::Connect { attempt, .. }) => {
                    self.up = Some(attempt);
                    self.connection.handle_connected(self.now, attempt, ConnectOverrides::default());
                }
                Some(Action::Close { .. }) => self.lose(),
                None => break,
            }
        }
        while self.connection.poll_event().is_some() {}
        // The application reads a message now and then: the bounds are tried.
        let message = self.connection.poll_message();
        assert!(message.is_none_or(|message| message.size() <= RESERVE + (1 << 10)));
    }
}
