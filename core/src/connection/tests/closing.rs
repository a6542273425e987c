//! The end of a client whose store is slow, or fails at a bad moment.

use super::persisting::{Stored, persistent};
use super::*;
use crate::command::Disconnect;
use crate::event::Event;
use crate::session::{Key, StoreError};

fn at_once() -> Disconnect<'static> {
    Disconnect { at_once: true, ..Disconnect::default() }
}

/// The store answers that it has failed.
fn fail_store(stored: &mut Stored) -> StoreError {
    let error = StoreError("disk full".into());
    stored.take();
    let (id, _) = stored.batches[0];
    stored.rig.connection.handle_persisted(stored.rig.now, id, Err(error.clone()));
    error
}

// R: REC-08, STO-02
#[test]
fn a_store_that_fails_while_the_connection_is_being_closed_ends_the_client() {
    for reconnects in [false, true] {
        let mut stored = Stored::connected(persistent());
        let token = stored.rig.publish("a", QoS::AtLeastOnce);
        if reconnects {
            stored.rig.connection.reconnect(stored.rig.now);
        } else {
            // A PUBREC for a SUBSCRIBE: the connection is closed.
            stored.rig.subscribe(&["f"]);
            stored.rig.sent();
            stored.rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
        }
        stored.rig.events();
        let error = fail_store(&mut stored);
        let attempt = stored.rig.connection.attempt;
        stored.rig.connection.handle_disconnected(stored.rig.now, attempt, eof());
        let events = stored.rig.events();
        let result = Err(OperationError::Store(error.clone()));
        assert!(events.contains(&Event::Published { token, result }), "{events:?}");
        assert_eq!(events.last(), Some(&Event::Closed { cause: Cause::Store(error) }));
        assert_eq!(stored.rig.connection.state(), State::Closed);
        assert_eq!(stored.rig.connection.poll_timeout(), None);
    }
}

// R: REC-08, REC-09, STO-02
#[test]
fn a_client_whose_store_failed_says_only_when_it_has_closed_that_it_has() {
    let mut stored = Stored::connected(persistent());
    stored.rig.publish("a", QoS::AtLeastOnce);
    let error = fail_store(&mut stored);
    stored.rig.events();
    for restart in [Connection::connect, Connection::reconnect] {
        restart(&mut stored.rig.connection, stored.rig.now);
        assert_eq!(stored.rig.events(), [], "the network connection is still there");
    }
    assert_eq!(stored.rig.closed_because(), Cause::Store(error.clone()));
    stored.rig.connection.reconnect(stored.rig.now);
    assert_eq!(stored.rig.events(), [Event::Closed { cause: Cause::Store(error) }], "and once for each call");
    assert_eq!(stored.rig.actions(), []);
}

// R: REC-08, STO-02
#[test]
fn a_client_that_was_to_start_again_once_closed_can_be_stopped_before() {
    let mut stored = Stored::connected(persistent());
    stored.rig.publish("a", QoS::AtLeastOnce);
    stored.take();
    stored.rig.connection.disconnect(stored.rig.now, at_once()).unwrap();
    stored.rig.closed_because();
    stored.rig.connection.connect(stored.rig.now);
    stored.rig.connection.disconnect(stored.rig.now, at_once()).unwrap();
    stored.store();
    assert_eq!(stored.rig.actions(), [], "it stays closed");
    assert_eq!(stored.rig.events().last(), Some(&Event::Closed { cause: Cause::Requested }));
}

// R: PUB-03, STO-02
#[test]
fn what_is_discarded_before_it_was_sent_leaves_no_identifier_behind() {
    let mut stored = Stored::connected(Config { discard_on_close: true, ..persistent() });
    let sent = stored.rig.publish("sent", QoS::AtLeastOnce);
    stored.store();
    stored.rig.sent();
    stored.rig.publish("admitted", QoS::ExactlyOnce);
    stored.rig.connection.disconnect(stored.rig.now, at_once()).unwrap();
    stored.rig.closed_because();
    stored.store();
    assert_eq!(stored.keys(), [Key::Flight(sent.0)], "the server may know only the first");
    assert_eq!(stored.rig.connection.in_flight(), 1);
}

/// A server that sends answers to nothing, while the store is busy with what must come before ours.
// R: STO-02
#[test]
fn answers_that_wait_for_the_store_do_not_fill_the_memory() {
    let mut stored = Stored::connected(persistent());
    stored.rig.deliver("a", QoS::ExactlyOnce, 1, false);
    stored.rig.messages();
    stored.take();
    let limit = stored.rig.connection.config().send_buffer;
    let flood = b"\x62\x02\x00\x09".repeat(limit);
    assert_eq!(stored.rig.send_bytes(&flood), Ingress::Paused);
    assert!(stored.rig.input.len() > flood.len() / 2, "{} bytes are left", stored.rig.input.len());
    stored.store();
    stored.rig.pump();
    let left = stored.rig.input.len();
    stored.rig.send_bytes(&[]);
    assert!(stored.rig.input.len() < left, "it goes on once they are stored");
}

// R: PUB-05, STO-02
#[test]
fn a_message_that_was_cancelled_is_not_reported_again_by_the_next_process() {
    for cancelled_first in [true, false] {
        let mut stored = Stored::connected(persistent());
        let token = stored.rig.publish("a", QoS::ExactlyOnce);
        stored.store();
        stored.rig.sent();
        if cancelled_first {
            stored.rig.connection.cancel(stored.rig.now, token).unwrap();
        }
        stored.rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
        if !cancelled_first {
            stored.rig.connection.cancel(stored.rig.now, token).unwrap();
        }
        stored.store();
        let mut session = crate::session::Session::new();
        for (key, record) in &stored.disk {
            session.load(*key, record).unwrap();
        }
        assert_eq!(session.pending().count(), 0);
        let mut stored = stored.crash();
        stored.connect(true);
        assert_eq!(stored.rig.sent(), ["PubRel 1 0x00"]);
        stored.rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
        assert_eq!(stored.rig.published(), [], "its fate was reported");
        stored.store();
        assert_eq!(stored.keys(), []);
    }
}

// R: REC-07, STO-02
#[test]
fn a_newer_message_takes_the_place_of_one_that_an_earlier_process_left() {
    let queue_policy = crate::config::QueuePolicy::LatestPerTopic;
    let mut stored = Stored::connected(Config { queue_policy, ..persistent() });
    stored.rig.lose();
    let old = stored.rig.publish("a", QoS::AtLeastOnce);
    stored.store();
    let mut stored = stored.crash();
    stored.rig.publish("a", QoS::AtLeastOnce);
    assert_eq!(stored.rig.outcomes(), [(old, Err(OperationError::Dropped))]);
    assert_eq!(stored.rig.connection.queued(), 1);
}

/// The CONNACK of the first connection was lost, and with it the news that the server has a session.
// R: REC-06
#[test]
fn the_session_of_a_connect_that_was_never_answered_is_no_surprise() {
    for strict_session in [true, false] {
        let client_id = if strict_session { persistent().client_id } else { config().client_id };
        let mut rig = Rig::new(Config { client_id, strict_session, ..persistent() });
        rig.connection.connect(rig.now);
        rig.dial();
        rig.expect(&[PacketType::Connect]);
        rig.lose();
        rig.connection.connect(rig.now);
        rig.accept(true, Properties::EMPTY);
        assert_eq!(rig.connection.state(), State::Connected);
    }
}

// R: REC-08, PUB-05, STO-02
#[test]
fn what_ended_as_kept_cannot_be_cancelled_before_it_goes_on() {
    let mut stored = Stored::connected(persistent());
    let token = stored.rig.publish("a", QoS::AtLeastOnce);
    stored.store();
    stored.rig.sent();
    stored.rig.connection.disconnect(stored.rig.now, at_once()).unwrap();
    stored.rig.closed_because();
    let cancelled = stored.rig.connection.cancel(stored.rig.now, token);
    assert_eq!(cancelled, Err(crate::error::CancelError), "it has ended");
    assert_eq!(stored.rig.events(), []);
    assert!(!stored.rig.connection.has_output(), "the store was told to let go");
    stored.connect(true);
    stored.rig.connection.cancel(stored.rig.now, token).unwrap();
    assert_eq!(stored.rig.outcomes(), [(token, Err(OperationError::Cancelled))]);
}

// R: REC-08, REC-10, STO-02
#[test]
fn a_store_that_hangs_does_not_hold_the_end_up_for_ever() {
    for (drain_timeout, just_in_time) in [(seconds(10), 9_999_999), (Duration::ZERO, 999_999)] {
        let mut stored = Stored::connected(Config { drain_timeout, ..persistent() });
        let kept = stored.rig.publish("kept", QoS::AtLeastOnce);
        stored.store();
        stored.rig.sent();
        stored.rig.lose();
        stored.rig.events();
        let unknown = stored.rig.publish("unknown", QoS::ExactlyOnce);
        stored.take();
        let waiting = stored.rig.publish("waiting", QoS::AtLeastOnce);
        stored.rig.connection.disconnect(stored.rig.now, Disconnect::default()).unwrap();
        stored.rig.connection.handle_timeout(stored.rig.now);
        stored.rig.advance(Duration::from_micros(just_in_time));
        stored.rig.connection.handle_timeout(stored.rig.now);
        assert_eq!((stored.rig.events(), stored.rig.connection.state()), (vec![], State::Disconnecting));
        stored.rig.next_deadline(Duration::from_micros(1));
        let events = stored.rig.events();
        let [.., Event::Closed { cause: Cause::Store(error) }] = &events[..] else { panic!("{events:?}") };
        let ended = |token, error| Event::Published { token, result: Err(error) };
        let not_stored = OperationError::Store(error.clone());
        assert_eq!(
            events[..3],
            [
                ended(kept, OperationError::Kept),
                ended(unknown, not_stored.clone()),
                ended(waiting, not_stored)
            ]
        );
        assert_eq!(stored.rig.connection.poll_timeout(), None);
        // What it answers then is of no interest any more, and it is asked nothing.
        let (id, _) = stored.batches.pop().unwrap();
        stored.rig.connection.handle_persisted(stored.rig.now, id, Ok(()));
        stored.take();
        assert_eq!((stored.rig.events(), stored.batches.len()), (vec![], 0));
        stored.rig.connection.connect(stored.rig.now);
        assert!(matches!(stored.rig.events()[..], [Event::Closed { cause: Cause::Store(_) }]));
    }
}

// R: REC-09, SUB-06
#[test]
fn nothing_follows_closed_until_the_client_is_started_again() {
    let mut rig = Rig::connected(config());
    rig.connection.disconnect(rig.now, at_once()).unwrap();
    rig.closed_because();
    // The driver was asked to before the end.
    rig.connection.handle_dropped(3);
    assert_eq!((rig.events(), rig.connection.statistics().dropped_messages), (vec![], 3));
    rig.connection.connect(rig.now);
    let events = rig.events();
    assert!(matches!(events[..], [Event::Connecting { .. }, Event::Dropped { messages: 3 }]), "{events:?}");
}
