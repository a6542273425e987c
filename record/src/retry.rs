//! The application's word on whether to try again, as a table.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use sterna_core::packet::ReasonCode;
use sterna_core::{Reconnect, ServerClose};

/// For which reason codes a client tries again; see [`Reconnect::retry`]. That is a function: a recording has its answers,
/// which it is asked for once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryTable {
    /// Of a CONNACK.
    pub refused: Vec<u8>,
    /// Of a DISCONNECT.
    pub disconnected: Vec<u8>,
}

/// Every question that can be asked.
fn reasons() -> impl Iterator<Item = ReasonCode> {
    (0..=u8::MAX).filter_map(ReasonCode::from_value)
}

fn table(retry: fn(ServerClose) -> bool) -> RetryTable {
    let codes = |close: fn(ReasonCode) -> ServerClose| {
        reasons().filter(|reason| retry(close(*reason))).map(ReasonCode::value).collect()
    };
    RetryTable { refused: codes(ServerClose::Refused), disconnected: codes(ServerClose::Disconnected) }
}

thread_local! {
    /// What [`answer`] answers by: a function pointer carries nothing with it.
    static ANSWERS: RefCell<RetryTable> = RefCell::default();
}

fn answer(close: ServerClose) -> bool {
    ANSWERS.with_borrow(|table| match close {
        ServerClose::Refused(reason) => table.refused.contains(&reason.value()),
        ServerClose::Disconnected(reason) => table.disconnected.contains(&reason.value()),
    })
}

impl RetryTable {
    /// The answers of `retry`, unless they are the default's.
    pub(crate) fn of(retry: fn(ServerClose) -> bool) -> Option<Self> {
        let answers = table(retry);
        (answers != table(Reconnect::default_retry)).then_some(answers)
    }

    /// A function that answers so on a thread where [`enter`](Self::enter) was called.
    pub(crate) fn policy(table: Option<&Self>) -> fn(ServerClose) -> bool {
        if table.is_some() { answer } else { Reconnect::default_retry }
    }

    /// Answers by this table on this thread from now on.
    pub(crate) fn enter(&self) {
        ANSWERS.with_borrow_mut(|answers| {
            if answers != self {
                answers.clone_from(self);
            }
        });
    }
}
