//! QoS 0 whose outcome nobody may ever ask for: encoded, and not remembered one by one. What the transport took, and
//! what it had taken when a connection was lost, tells the outcome of each when it is asked for.

use alloc::collections::VecDeque;

use super::{Connection, Unwritten};
use crate::command::Publish;
use crate::error::{OperationError, PublishError};
use crate::event::{Attempt, Receipt, Sent};
use crate::packet::{PropertiesBuf, QoS, ReasonCode};

/// So many connections are remembered that were lost before everything was taken. What was sent on earlier ones counts
/// as lost.
const REMEMBERED: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unreported {
    /// Where the last of them ends among the bytes enqueued on this connection.
    end: u64,
    /// The connections that were lost before all of theirs was taken, and how much of it was.
    losses: VecDeque<(Attempt, u64)>,
}

impl Unreported {
    /// What had become of what ended at `end` on a connection that is gone.
    fn was_taken(&self, attempt: Attempt, end: u64) -> bool {
        match self.losses.iter().find(|(lost, _)| *lost == attempt) {
            Some((_, taken)) => end <= *taken,
            None => {
                self.losses.len() < REMEMBERED || self.losses.front().is_some_and(|(lost, _)| *lost < attempt)
            }
        }
    }
}

impl Connection {
    /// The quick way for QoS 0, if it can be encoded now and nothing has to be kept of it.
    pub(super) fn send_unreported(&mut self, publish: &Publish<'_>) -> Result<Option<Sent>, PublishError> {
        let is_plain = publish.qos == QoS::AtMostOnce
            && !publish.requeue
            && publish.topic_alias.is_none()
            && publish.deadline.is_none();
        let goes =
            is_plain && self.phase.is_up() && self.queue.at_most_once().is_empty() && self.has_send_room();
        if !goes || self.is_ending() {
            return Ok(None);
        }
        if !publish.properties.is_empty() {
            self.check_publish_properties(publish.properties)?;
        }
        self.check_publish_limits(publish.qos, publish.retain)?;
        self.encode_now(publish, 0)?;
        let token = self.take_token();
        // One that waits for the window would come after it.
        self.drop_same_topic(publish.topic);
        let (attempt, end) = (self.attempt, self.enqueued);
        self.unreported.get_or_insert_default().end = end;
        Ok(Some(Sent { token, attempt, end }))
    }

    /// The outcome if there is one; or else it will be reported like that of any other.
    pub(super) fn watch_sent(&mut self, sent: Sent) -> Option<Result<Receipt, OperationError>> {
        let Sent { token, attempt, end } = sent;
        let under_way = attempt == self.attempt && end > self.written && self.has_unreported();
        if !under_way {
            // While a connection is up nothing that it has enqueued ends beyond its bytes.
            let taken = match &self.unreported {
                Some(_) if attempt == self.attempt && end <= self.written => true,
                Some(unreported) => unreported.was_taken(attempt, end),
                None => false,
            };
            let receipt = Receipt { reason: ReasonCode::SUCCESS, properties: PropertiesBuf::new() };
            return Some(if taken { Ok(receipt) } else { Err(OperationError::Lost) });
        }
        if let Err(at) = self.unwritten.binary_search_by_key(&token, |message| message.token) {
            self.unwritten.insert(at, Unwritten { end, token, withdrawn: false });
        }
        None
    }

    /// Whether the transport has not taken all of them.
    pub(super) fn has_unreported(&self) -> bool {
        self.unreported.as_deref().is_some_and(|unreported| unreported.end > self.written)
    }

    /// The network connection is gone.
    pub(super) fn lose_unreported(&mut self) {
        let Some(unreported) = self.unreported.as_deref_mut() else { return };
        if core::mem::take(&mut unreported.end) > self.written {
            if unreported.losses.len() == REMEMBERED {
                unreported.losses.pop_front();
            }
            unreported.losses.push_back((self.attempt, self.written));
        }
    }
}
