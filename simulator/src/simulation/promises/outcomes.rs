//! How publishes end: each as what became of it allows.

use sterna_client::{OperationError, PublishError, QoS};

use super::super::findings::Findings;
use super::{Promises, Standing, losses, writing};

impl Promises {
    /// The application was told how a message ended.
    pub(in super::super) fn resolved<T>(
        &mut self,
        number: u32,
        result: &Result<T, PublishError>,
        findings: &mut Findings,
    ) {
        let message = &mut self.messages[number as usize];
        let account = &self.accounts[message.publisher];
        let (qos, taken) = (message.qos, message.taken);
        let was_stored = message.standing == Standing::Stored;
        message.standing = Standing::Resolved;
        self.lost[0] += u64::from(matches!(result, Err(PublishError::Failed(OperationError::SessionLost))));
        if message.terms.is_asked_late {
            self.unasked[writing::outcome(result, message.left)] += 1;
        }
        let lost_session = account.sessions_ended > message.sessions_before;
        let is_explained = match result {
            Ok(_) => {
                let holds = qos == QoS::AtMostOnce || taken > 0 || account.has_amnesia;
                findings.require(holds, "acknowledged, but the broker never took it over", || {
                    format!("message {number}, {message:?}")
                });
                let holds = qos != QoS::AtMostOnce || message.left.is_some();
                findings.require(holds, "QoS 0 succeeded, but it was never written", || {
                    format!("message {number}, {message:?}")
                });
                losses::may_succeed(message.loss, account.session_loss)
            }
            Err(PublishError::Rejected(_)) => {
                message.standing = Standing::Void;
                true
            }
            Err(PublishError::Failed(error)) => match error {
                OperationError::Refused(_) => self.excuses.refusals,
                OperationError::Limit(_) => self.excuses.limits,
                OperationError::UnsupportedByVersion => self.excuses.limits || account.falls_back,
                OperationError::Lost => account.may_be_lost(message, self.excuses.limits),
                OperationError::SessionLost => {
                    lost_session && losses::may_fail(qos, message.loss, account.session_loss)
                }
                OperationError::Cancelled | OperationError::DeadlinePassed | OperationError::Expired => {
                    message.is_withdrawn = true;
                    message.terms.may_end
                }
                OperationError::Dropped => account.may_drop,
                OperationError::Stalled => {
                    message.is_withdrawn = true;
                    account.was_paused
                }
                // The next process sends it.
                OperationError::Kept => {
                    message.standing = Standing::Stored;
                    account.has_closed && !account.keeps_nothing
                }
                OperationError::Closed => account.has_closed,
                OperationError::Store(_) => account.store_failed && !was_stored,
                _ => false,
            },
            Err(_) => false,
        };
        if !is_explained {
            let error = result.as_ref().err();
            findings.violated("a message failed without reason", format!("message {number}: {error:?}"));
        }
    }
}
