//! Every handler and every command in every phase: each moves the client as the table in `state.rs` says, or not at all,
//! sends nothing that is not lawful there, and leaves a client that can be ended and resolves everything.

use std::collections::BTreeSet;

use super::authenticating::secure;
use super::*;
use crate::command::{Auth, Disconnect};
use crate::connection::Backlog;
use crate::connection::State;
use crate::connection::state::{ALL_INPUTS, ALL_PHASES, Input, Phase};

/// A rig in a phase, and what must come of it.
struct Walk {
    rig: Rig,
    /// Operations that were accepted and have not ended.
    pending: BTreeSet<Token>,
    /// The types of the packets that were sent on this network connection.
    sent: Vec<String>,
    /// There is a network connection, or one is being made; and whether it is to be closed.
    open: bool,
    closing: bool,
    /// CONNACK has come.
    up: bool,
    /// What it has said last.
    last: Option<Event>,
}

impl Walk {
    /// Brings a client into a phase in the shortest way.
    fn to(phase: Phase) -> Self {
        let rig = match phase {
            Phase::Idle | Phase::Connecting | Phase::Closed => Rig::new(secure()),
            Phase::Handshaking | Phase::Authenticating => Rig::asking(secure()),
            _ => Rig::authenticated(secure()),
        };
        let up = matches!(
            phase,
            Phase::Connected | Phase::Draining | Phase::Flushing | Phase::Closing | Phase::Waiting
        );
        let sent = if up { vec!["Connect".to_owned()] } else { vec![] };
        let open = phase.has_transport();
        let mut walk = Self { rig, pending: BTreeSet::new(), sent, open, closing: false, up, last: None };
        let rig = &mut walk.rig;
        match phase {
            Phase::Idle | Phase::Handshaking | Phase::Connected => {}
            Phase::Connecting => rig.connection.connect(rig.now),
            Phase::Authenticating => rig.challenge(b"who"),
            Phase::Draining => {
                walk.pending.insert(rig.publish("t", QoS::AtLeastOnce));
                rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
            }
            Phase::Flushing | Phase::Closed => {
                rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
            }
            Phase::Closing => {
                walk.pending.insert(rig.publish("t", QoS::AtLeastOnce));
                rig.send_bytes(b"\x00\x00");
            }
            Phase::Waiting => {
                walk.pending.insert(rig.publish("t", QoS::AtLeastOnce));
                walk.sent.clear();
                rig.lose();
            }
        }
        if phase == Phase::Connecting {
            // The driver was asked already.
            walk.rig.actions();
        }
        assert_eq!(walk.phase(), phase);
        walk
    }

    fn phase(&self) -> Phase {
        self.rig.connection.phase
    }

    /// Takes what the client has sent, and holds it against where it stands.
    fn look(&mut self, name: &str) {
        let context = (name, self.phase());
        let first = self.sent.len();
        let sent = self.rig.sent();
        self.sent.extend(sent.iter().map(|packet| packet.split(' ').next().unwrap_or_default().to_owned()));
        for event in self.rig.events() {
            let has_ended = matches!(self.last, Some(Event::Closed { .. }));
            let starts = matches!(event, Event::Connecting { .. });
            assert!(!has_ended || starts, "{event:?} after the end: {context:?}");
            self.last = Some(event.clone());
            match event {
                Event::Published { token, .. }
                | Event::Subscribed { token, .. }
                | Event::Unsubscribed { token, .. }
                | Event::Reauthenticated { token, .. } => {
                    assert!(self.pending.remove(&token), "{token:?} ended twice: {context:?}");
                }
                Event::Connected { .. } => self.up = true,
                Event::Closed { .. } => assert!(self.pending.is_empty(), "operations hang: {context:?}"),
                _ => {}
            }
        }
        for (index, packet) in self.sent.iter().enumerate() {
            assert_eq!(packet == "Connect", index == 0, "{:?}: {context:?}", self.sent);
            let early = matches!(packet.as_str(), "Connect" | "Auth" | "Disconnect");
            assert!(self.up || early || index < first, "{packet} before CONNACK: {context:?}");
            let last = index + 1 == self.sent.len();
            assert!(last || packet != "Disconnect", "{:?}: {context:?}", self.sent);
        }
        for action in self.rig.actions() {
            match action {
                Action::Connect { .. } => {
                    assert!(!self.open, "a second network connection: {context:?}");
                    (self.open, self.closing, self.up) = (true, false, false);
                    self.sent.clear();
                }
                Action::Close { attempt } => {
                    assert!(self.open && !self.closing, "closed twice: {context:?}");
                    assert_eq!(attempt, self.rig.connection.attempt());
                    self.closing = true;
                }
            }
        }
        assert_eq!(self.open, self.phase().has_transport(), "{context:?}");
        assert_eq!(self.closing && self.open, self.phase() == Phase::Closing, "{context:?}");
    }

    /// The network connection is gone.
    fn lose(&mut self) {
        self.open = false;
        self.rig.lose();
    }

    /// Whatever happened, the client can be ended, and everything resolves.
    fn end(&mut self, name: &str) {
        let rig = &mut self.rig;
        let at_once = Disconnect { at_once: true, ..Disconnect::default() };
        rig.connection.disconnect(rig.now, at_once).unwrap();
        self.look(name);
        if self.open {
            self.lose();
            self.look(name);
        }
        assert_eq!(self.rig.connection.state(), State::Closed, "{name}");
        assert!(self.pending.is_empty(), "{name}: {:?} hang", self.pending);
        assert_eq!(self.rig.connection.poll_timeout(), None, "{name}");
    }
}

type Call = fn(&mut Walk);

/// Handlers and commands that are one input of the table.
const INPUTS: &[(&str, Input, Call)] = &[
    ("connect", Input::Start, |walk| walk.rig.connection.connect(walk.rig.now)),
    ("connected", Input::TransportUp, |walk| {
        let attempt = walk.rig.connection.attempt();
        walk.rig.connection.handle_connected(walk.rig.now, attempt, ConnectOverrides::default());
    }),
    ("authenticate", Input::Answer, |walk| {
        let _ = walk.rig.answer(b"it");
    }),
];

/// The rest: input, and what moves the client differently from phase to phase.
const CALLS: &[(&str, Call)] = &[
    ("reconnect", |walk| walk.rig.connection.reconnect(walk.rig.now)),
    ("disconnect", |walk| {
        walk.rig.connection.disconnect(walk.rig.now, Disconnect::default()).unwrap();
    }),
    ("disconnect at once", |walk| {
        let at_once = Disconnect { at_once: true, ..Disconnect::default() };
        walk.rig.connection.disconnect(walk.rig.now, at_once).unwrap();
    }),
    ("publish QoS 0", |walk| publish(walk, QoS::AtMostOnce)),
    ("publish QoS 1", |walk| publish(walk, QoS::AtLeastOnce)),
    ("publish QoS 2", |walk| publish(walk, QoS::ExactlyOnce)),
    ("subscribe", |walk| {
        let filters = filters_buf(&["a"], SubscribeOptions::default());
        let subscribe = Subscribe::new(filters.as_filters());
        walk.pending.extend(walk.rig.connection.subscribe(walk.rig.now, subscribe).ok());
    }),
    ("unsubscribe", |walk| {
        let mut filters = TopicFiltersBuf::new();
        filters.push("a").unwrap();
        let unsubscribe = Unsubscribe::new(filters.as_filters());
        walk.pending.extend(walk.rig.connection.unsubscribe(walk.rig.now, unsubscribe).ok());
    }),
    ("reauthenticate", |walk| {
        walk.pending.extend(walk.rig.connection.reauthenticate(walk.rig.now, Auth::default()).ok());
    }),
    ("refuse the server", |walk| {
        let attempt = walk.rig.connection.attempt();
        let reason = ReasonCode::UNSPECIFIED_ERROR;
        let _ = walk.rig.connection.refuse_authentication(walk.rig.now, attempt, reason);
    }),
    ("a late timeout", |walk| {
        walk.rig.advance(seconds(100_000));
        walk.rig.connection.handle_timeout(walk.rig.now);
    }),
    ("a spurious timeout", |walk| walk.rig.connection.handle_timeout(walk.rig.now)),
    ("written too much", |walk| walk.rig.connection.handle_written(walk.rig.now, 1_000)),
    ("a backlog", |walk| {
        walk.rig.connection.handle_backlog(Backlog {
            messages: 1_000_000,
            bytes: 1 << 30,
            ..Backlog::default()
        });
    }),
    ("messages were dropped", |walk| walk.rig.connection.handle_dropped(3)),
    ("CONNACK", |walk| input(walk, b"\x20\x13\x00\x00\x10\x15\x00\x0dSCRAM-SHA-256")),
    ("CONNACK without a method", |walk| input(walk, b"\x20\x03\x00\x00\x00")),
    ("CONNACK that refuses", |walk| input(walk, b"\x20\x03\x00\x88\x00")),
    ("AUTH", |walk| {
        let method = Property::AuthenticationMethod("SCRAM-SHA-256");
        auth(walk, ReasonCode::CONTINUE_AUTHENTICATION, method);
    }),
    ("AUTH with success", |walk| {
        auth(walk, ReasonCode::SUCCESS, Property::AuthenticationMethod("SCRAM-SHA-256"));
    }),
    ("AUTH of another method", |walk| {
        auth(walk, ReasonCode::CONTINUE_AUTHENTICATION, Property::AuthenticationMethod("PLAIN"));
    }),
    ("PUBLISH QoS 0", |walk| input(walk, b"\x30\x04\x00\x01t\x00")),
    ("PUBLISH QoS 1", |walk| input(walk, b"\x32\x06\x00\x01t\x00\x01\x00")),
    ("PUBLISH QoS 2", |walk| input(walk, b"\x34\x06\x00\x01t\x00\x01\x00")),
    ("PUBACK", |walk| input(walk, b"\x40\x02\x00\x01")),
    ("PUBREC", |walk| input(walk, b"\x50\x02\x00\x01")),
    ("PUBREL", |walk| input(walk, b"\x62\x02\x00\x01")),
    ("PUBCOMP", |walk| input(walk, b"\x70\x02\x00\x01")),
    ("SUBACK", |walk| input(walk, b"\x90\x04\x00\x01\x00\x00")),
    ("UNSUBACK", |walk| input(walk, b"\xb0\x04\x00\x01\x00\x00")),
    ("PINGRESP", |walk| input(walk, b"\xd0\x00")),
    ("DISCONNECT", |walk| input(walk, b"\xe0\x00")),
    ("a client's packet", |walk| input(walk, b"\xc0\x00")),
    ("garbage", |walk| input(walk, b"\xff\xff\xff\xff\xff")),
    ("half a packet", |walk| input(walk, b"\x30\x04\x00")),
];

fn publish(walk: &mut Walk, qos: QoS) {
    let publish = Publish::new("t", "payload").qos(qos);
    walk.pending.extend(walk.rig.connection.publish(walk.rig.now, publish).ok());
}

fn input(walk: &mut Walk, bytes: &[u8]) {
    walk.rig.input.clear();
    walk.rig.send_bytes(bytes);
}

fn auth(walk: &mut Walk, reason: ReasonCode, method: Property<'_>) {
    walk.rig.input.clear();
    let properties = properties(&[method]);
    walk.rig.send(&Packet::Auth(packet::Auth { reason, properties: properties.as_properties() }));
}

/// Where one or two inputs lead: a command may do two things at once, such as starting and finding the end.
fn reachable(from: Phase) -> Vec<Phase> {
    let next = |phase: Phase| ALL_INPUTS.into_iter().filter_map(move |input| phase.next(input));
    next(from).flat_map(next).chain(next(from)).chain([from]).collect()
}

#[test]
fn handlers_and_commands_move_the_client_as_the_table_says() {
    for phase in ALL_PHASES {
        for (name, input, call) in INPUTS {
            let mut walk = Walk::to(phase);
            call(&mut walk);
            assert_eq!(walk.phase(), phase.next(*input).unwrap_or(phase), "{name} in {phase:?}");
            walk.look(name);
            walk.end(name);
        }
        // A loss, and nothing else, ends the network connection.
        let mut walk = Walk::to(phase);
        walk.look("before the loss");
        let before = walk.phase();
        if walk.open {
            walk.lose();
        } else {
            walk.rig.lose();
        }
        let input = if walk.rig.connection.ending.is_some() || before == Phase::Flushing {
            Input::LostFinal
        } else {
            Input::LostRetry
        };
        let expected = if before == Phase::Closing && phase != Phase::Closing {
            Phase::Closed // It was flushing.
        } else {
            before.next(input).or(before.next(Input::LostFinal)).unwrap_or(before)
        };
        assert_eq!(walk.phase(), expected, "a loss in {before:?}");
        walk.look("a loss");
        walk.end("a loss");
    }
}

#[test]
fn every_call_in_every_phase_is_harmless() {
    for phase in ALL_PHASES {
        for (name, call) in CALLS {
            let mut walk = Walk::to(phase);
            call(&mut walk);
            assert!(reachable(phase).contains(&walk.phase()), "{name}: {phase:?} to {:?}", walk.phase());
            walk.look(name);
            walk.end(name);
        }
    }
}

/// What belongs to an earlier network connection does nothing, wherever the client stands.
#[test]
fn calls_for_an_earlier_connection_do_nothing() {
    for phase in ALL_PHASES {
        let stale = Attempt(0);
        let mut walk = Walk::to(phase);
        if walk.rig.connection.attempt() == stale {
            continue;
        }
        walk.rig.connection.handle_connected(walk.rig.now, stale, ConnectOverrides::default());
        walk.rig.connection.handle_disconnected(walk.rig.now, stale, eof());
        assert!(walk.rig.connection.authenticate(walk.rig.now, stale, Auth::default()).is_err());
        let reason = ReasonCode::UNSPECIFIED_ERROR;
        assert!(walk.rig.connection.refuse_authentication(walk.rig.now, stale, reason).is_err());
        assert_eq!(walk.phase(), phase);
        walk.end("stale calls");
    }
}

/// Two calls in a row, all of them, from every phase.
#[test]
fn every_pair_of_calls_is_harmless() {
    for phase in ALL_PHASES {
        for (first, one) in CALLS {
            for (second, two) in CALLS {
                let mut walk = Walk::to(phase);
                one(&mut walk);
                walk.look(first);
                two(&mut walk);
                walk.look(second);
                walk.end(second);
            }
        }
    }
}
