//! What becomes of messages in flight when the server has lost the session: exactly what was chosen.

use sterna_client::{AfterPubRec, InDoubt, QoS, SessionLoss};

use super::super::findings::Findings;
use super::Promises;

/// How far a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Loss {
    /// It was sent, and nothing was heard of it.
    InDoubt,
    /// Its PUBREC had come.
    Received,
    /// Its PUBREC had come, or was thrown away unseen.
    Either,
}

fn in_doubt(qos: QoS, choice: SessionLoss) -> InDoubt {
    if qos == QoS::ExactlyOnce { choice.exactly_once } else { choice.at_least_once }
}

/// Whether it may end as lost with its session. Without a loss that was seen, it may not have left as a whole, or
/// before a restart.
pub(super) fn may_fail(qos: QoS, loss: Option<Loss>, choice: SessionLoss) -> bool {
    let fails_in_doubt = qos != QoS::AtMostOnce && in_doubt(qos, choice) == InDoubt::Fail;
    let fails_received = qos == QoS::ExactlyOnce && choice.after_pubrec == AfterPubRec::Fail;
    match loss {
        Some(Loss::InDoubt) => fails_in_doubt,
        Some(Loss::Received) => fails_received,
        Some(Loss::Either) | None => fails_in_doubt || fails_received,
    }
}

/// Whether it may end with success, without being published again.
pub(super) fn may_succeed(loss: Option<Loss>, choice: SessionLoss) -> bool {
    match loss {
        None => true,
        Some(Loss::InDoubt) => false,
        Some(Loss::Received | Loss::Either) => choice.after_pubrec == AfterPubRec::Succeed,
    }
}

impl Promises {
    /// The client read that the server does not have its session, with this message in flight.
    pub(in super::super) fn session_lost(&mut self, number: u32, loss: Loss) {
        if let Some(message) = self.messages.get_mut(number as usize) {
            message.loss = Some(loss);
        }
    }

    /// The client published it with an identifier that it had not sent in this session.
    pub(in super::super) fn published_anew(&mut self, number: u32, duplicate: bool, findings: &mut Findings) {
        let Some(message) = self.messages.get_mut(number as usize) else { return };
        // With DUP it takes the session for the one that it knew.
        let Some(loss) = message.loss.take().filter(|_| !duplicate) else { return };
        self.lost[1] += 1;
        let choice = self.accounts[message.publisher].session_loss;
        let is_chosen = in_doubt(message.qos, choice) == InDoubt::PublishAgain;
        findings.require(
            is_chosen && loss != Loss::Received,
            "published again, which was not chosen",
            || format!("message {number}: {message:?} was {loss:?}, and the choice {choice:?}"),
        );
    }
}
