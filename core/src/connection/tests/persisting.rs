//! Write-ahead, and going on in another process.

use std::collections::BTreeMap;

use super::*;
use crate::config::{Acknowledge, CleanStart, ClientId};
use crate::event::Event;
use crate::session::{Batch, Key, PersistId, RestoreError, Session, SessionError, StoreError, StoreOp};

/// A client with a store, of which the test says when it carries things out.
pub(super) struct Stored {
    pub(super) rig: Rig,
    /// What is stored.
    pub(super) disk: BTreeMap<Key, Vec<u8>>,
    /// What the driver has taken and not carried out.
    pub(super) batches: Vec<(PersistId, Batch)>,
}

pub(super) fn persistent() -> Config {
    Config { client_id: ClientId::Given("me".into()), clean_start: CleanStart::Never, ..config() }
}

impl Stored {
    fn new(config: Config) -> Self {
        Self::on(config, BTreeMap::new())
    }

    /// A process that finds this in its store.
    fn on(config: Config, disk: BTreeMap<Key, Vec<u8>>) -> Self {
        let mut session = Session::new();
        for (key, record) in &disk {
            session.load(*key, record).unwrap();
        }
        let mut rig = Rig::new(config.clone());
        rig.connection = Connection::restore(config, session, rig.now).unwrap();
        rig.version = rig.connection.version();
        Self { rig, disk, batches: Vec::new() }
    }

    pub(super) fn connected(config: Config) -> Self {
        let mut stored = Self::new(config);
        stored.connect(false);
        stored.store();
        stored.rig.events();
        stored
    }

    pub(super) fn connect(&mut self, session_present: bool) {
        self.rig.connection.connect(self.rig.now);
        self.rig.accept(session_present, Properties::EMPTY);
    }

    /// The driver takes what waits.
    pub(super) fn take(&mut self) {
        let mut batch = Batch::new();
        while let Some(id) = self.rig.connection.poll_persist(&mut batch) {
            self.batches.push((id, std::mem::take(&mut batch)));
        }
    }

    /// The store carries everything out, and the client hears of it.
    pub(super) fn store(&mut self) {
        self.take();
        self.carry_out();
    }

    /// The store carries out what the driver has taken, and the client hears of it.
    fn carry_out(&mut self) {
        for (id, batch) in std::mem::take(&mut self.batches) {
            for op in batch.iter() {
                match op {
                    StoreOp::Put { key, record } => drop(self.disk.insert(key, record.to_vec())),
                    StoreOp::Delete { key } => drop(self.disk.remove(&key)),
                }
            }
            self.rig.connection.handle_persisted(self.rig.now, id, Ok(()));
        }
    }

    /// What the client sends without the store having done anything more, then what it sends once it has.
    pub(super) fn sent_before_and_after(&mut self) -> (Vec<String>, Vec<String>) {
        let before = self.rig.sent();
        self.store();
        (before, self.rig.sent())
    }

    /// The process dies, and another one begins with what was stored.
    pub(super) fn crash(self) -> Self {
        Self::on(self.rig.connection.config().clone(), self.disk)
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.disk.keys().copied().filter(|key| *key != Key::Header).collect()
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

// R: STO-02
#[test]
fn publish_leaves_after_its_record_and_its_packet_identifier_are_stored() {
    let mut stored = Stored::connected(persistent());
    let token = stored.rig.publish("a", QoS::AtLeastOnce);
    assert!(stored.rig.connection.has_output(), "the driver is woken for the store");
    stored.take();
    assert_eq!(stored.rig.sent(), strings(&[]), "taken is not stored");
    stored.store();
    assert_eq!(stored.keys(), [Key::Message(token.0), Key::Flight(token.0)]);
    assert_eq!(stored.rig.sent(), strings(&["Publish 1 q1 a"]));
    assert_eq!(stored.rig.events(), [Event::Stored { token }]);
    stored.rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    stored.store();
    assert_eq!(stored.keys(), []);
}

// R: STO-02
#[test]
fn each_packet_of_an_exchange_waits_for_its_record() {
    let mut stored = Stored::connected(persistent());
    let token = stored.rig.publish("a", QoS::ExactlyOnce);
    stored.store();
    assert_eq!(stored.rig.sent(), strings(&["Publish 1 q2 a"]));
    stored.rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["PubRel 1 0x00"])));
    assert_eq!(stored.keys(), [Key::Flight(token.0)], "the message itself is the server's now");

    stored.rig.deliver("b", QoS::ExactlyOnce, 7, false);
    stored.rig.messages();
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["PubRec 7 0x00"])));
    assert!(stored.disk.contains_key(&Key::Incoming(7)));
    stored.rig.ack(PacketType::PubRel, 7, ReasonCode::SUCCESS);
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["PubComp 7 0x00"])));
    assert!(!stored.disk.contains_key(&Key::Incoming(7)));
}

// R: STO-02, PUB-02
#[test]
fn only_messages_and_replies_wait_for_the_store_and_in_their_order() {
    let mut stored = Stored::connected(persistent());
    stored.rig.publish("one", QoS::AtLeastOnce);
    stored.rig.publish("two", QoS::ExactlyOnce);
    stored.rig.publish("zero", QoS::AtMostOnce);
    stored.rig.subscribe(&["f"]);
    stored.rig.deliver("b", QoS::AtLeastOnce, 9, false);
    stored.rig.messages();
    let (before, after) = stored.sent_before_and_after();
    assert_eq!(before, strings(&["Publish 0 q0 zero", "Subscribe 3 f", "PubAck 9 0x00"]));
    assert_eq!(after, strings(&["Publish 1 q1 one", "Publish 2 q2 two"]));
}

// R: STO-02, SUB-06
#[test]
fn a_pubcomp_for_an_unknown_identifier_waits_for_the_removal_before_it() {
    let mut stored = Stored::connected(persistent());
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, false);
    stored.rig.messages();
    stored.store();
    stored.rig.ack(PacketType::PubRel, 7, ReasonCode::SUCCESS);
    stored.take();
    stored.rig.reconnect(true);
    stored.rig.ack(PacketType::PubRel, 7, ReasonCode::SUCCESS);
    let (before, after) = stored.sent_before_and_after();
    assert_eq!((before, after), (vec![], strings(&["PubComp 7 0x92"])));
}

// R: STO-02, REC-04
#[test]
fn another_process_goes_on_where_the_last_one_was() {
    let mut stored = Stored::connected(persistent());
    let tokens: Vec<_> =
        [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce].map(|qos| stored.rig.publish("a", qos)).into();
    stored.store();
    stored.rig.sent();
    stored.rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, false);
    stored.rig.messages();
    stored.store();

    let mut stored = stored.crash();
    let queued = stored.rig.publish("later", QoS::AtLeastOnce);
    assert!(queued > tokens[2], "tokens are never given out twice");
    stored.connect(true);
    let resent = ["PubRel 2 0x00", "Publish 1 q1 dup a", "Publish 3 q2 dup a"];
    assert_eq!(stored.sent_before_and_after(), (strings(&resent), strings(&["Publish 4 q1 later"])));
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, true);
    assert!(stored.rig.messages().is_empty(), "delivered before the crash");
    assert_eq!(stored.rig.sent(), strings(&["PubRec 7 0x00"]));
    stored.rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    stored.rig.ack(PacketType::PubComp, 2, ReasonCode::SUCCESS);
    assert_eq!(stored.rig.outcomes(), [(tokens[0], Ok(0)), (tokens[1], Ok(0))]);
}

// R: STO-02
#[test]
fn what_was_not_stored_never_was() {
    let mut stored = Stored::connected(persistent());
    stored.rig.publish("a", QoS::AtLeastOnce);
    stored.take();
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, false);
    stored.rig.messages();
    let mut stored = stored.crash();
    assert_eq!(stored.rig.connection.queued() + stored.rig.connection.in_flight(), 0);
    stored.connect(true);
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, true);
    let messages = stored.rig.messages();
    assert!(messages.len() == 1 && messages[0].duplicate(), "handed over, but not stored: it comes again");
}

// R: STO-02
#[test]
fn a_handed_over_message_is_stored_before_its_pubrec_has_its_turn() {
    let mut stored = Stored::connected(Config { acknowledge: Acknowledge::Explicit, ..persistent() });
    stored.rig.deliver("first", QoS::ExactlyOnce, 1, false);
    stored.rig.deliver("second", QoS::ExactlyOnce, 2, false);
    let second = stored.rig.messages()[1].id().unwrap();
    stored.rig.connection.acknowledge(stored.rig.now, second, ReasonCode::SUCCESS).unwrap();
    assert_eq!(stored.sent_before_and_after(), (vec![], vec![]), "the PUBREC of the first comes first");
    let mut stored = stored.crash();
    stored.connect(true);
    stored.rig.deliver("first", QoS::ExactlyOnce, 1, true);
    stored.rig.deliver("second", QoS::ExactlyOnce, 2, true);
    assert_eq!(stored.rig.topics(), ["first"]);
}

// R: STO-02
#[test]
fn an_identifier_that_may_have_been_used_is_resent_with_dup_and_one_that_was_not_without() {
    let mut stored = Stored::connected(persistent());
    stored.rig.publish("a", QoS::AtLeastOnce);
    stored.take();
    stored.rig.reconnect(true);
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["Publish 1 q1 a"])));
    let mut stored = stored.crash();
    stored.connect(true);
    assert_eq!(stored.rig.sent(), strings(&["Publish 1 q1 dup a"]));
}

// R: REC-05, STO-02
#[test]
fn a_session_that_the_server_lost_is_lost_in_the_store_as_well() {
    let mut stored = Stored::connected(persistent());
    let once = stored.rig.publish("once", QoS::ExactlyOnce);
    let least = stored.rig.publish("least", QoS::AtLeastOnce);
    stored.store();
    stored.rig.deliver("b", QoS::ExactlyOnce, 7, false);
    stored.rig.messages();
    stored.store();
    let mut stored = stored.crash();
    stored.connect(false);
    assert_eq!(stored.rig.outcomes(), [(once, Err(OperationError::SessionLost))]);
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["Publish 1 q1 least"])));
    assert_eq!(stored.keys(), [Key::Message(least.0), Key::Flight(least.0)]);
}

// R: REC-08, STO-02
#[test]
fn closing_keeps_what_is_stored_and_says_so_once_it_is() {
    let mut stored = Stored::connected(persistent());
    let sent = stored.rig.publish("a", QoS::AtLeastOnce);
    stored.store();
    stored.rig.sent();
    stored.rig.lose();
    stored.rig.events();
    let waiting = stored.rig.publish("b", QoS::ExactlyOnce);
    stored.rig.connection.disconnect(stored.rig.now, Disconnect::default()).unwrap();
    assert_eq!(stored.rig.events(), [], "nothing is promised before it is stored");
    assert_eq!(stored.rig.connection.state(), State::Disconnecting);
    stored.store();
    assert_eq!(stored.rig.connection.state(), State::Closed);
    let kept = |token| Event::Published { token, result: Err(OperationError::Kept) };
    assert_eq!(
        stored.rig.events(),
        [
            Event::Stored { token: waiting },
            kept(sent),
            kept(waiting),
            Event::Closed { cause: Cause::Requested }
        ]
    );
    // Started again, it goes on, and reports the end under the same token.
    stored.connect(true);
    assert_eq!(
        stored.sent_before_and_after(),
        (strings(&["Publish 1 q1 dup a"]), strings(&["Publish 2 q2 b"]))
    );
    stored.rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(stored.rig.outcomes(), [(sent, Ok(0))]);
}

#[test]
fn a_start_while_closing_waits_for_the_end() {
    let mut stored = Stored::connected(persistent());
    stored.rig.lose();
    stored.rig.publish("a", QoS::AtLeastOnce);
    stored.rig.connection.disconnect(stored.rig.now, Disconnect::default()).unwrap();
    stored.rig.connection.connect(stored.rig.now);
    assert_eq!(stored.rig.actions(), []);
    stored.store();
    stored.rig.accept(true, Properties::EMPTY);
    assert_eq!(stored.sent_before_and_after().1, strings(&["Publish 1 q1 a"]));
}

// R: REC-08, STO-02
#[test]
fn a_store_that_fails_ends_the_client() {
    let mut stored = Stored::connected(persistent());
    let kept = stored.rig.publish("kept", QoS::AtLeastOnce);
    stored.store();
    stored.rig.events();
    let lost = stored.rig.publish("lost", QoS::AtLeastOnce);
    stored.take();
    let error = StoreError("disk full".into());
    let (id, _) = stored.batches[0];
    stored.rig.connection.handle_persisted(stored.rig.now, id, Err(error.clone()));
    assert_eq!(stored.rig.closed_because(), Cause::Store(error.clone()));
    let again = stored.rig.connection.publish(stored.rig.now, Publish::new("a", "").qos(QoS::AtLeastOnce));
    assert_eq!(again, Err(crate::error::PublishError::Closed));
    stored.rig.connection.connect(stored.rig.now);
    assert_eq!(stored.rig.events(), [Event::Closed { cause: Cause::Store(error.clone()) }]);
    assert_eq!(stored.rig.connection.closing_error(kept), OperationError::Kept);
    assert_eq!(stored.rig.connection.closing_error(lost), OperationError::Store(error));
    let mut batch = Batch::new();
    assert_eq!(stored.rig.connection.poll_persist(&mut batch), None, "nothing is asked of it any more");
}

// R: STO-02, SUB-06
#[test]
fn a_client_that_was_closed_and_started_again_delivers_nothing_twice() {
    let mut rig = Rig::connected(persistent());
    rig.deliver("b", QoS::ExactlyOnce, 7, false);
    rig.messages();
    rig.expect(&[PacketType::PubRec]);
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    rig.closed_because();
    rig.connection.connect(rig.now);
    rig.accept(true, Properties::EMPTY);
    rig.deliver("b", QoS::ExactlyOnce, 7, true);
    assert!(rig.messages().is_empty());
    assert_eq!(rig.sent(), strings(&["PubRec 7 0x00"]));
}

// R: PUB-03
#[test]
fn a_client_that_was_closed_and_started_again_keeps_identifiers_that_the_server_may_know() {
    let mut rig = Rig::connected(persistent());
    rig.publish("a", QoS::ExactlyOnce);
    rig.publish("b", QoS::ExactlyOnce);
    rig.expect(&[PacketType::Publish, PacketType::Publish]);
    rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    rig.expect(&[PacketType::PubRel]);
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    rig.closed_because();
    rig.connection.connect(rig.now);
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), strings(&["PubRel 2 0x00"]), "what the server has taken is completed");
    rig.ack(PacketType::PubComp, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.published(), [], "it was reported as closed");
    assert_eq!(rig.connection.in_flight(), 1, "identifier 1");
    rig.reconnect(false);
    assert_eq!(rig.connection.in_flight(), 0);
}

/// The last process may have sent a CONNECT that began another session, and died before its answer.
// R: STO-02, SUB-06
#[test]
fn after_a_restart_a_new_message_under_an_old_identifier_is_not_taken_for_a_copy() {
    let mut stored = Stored::connected(persistent());
    for packet_id in [7, 8] {
        stored.rig.deliver("old", QoS::ExactlyOnce, packet_id, false);
    }
    stored.rig.messages();
    stored.store();
    let mut stored = stored.crash();
    stored.connect(true);
    stored.rig.deliver("old", QoS::ExactlyOnce, 7, true);
    stored.rig.deliver("new", QoS::ExactlyOnce, 8, false);
    assert_eq!(stored.rig.topics(), ["new"]);
}

// R: STO-03
#[test]
fn a_session_belongs_to_one_client_identifier() {
    let stored = Stored::connected(persistent());
    let mut session = Session::new();
    for (key, record) in &stored.disk {
        session.load(*key, record).unwrap();
    }
    let other = Config { client_id: ClientId::Given("you".into()), ..persistent() };
    let refused = Connection::restore(other, session.clone(), stored.rig.now).map(drop);
    let error = SessionError::OtherClient { stored: "me".into(), configured: "you".into() };
    assert_eq!(refused, Err(RestoreError::Session(error)));
    let random = Config { client_id: ClientId::Random, ..persistent() };
    let found = Connection::restore(random, session, stored.rig.now).unwrap();
    assert_eq!(found.client_id(), "me", "a random identifier is found again");
}

#[test]
fn a_fallen_back_client_remembers_the_version() {
    let mut stored = Stored::new(persistent());
    stored.rig.connection.connect(stored.rig.now);
    stored.rig.dial();
    stored.rig.expect(&[PacketType::Connect]);
    stored.rig.version = ProtocolVersion::V3_1_1;
    stored.rig.send_bytes(b"\x20\x02\x00\x01");
    stored.rig.closed_because();
    stored.rig.accept(false, Properties::EMPTY);
    stored.store();
    let mut stored = stored.crash();
    assert_eq!(stored.rig.connection.version(), ProtocolVersion::V3_1_1);
    stored.rig.connection.connect(stored.rig.now);
    stored.rig.dial();
    assert_eq!(stored.rig.sent(), strings(&["Connect 3.1.1 clean=0 me"]));
    // Which of several servers it was is not known.
    let several = Stored::on(Config { servers: 2, ..persistent() }, stored.disk);
    assert_eq!(several.rig.connection.version(), ProtocolVersion::V5);
}

#[test]
fn without_a_store_nothing_is_to_be_stored() {
    let mut rig = Rig::connected(persistent());
    rig.publish("a", QoS::ExactlyOnce);
    let mut batch = Batch::new();
    assert_eq!(rig.connection.poll_persist(&mut batch), None);
    assert_eq!(rig.sent(), strings(&["Publish 1 q2 a"]));
}

// R: PUB-05, STO-02
#[test]
fn a_message_that_was_cancelled_in_flight_keeps_its_identifier_over_a_restart() {
    let mut stored = Stored::connected(persistent());
    let [sent, released] =
        [stored.rig.publish("a", QoS::AtLeastOnce), stored.rig.publish("b", QoS::ExactlyOnce)];
    stored.store();
    stored.rig.sent();
    stored.rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    for token in [sent, released] {
        stored.rig.connection.cancel(stored.rig.now, token).unwrap();
    }
    stored.store();
    assert_eq!(stored.keys(), [Key::Flight(sent.0), Key::Flight(released.0)], "the messages are gone");
    let mut stored = stored.crash();
    stored.connect(true);
    assert_eq!(stored.rig.sent(), strings(&["PubRel 2 0x00"]), "nothing is resent");
    assert_eq!(stored.rig.connection.in_flight(), 2);
    stored.rig.publish("c", QoS::AtLeastOnce);
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["Publish 3 q1 c"])));
    for (packet, packet_id) in [(PacketType::PubAck, 1), (PacketType::PubComp, 2), (PacketType::PubAck, 3)] {
        stored.rig.ack(packet, packet_id, ReasonCode::SUCCESS);
    }
    stored.store();
    assert_eq!(stored.keys(), []);
}

// R: PUB-05, REC-07, STO-02
#[test]
fn a_message_that_ends_before_it_was_sent_leaves_no_record() {
    let config = Config {
        queue_limit: 1,
        queue_policy: crate::config::QueuePolicy::DropOldest,
        in_flight_limit: 1,
        ..persistent()
    };
    let mut stored = Stored::connected(config);
    let admitted = stored.rig.publish("a", QoS::AtLeastOnce);
    let dropped = stored.rig.publish("b", QoS::AtLeastOnce);
    stored.take();
    let waiting = stored.rig.publish("c", QoS::AtLeastOnce);
    for token in [admitted, waiting] {
        stored.rig.connection.cancel(stored.rig.now, token).unwrap();
    }
    let cancelled = || Err(OperationError::Cancelled);
    let outcomes = [(dropped, Err(OperationError::Dropped)), (admitted, cancelled()), (waiting, cancelled())];
    assert_eq!(stored.rig.outcomes(), outcomes);
    assert_eq!(stored.sent_before_and_after(), (vec![], vec![]));
    assert_eq!((stored.keys(), stored.rig.connection.in_flight()), (vec![], 0));
}

/// What can be sent does not wait for the removal of what was cancelled before it: where messages are cancelled, or reach
/// their deadlines, more often than the store commits, nothing would be sent any more.
// R: PUB-05, STO-02
#[test]
fn a_message_whose_cancel_a_crash_undid_is_sent_at_its_place_and_so_is_all_that_overtook_it() {
    let mut stored = Stored::connected(persistent());
    let cancelled = stored.rig.publish("a", QoS::ExactlyOnce);
    stored.rig.publish("b", QoS::AtLeastOnce);
    stored.rig.publish("c", QoS::ExactlyOnce);
    stored.take();
    stored.rig.connection.cancel(stored.rig.now, cancelled).unwrap();
    stored.carry_out();
    assert_eq!(stored.rig.sent(), strings(&["Publish 2 q1 b", "Publish 3 q2 c"]));
    stored.rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
    stored.rig.ack(PacketType::PubRec, 3, ReasonCode::SUCCESS);
    assert_eq!(stored.rig.sent(), strings(&[]), "PUBREL comes after the removal");
    let mut stored = stored.crash();
    stored.connect(true);
    let expected = ["Publish 1 q2 dup a", "Publish 2 q1 dup b", "Publish 3 q2 dup c"];
    assert_eq!(stored.rig.sent(), strings(&expected));
}

// R: PUB-05, STO-02
#[test]
fn nothing_overtakes_a_message_that_was_cancelled_in_the_queue_before_its_removal_is_stored() {
    let mut stored = Stored::connected(Config { in_flight_limit: 1, ..persistent() });
    stored.rig.publish("a", QoS::AtLeastOnce);
    let cancelled = stored.rig.publish("b", QoS::AtLeastOnce);
    stored.rig.publish("c", QoS::AtLeastOnce);
    stored.store();
    assert_eq!(stored.rig.sent(), strings(&["Publish 1 q1 a"]));
    stored.rig.connection.cancel(stored.rig.now, cancelled).unwrap();
    stored.rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert!(stored.disk.contains_key(&Key::Message(cancelled.0)));
    assert_eq!(stored.sent_before_and_after(), (vec![], strings(&["Publish 2 q1 c"])));
    assert!(!stored.disk.contains_key(&Key::Message(cancelled.0)));
}

/// Restarts with the time of day that many seconds after 1970.
fn restart(stored: &Stored, day: u64) -> Rig {
    let mut session = Session::new().wall_clock(seconds(day));
    for (key, record) in &stored.disk {
        session.load(*key, record).unwrap();
    }
    let mut rig = Rig::new(persistent());
    rig.connection = Connection::restore(persistent(), session, rig.now).unwrap();
    rig
}

// R: REC-07, STO-02
#[test]
fn message_expiry_goes_on_while_no_process_is_there() {
    let mut stored = Stored::new(persistent());
    stored.rig = restart(&stored, 1_000);
    stored.rig.connection.connect(stored.rig.now);
    stored.rig.accept(false, Properties::EMPTY);
    stored.rig.connection.handle_timeout(stored.rig.now);
    let list = properties(&[Property::MessageExpiryInterval(60)]);
    let publish = Publish::new("sent", "").qos(QoS::AtLeastOnce).properties(list.as_properties());
    let sent = stored.rig.connection.publish(stored.rig.now, publish).unwrap();
    stored.store();
    assert_eq!(stored.rig.sent(), strings(&["Publish 1 q1 sent expiry=60"]));
    stored.rig.lose();
    let publish = Publish::new("waits", "").qos(QoS::AtLeastOnce).properties(list.as_properties());
    let waits = stored.rig.connection.publish(stored.rig.now, publish).unwrap();
    stored.store();

    for (day, expected) in [(1_020, " expiry=40"), (990, "")] {
        let mut rig = restart(&stored, day);
        rig.connection.connect(rig.now);
        rig.accept(true, Properties::EMPTY);
        let again = rig.sent();
        let expected = if expected.is_empty() { " expiry=60" } else { expected };
        assert_eq!(again, [format!("Publish 1 q1 dup sent{expected}")], "the other waits for its record");
    }
    let mut rig = restart(&stored, 1_060);
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.outcomes(), [(waits, Err(OperationError::Expired))]);
    rig.connection.connect(rig.now);
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup sent expiry=1"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(sent, Ok(0))]);
}
