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
