//! What several scenarios do.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use sterna::{Event, Events, Message, QoS, Subscription};

pub(crate) const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// The next message, which must come.
pub(crate) async fn next(subscription: &mut Subscription) -> Message {
    subscription.next().await.expect("the subscription lives")
}

/// The text of the next message.
pub(crate) async fn text(subscription: &mut Subscription) -> String {
    next(subscription).await.text().expect("it is text").to_owned()
}

/// The next event for which `choose` has a value; the others are passed over.
pub(crate) async fn event<T>(events: &mut Events, mut choose: impl FnMut(&Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the client lives");
        assert!(!matches!(event, Event::Lagged(_)), "the scenario reads its events too slowly");
        if let Some(chosen) = choose(&event) {
            return chosen;
        }
    }
}

/// Waits for the next connection; whether the server had a session.
pub(crate) async fn connected(events: &mut Events) -> bool {
    event(events, |event| match event {
        Event::Connected { session_present, .. } => Some(*session_present),
        _ => None,
    })
    .await
}

/// Polls a future once; its value if it was ready.
pub(crate) async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The number that a message carries.
pub(crate) fn number(message: &Message) -> usize {
    message.text().expect("it is text").parse().expect("it is a number")
}

/// Keeps the first copy of each number, in the order of arrival, and asserts that the first copies come in ascending
/// order.
#[derive(Debug, Default)]
pub(crate) struct FirstCopies {
    numbers: Vec<usize>,
    copies: usize,
}

impl FirstCopies {
    pub(crate) fn push(&mut self, number: usize) {
        self.copies += 1;
        match self.numbers.last() {
            Some(&last) if number <= last => {
                assert!(self.numbers.binary_search(&number).is_ok(), "{number} comes first after {last}");
            }
            _ => self.numbers.push(number),
        }
    }

    pub(crate) fn numbers(&self) -> &[usize] {
        &self.numbers
    }

    /// How many messages came that had come before.
    pub(crate) fn repeated(&self) -> usize {
        self.copies - self.numbers.len()
    }
}
