//! Unsubscribing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sterna_core::packet::{PropertiesBuf, TopicFiltersBuf};
use sterna_core::{Granted, OperationError};

use crate::completion::Answer;
use crate::error::SubscribeError;
use crate::filter::Filter;
use crate::operation::{Failure, Operation};
use crate::receiver::Receiver;
use crate::room::Command;
use crate::shared::{Handle, Inner};

#[derive(Debug)]
enum State {
    Filters(Vec<Filter>),
    Subscription(Receiver),
    Sent(Operation),
    Done,
}

/// An unsubscribe; nothing happens until it is awaited. See
/// [`Subscription::unsubscribe`](crate::Subscription::unsubscribe) and
/// [`Client::unsubscribe`](crate::Client::unsubscribe).
///
/// Awaiting it gives the server's answer: a reason code for each filter that was unsubscribed, none if other
/// subscriptions want them all.
///
/// # Cancel safety
/// Dropping it before its first poll unsubscribes nothing (a `Subscription` is then merely dropped). After that
/// dropping it takes back only what still waits for room in the queue.
#[derive(Debug)]
#[must_use = "nothing is unsubscribed until it is awaited"]
pub struct Unsubscribing {
    handle: Arc<Handle>,
    properties: PropertiesBuf,
    deadline: Option<Duration>,
    state: State,
}

impl Unsubscribing {
    pub(crate) fn filters(handle: Arc<Handle>, filters: Vec<Filter>) -> Self {
        Self { handle, properties: PropertiesBuf::new(), deadline: None, state: State::Filters(filters) }
    }

    pub(crate) fn subscription(receiver: Receiver) -> Self {
        let handle = receiver.handle().clone();
        Self {
            handle,
            properties: PropertiesBuf::new(),
            deadline: None,
            state: State::Subscription(receiver),
        }
    }

    /// The properties of UNSUBSCRIBE (5.0): User Property.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.properties = properties.into();
        self
    }

    /// How long to wait for the answer; then it ends with [`OperationError::DeadlinePassed`]. Default: as long as it
    /// takes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Hands it in. `None` when there is nothing to unsubscribe.
    fn start(&mut self) -> Result<Option<Operation>, SubscribeError> {
        let handle = self.handle.clone();
        let filters = match std::mem::replace(&mut self.state, State::Done) {
            State::Filters(filters) => {
                let names = filters.iter().map(|filter| filter.filter.as_str());
                let filters = collect(names)?;
                handle
                    .with(|inner| filters.as_filters().iter().for_each(|filter| inner.forget_filter(filter)));
                filters
            }
            State::Subscription(mut receiver) => {
                receiver.discard();
                let unwanted = handle.with(|inner| inner.release_filters(receiver.stream()));
                if unwanted.is_empty() {
                    return Ok(None);
                }
                collect(unwanted.iter().map(|filter| &**filter))?
            }
            State::Sent(operation) => return Ok(Some(operation)),
            State::Done => return Ok(None),
        };
        let properties = std::mem::take(&mut self.properties);
        let deadline = self.deadline;
        let ticket = handle
            .with(|inner| inner.submit(Command::Unsubscribe { filters, properties }, deadline, false))?;
        Ok(Some(Operation::new(handle, ticket)))
    }
}

impl Future for Unsubscribing {
    type Output = Result<Granted, SubscribeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(mut operation) = this.start()? else {
            return Poll::Ready(Ok(Granted { reasons: Vec::new(), properties: PropertiesBuf::new() }));
        };
        let Poll::Ready(outcome) = operation.poll(cx.waker()) else {
            this.state = State::Sent(operation);
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(Answer::Granted(granted)) => Ok(granted),
            // Tokens are not reused: an unsubscribe has no other answer.
            Ok(Answer::Receipt(_)) => Err(OperationError::Closed.into()),
            Err(Failure::Rejected(rejection)) => Err(rejection.into()),
            Err(Failure::Failed(error)) => Err(error.into()),
        })
    }
}

fn collect<'a>(filters: impl Iterator<Item = &'a str>) -> Result<TopicFiltersBuf, SubscribeError> {
    let mut collected = TopicFiltersBuf::default();
    for filter in filters {
        collected
            .push(filter)
            .map_err(|error| SubscribeError::Rejected(sterna_core::SubscribeError::Encode(error)))?;
    }
    if collected.is_empty() { Err(SubscribeError::NoFilter) } else { Ok(collected) }
}

/// Unsubscribes `filters` for nobody in particular: a subscribe was given up.
pub(crate) fn unsubscribe_detached(inner: &mut Inner, filters: &[Box<str>]) {
    // They were valid to subscribe to; and none at all is nothing to do.
    if let Ok(filters) = collect(filters.iter().map(|filter| &**filter)) {
        let command = Command::Unsubscribe { filters, properties: PropertiesBuf::new() };
        // A client that is closed needs no unsubscribing.
        let _ = inner.submit(command, None, true);
    }
}
