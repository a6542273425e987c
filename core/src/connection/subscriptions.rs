//! The subscriptions that the application wants, and which of them the server's session has.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::event::Token;
use crate::packet::{
    Filters, FiltersBuf, Properties, PropertiesBuf, ReasonCode, SubscribeFilter, SubscribeOptions,
    TopicFilters,
};

/// The token of a subscription that a reconnect makes again: it goes out before everything that waits.
pub(crate) const AGAIN: Token = Token(0);
/// One SUBSCRIBE of a reconnect has at most this many bytes of filters.
const BATCH_BYTES: usize = 8 << 10;
/// The most that a Subscription Identifier takes.
const IDENTIFIER_BYTES: usize = 5;

#[derive(Debug)]
struct Subscription {
    /// Its place in the order of the calls: what is made again is made in that order.
    place: u64,
    options: SubscribeOptions,
    properties: PropertiesBuf,
    /// Sent where the server takes identifiers.
    identifier: Option<u32>,
    /// The server's session has it.
    confirmed: bool,
    /// It was granted once: withdrawing a later SUBSCRIBE does not end it.
    granted: bool,
    /// The SUBSCRIBE that decides over it: the latest one.
    operation: Option<Token>,
    /// Earlier ones that are not answered either: each decides if those after it are taken back.
    earlier: Vec<Token>,
}

impl Subscription {
    fn asked_by(&mut self, token: Token) {
        let before = self.operation.replace(token).filter(|before| *before != token);
        self.earlier.extend(before);
    }

    /// This SUBSCRIBE is not waited for any more; whether it decided.
    fn ended(&mut self, token: Token) -> bool {
        self.earlier.retain(|other| *other != token);
        let decides = self.operation == Some(token);
        if decides {
            self.operation = self.earlier.pop();
        }
        decides
    }

    /// Whether the session lacks it, and no waiting operation brings it.
    fn is_missing(&self) -> bool {
        !self.confirmed && self.operation.is_none()
    }
}

/// Desired state: each filter is confirmed or not in the server's session, and a reconnect sends only what differs.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    filters: BTreeMap<Box<str>, Subscription>,
    /// The next one's place.
    next: u64,
}

/// A SUBSCRIBE for filters that the session has lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) filters: FiltersBuf,
    pub(crate) properties: PropertiesBuf,
    pub(crate) identifier: Option<u32>,
}

impl Subscriptions {
    /// The application subscribes.
    pub(crate) fn subscribe(
        &mut self,
        token: Token,
        filters: Filters<'_>,
        properties: Properties<'_>,
        identifier: Option<u32>,
    ) {
        for SubscribeFilter { filter, options } in filters.iter() {
            let properties = PropertiesBuf::from(properties);
            if let Some(subscription) = self.filters.get_mut(filter) {
                subscription.options = options;
                subscription.properties = properties;
                subscription.identifier = identifier;
                subscription.asked_by(token);
            } else {
                let operation = Some(token);
                let subscription = Subscription {
                    place: self.next,
                    options,
                    properties,
                    identifier,
                    confirmed: false,
                    granted: false,
                    operation,
                    earlier: Vec::new(),
                };
                self.filters.insert(filter.into(), subscription);
                self.next += 1;
            }
        }
    }

    /// The application unsubscribes.
    pub(crate) fn unsubscribe(&mut self, filters: TopicFilters<'_>) {
        for filter in filters.iter() {
            self.filters.remove(filter);
        }
    }

    /// A SUBSCRIBE was answered for this filter; a refused one is dropped alone.
    pub(crate) fn answered(&mut self, token: Token, filter: &str, granted: bool) {
        let Some(subscription) = self.filters.get_mut(filter) else { return };
        if subscription.operation != Some(token) {
            subscription.granted |= granted && subscription.earlier.contains(&token);
            subscription.ended(token);
            return;
        }
        if granted {
            subscription.confirmed = true;
            subscription.granted = true;
            subscription.operation = None;
            subscription.earlier = Vec::new();
        } else {
            self.filters.remove(filter);
        }
    }

    /// The server's session is gone, or says nothing of itself (3.1). `keep`: they are to be made again.
    pub(crate) fn unconfirm(&mut self, keep: bool) {
        self.filters.retain(|_, subscription| {
            subscription.confirmed = false;
            keep || subscription.operation.is_some()
        });
    }

    /// The connection is gone: what a reconnect had sent is open again.
    pub(crate) fn disconnected(&mut self) {
        self.abandoned(AGAIN);
    }

    /// Nobody waits for this SUBSCRIBE any more, and it is not sent again: what it asked for stays desired.
    pub(crate) fn abandoned(&mut self, token: Token) {
        for subscription in self.filters.values_mut() {
            subscription.ended(token);
        }
    }

    /// Whether the application wants this filter.
    pub(crate) fn contains(&self, filter: &str) -> bool {
        self.filters.contains_key(filter)
    }

    /// The application does not want this SUBSCRIBE any more: what was granted before, or an earlier one still asks for,
    /// stays desired.
    pub(crate) fn withdrawn(&mut self, token: Token) {
        self.filters.retain(|_, subscription| {
            !subscription.ended(token) || subscription.granted || subscription.operation.is_some()
        });
    }

    /// The client ends: operations that did not complete change nothing any more.
    pub(crate) fn close(&mut self) {
        self.filters.retain(|_, subscription| {
            let waits = subscription.operation.take().is_some();
            subscription.earlier = Vec::new();
            subscription.confirmed || !waits
        });
    }

    /// Drops what the session lacks and `refusal` has a reason for; gives those filters with the reasons.
    pub(crate) fn drop_missing(
        &mut self,
        refusal: impl Fn(SubscribeFilter<'_>, Properties<'_>) -> Option<ReasonCode>,
    ) -> Vec<(Box<str>, ReasonCode)> {
        let mut dropped = Vec::new();
        self.filters.retain(|filter, subscription| {
            if !subscription.is_missing() {
                return true;
            }
            let asked = SubscribeFilter { filter, options: subscription.options };
            let reason = refusal(asked, subscription.properties.as_properties());
            dropped.extend(reason.map(|reason| (subscription.place, filter.clone(), reason)));
            reason.is_none()
        });
        dropped.sort_unstable_by_key(|(place, ..)| *place);
        dropped.into_iter().map(|(_, filter, reason)| (filter, reason)).collect()
    }

    /// What the session lacks and no waiting operation brings, in the order of the calls, grouped by properties and, if the
    /// server takes them, `identifiers`, in packets of moderate size.
    pub(crate) fn take_missing(&mut self, largest: usize, identifiers: bool) -> Vec<Batch> {
        let missing = self.filters.iter_mut().filter(|(_, subscription)| subscription.is_missing());
        let mut missing: Vec<(&str, &Subscription)> = missing
            .map(|(filter, subscription)| {
                subscription.asked_by(AGAIN);
                (&**filter, &*subscription)
            })
            .collect();
        missing.sort_unstable_by_key(|(_, subscription)| subscription.place);
        let mut batches: Vec<Vec<Batch>> = Vec::new();
        let mut groups: BTreeMap<(&[u8], Option<u32>), usize> = BTreeMap::new();
        // What a SUBSCRIBE takes besides filters and properties: headers, identifier and property length.
        let room = largest.saturating_sub(16).min(BATCH_BYTES);
        for (filter, subscription) in missing {
            let properties = subscription.properties.as_properties();
            let identifier = subscription.identifier.filter(|_| identifiers);
            let group = *groups.entry((properties.as_bytes(), identifier)).or_insert_with(|| {
                batches.push(Vec::new());
                batches.len() - 1
            });
            let size = filter.len() + 3 + identifier.map_or(0, |_| IDENTIFIER_BYTES);
            let fits = |batch: &Batch| {
                let taken = batch.filters.as_filters().as_bytes().len();
                properties.as_bytes().len() + taken + size <= room
            };
            if !batches[group].last().is_some_and(fits) {
                let properties = subscription.properties.clone();
                batches[group].push(Batch { filters: FiltersBuf::default(), properties, identifier });
            }
            if let Some(batch) = batches[group].last_mut() {
                // It was valid when it was subscribed to.
                let _ = batch.filters.push(SubscribeFilter { filter, options: subscription.options });
            }
        }
        batches.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Property, QoS, TopicFiltersBuf};

    fn filters(names: &[&str]) -> FiltersBuf {
        let mut filters = FiltersBuf::default();
        for filter in names {
            let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
            filters.push(SubscribeFilter { filter, options }).unwrap();
        }
        filters
    }

    fn missing(subscriptions: &mut Subscriptions) -> Vec<String> {
        let names =
            |batch: Batch| batch.filters.as_filters().iter().map(|f| f.filter.to_owned()).collect::<Vec<_>>();
        subscriptions.take_missing(1_000, true).into_iter().flat_map(names).collect()
    }

    fn subscribed(names: &[&str]) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        subscriptions.subscribe(Token(1), filters(names).as_filters(), Properties::EMPTY, None);
        for name in names {
            subscriptions.answered(Token(1), name, true);
        }
        subscriptions
    }

    // R: REC-03
    #[test]
    fn only_what_the_session_lacks_is_made_again() {
        let mut subscriptions = subscribed(&["a", "b"]);
        assert_eq!(missing(&mut subscriptions), Vec::<String>::new());
        subscriptions.unconfirm(true);
        subscriptions.subscribe(Token(2), filters(&["c"]).as_filters(), Properties::EMPTY, None);
        assert_eq!(missing(&mut subscriptions), ["a", "b"], "c has an operation of its own");
        assert_eq!(missing(&mut subscriptions), Vec::<String>::new(), "they are on their way");
        subscriptions.answered(AGAIN, "a", true);
        subscriptions.answered(AGAIN, "b", false);
        subscriptions.disconnected();
        assert_eq!(missing(&mut subscriptions), Vec::<String>::new(), "b was refused and is dropped alone");
    }

    // R: REC-03
    #[test]
    fn they_are_made_again_in_the_order_of_the_calls() {
        let mut subscriptions = subscribed(&["z", "a", "m"]);
        let identified = filters(&["b", "c"]);
        subscriptions.subscribe(Token(2), identified.as_filters(), Properties::EMPTY, Some(7));
        for name in ["b", "c"] {
            subscriptions.answered(Token(2), name, true);
        }
        subscriptions.subscribe(Token(3), filters(&["z"]).as_filters(), Properties::EMPTY, None);
        subscriptions.answered(Token(3), "z", true);
        subscriptions.unconfirm(true);
        assert_eq!(missing(&mut subscriptions), ["z", "a", "m", "b", "c"]);
        subscriptions.disconnected();
        let dropped = subscriptions.drop_missing(|_, _| Some(ReasonCode::NOT_AUTHORIZED));
        let dropped: Vec<_> = dropped.iter().map(|(filter, _)| &**filter).collect();
        assert_eq!(dropped, ["z", "a", "m", "b", "c"]);
    }

    // R: REC-03
    #[test]
    fn a_reconnect_in_the_middle_of_resubscribing_goes_on_with_the_rest() {
        let mut subscriptions = subscribed(&["a", "b"]);
        subscriptions.unconfirm(true);
        assert_eq!(missing(&mut subscriptions), ["a", "b"]);
        subscriptions.answered(AGAIN, "a", true);
        subscriptions.disconnected();
        assert_eq!(missing(&mut subscriptions), ["b"]);
    }

    #[test]
    fn the_latest_call_decides() {
        let mut subscriptions = subscribed(&["a"]);
        subscriptions.subscribe(Token(2), filters(&["a"]).as_filters(), Properties::EMPTY, None);
        subscriptions.subscribe(Token(3), filters(&["a"]).as_filters(), Properties::EMPTY, None);
        subscriptions.answered(Token(2), "a", false);
        subscriptions.answered(Token(3), "a", true);
        subscriptions.unconfirm(true);
        assert_eq!(missing(&mut subscriptions), ["a"]);
        let mut gone = TopicFiltersBuf::default();
        gone.push("a").unwrap();
        subscriptions.unsubscribe(gone.as_filters());
        subscriptions.disconnected();
        assert_eq!(missing(&mut subscriptions), Vec::<String>::new());
    }

    // R: SUB-02
    #[test]
    fn one_of_two_subscribes_can_be_taken_back() {
        for (answered_first, taken_back) in [(true, 2), (false, 2), (false, 1)] {
            let mut subscriptions = Subscriptions::default();
            for token in [1, 2] {
                subscriptions.subscribe(Token(token), filters(&["a"]).as_filters(), Properties::EMPTY, None);
            }
            if answered_first {
                subscriptions.answered(Token(1), "a", true);
            }
            subscriptions.withdrawn(Token(taken_back));
            assert!(subscriptions.contains("a"), "the other one has it");
            if !answered_first {
                subscriptions.answered(Token(3 - taken_back), "a", true);
            }
            assert!(subscriptions.contains("a"));
        }
        let mut subscriptions = Subscriptions::default();
        for token in [1, 2] {
            subscriptions.subscribe(Token(token), filters(&["a"]).as_filters(), Properties::EMPTY, None);
        }
        subscriptions.withdrawn(Token(2));
        subscriptions.withdrawn(Token(1));
        assert!(!subscriptions.contains("a"), "nobody has it");
    }

    #[test]
    fn without_resubscribing_a_lost_session_is_forgotten() {
        let mut subscriptions = subscribed(&["a"]);
        subscriptions.unconfirm(false);
        assert_eq!(missing(&mut subscriptions), Vec::<String>::new());
    }

    #[test]
    fn batches_keep_their_properties_and_fit_the_packet_size() {
        let mut subscriptions = subscribed(&["a", "bb", "c"]);
        let mut properties = PropertiesBuf::new();
        properties.push(Property::SubscriptionIdentifier(5)).unwrap();
        subscriptions.subscribe(
            Token(2),
            filters(&["x", "y"]).as_filters(),
            properties.as_properties(),
            None,
        );
        subscriptions.answered(Token(2), "x", true);
        subscriptions.answered(Token(2), "y", true);
        subscriptions.unconfirm(true);
        let batches = subscriptions.take_missing(16 + 9, true);
        assert_eq!(
            batches,
            [
                Batch { filters: filters(&["a", "bb"]), properties: PropertiesBuf::new(), identifier: None },
                Batch { filters: filters(&["c"]), properties: PropertiesBuf::new(), identifier: None },
                Batch { filters: filters(&["x"]), properties: properties.clone(), identifier: None },
                Batch { filters: filters(&["y"]), properties, identifier: None },
            ]
        );
    }
}
