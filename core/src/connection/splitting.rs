//! A SUBSCRIBE or UNSUBSCRIBE with many filters goes out in parts, each a packet of its own, and completes when all
//! of them are answered.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::Connection;
use super::queue::{Control, Request};
use crate::error::{OperationError, ServerLimit};
use crate::event::{Event, Granted, Token};
use crate::packet::{self, Properties, PropertiesBuf, ProtocolVersion, ReasonCode};

/// The answers to the parts of one operation.
#[derive(Debug)]
struct Split {
    /// One for each filter, in their order.
    reasons: Vec<ReasonCode>,
    unanswered: usize,
    properties: PropertiesBuf,
    error: Option<OperationError>,
    /// The application was told of the operation's end already.
    reported: bool,
}

/// The operations that were sent in parts. It allocates nothing before the first of them.
#[derive(Debug, Default)]
pub(crate) struct Splits(Option<Box<Table>>);

#[derive(Debug, Default)]
struct Table(BTreeMap<Token, Split>);

impl Splits {
    fn begin(&mut self, token: Token, filters: usize) {
        self.0.get_or_insert_default().0.insert(
            token,
            Split {
                reasons: vec![ReasonCode::UNSPECIFIED_ERROR; filters],
                unanswered: filters,
                properties: PropertiesBuf::new(),
                error: None,
                reported: false,
            },
        );
    }

    /// A part, from the filter `first` on, has its outcome: gives that of the operation if it was the last one.
    fn answer(
        &mut self,
        token: Token,
        first: usize,
        filters: usize,
        outcome: Result<Granted, OperationError>,
    ) -> Option<Result<Granted, OperationError>> {
        let Table(splits) = self.0.as_deref_mut()?;
        let split = splits.get_mut(&token)?;
        match outcome {
            Ok(granted) => {
                for (slot, reason) in split.reasons.iter_mut().skip(first).zip(granted.reasons) {
                    *slot = reason;
                }
                if !granted.properties.is_empty() {
                    split.properties = granted.properties;
                }
            }
            // Only a filter that alone is too large can come to this: it fails alone.
            Err(OperationError::Limit(limit @ ServerLimit::MaximumPacketSize { .. })) => {
                split.reasons[first..first + filters].fill(limit.reason());
            }
            Err(error) => {
                split.error.get_or_insert(error);
            }
        }
        split.unanswered -= filters;
        if split.unanswered > 0 {
            return None;
        }
        let Split { reasons, properties, error, reported, .. } = splits.remove(&token)?;
        if splits.is_empty() {
            self.0 = None;
        }
        let outcome = error.map_or(Ok(Granted { reasons, properties }), Err);
        (!reported).then_some(outcome)
    }

    /// Whether it was split, and the application was told of its end.
    pub(crate) fn is_ended(&self, token: Token) -> bool {
        self.0.as_deref().and_then(|table| table.0.get(&token)).is_some_and(|split| split.reported)
    }

    /// The application is told now, whatever comes: whether it was not told before. Always so for an operation that
    /// was not split.
    pub(crate) fn end(&mut self, token: Token) -> bool {
        let split = self.0.as_deref_mut().and_then(|table| table.0.get_mut(&token));
        split.is_none_or(|split| !core::mem::replace(&mut split.reported, true))
    }
}

impl Connection {
    /// Leaves what fits into one packet; the rest becomes parts of its own, each of which does, at the front of the
    /// queue. A filter that alone is too large is such a part.
    /// `properties`: those that it is sent with.
    pub(super) fn split_control(&mut self, control: &mut Control, properties: Properties<'_>) {
        let cuts = control.cuts(properties, self.version, self.packet_limit(), self.config.subscribe_batch);
        if cuts.is_empty() {
            return;
        }
        if control.part.is_none() && !control.is_again() && !control.silent {
            self.splits.begin(control.token, control.filters());
        }
        self.queue.release_control(control);
        // From behind, so that each filter is copied once.
        for (filters, bytes) in cuts.into_iter().rev() {
            let part = Box::new(control.split_off(filters, bytes));
            self.queue.hold(&part);
            self.queue.control.push_front(part);
        }
        control.part = Some(control.part.unwrap_or(0));
        self.queue.hold(control);
    }

    /// A SUBSCRIBE or UNSUBSCRIBE, or a part of one, is done with: the one place where they end. `awaited`: the
    /// application was not told yet.
    pub(super) fn control_ended(
        &mut self,
        control: &Control,
        outcome: Result<Granted, OperationError>,
        awaited: bool,
    ) {
        self.queue.release_control(control);
        if control.is_again() || control.silent {
            return;
        }
        let token = control.token;
        let outcome = match control.part {
            Some(first) => self.splits.answer(token, first, control.filters(), outcome),
            None => awaited.then_some(outcome),
        };
        if let Some(result) = outcome {
            self.due.remove(token);
            self.report(match control.request {
                Request::Subscribe { .. } => Event::Subscribed { token, result },
                Request::Unsubscribe { .. } => Event::Unsubscribed { token, result },
            });
        }
    }
}

impl Control {
    /// Made by a reconnect, not by the application.
    pub(crate) fn is_again(&self) -> bool {
        matches!(self.request, Request::Subscribe { again: true, .. })
    }

    /// How many filters it has.
    pub(crate) fn filters(&self) -> usize {
        match &self.request {
            Request::Subscribe { filters, .. } => filters.as_filters().len(),
            Request::Unsubscribe { filters } => filters.as_filters().len(),
        }
    }

    /// Where it stands among what waits: parts of one operation keep their order.
    pub(crate) fn order(&self) -> (Token, usize) {
        (self.token, self.part.unwrap_or(0))
    }

    /// How many filters, and bytes of them, stand before each packet but the first.
    fn cuts(
        &self,
        properties: Properties<'_>,
        version: ProtocolVersion,
        limit: u32,
        batch: usize,
    ) -> Vec<(usize, usize)> {
        let batch = if batch == 0 { usize::MAX } else { batch };
        let mut cuts = Vec::new();
        let (mut first, mut start, mut end) = (0, 0, 0);
        for (index, size) in self.sizes().enumerate() {
            let fits = packet::list_size(properties, end + size - start, version) <= u64::from(limit);
            if index > first && (index - first == batch || !fits) {
                cuts.push((index, end));
                (first, start) = (index, end);
            }
            end += size;
        }
        cuts
    }

    /// What each filter takes in the packet.
    fn sizes(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.request {
            Request::Subscribe { filters, .. } => {
                Box::new(filters.as_filters().iter().map(|filter| filter.filter.len() + 3))
            }
            Request::Unsubscribe { filters } => {
                Box::new(filters.as_filters().iter().map(|filter| filter.len() + 2))
            }
        }
    }

    /// Keeps the first `filters` with their `bytes`; gives the rest.
    fn split_off(&mut self, filters: usize, bytes: usize) -> Self {
        let request = match &mut self.request {
            Request::Subscribe { filters, identifier, again } => {
                let filters = filters.split_off(bytes);
                Request::Subscribe { filters, identifier: *identifier, again: *again }
            }
            Request::Unsubscribe { filters } => Request::Unsubscribe { filters: filters.split_off(bytes) },
        };
        let part = Some(self.part.unwrap_or(0) + filters);
        let properties = self.properties.clone();
        Self { part, sent: self.sent, silent: self.silent, ..Self::new(self.token, request, properties) }
    }
}
