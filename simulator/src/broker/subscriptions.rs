//! Who subscribed to what, and who gets a message.

use std::collections::BTreeMap;

use sterna_core::packet::{QoS, SubscribeOptions};
use sterna_core::topic;

use super::ClientId;
use super::message::Message;
use super::retained::has_wildcard;

/// What one session subscribed a topic filter with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscription {
    /// Its `qos` is the granted one.
    pub(super) options: SubscribeOptions,
    pub(super) identifier: Option<u32>,
}

/// One copy of a message for one session.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) client: ClientId,
    pub(super) qos: QoS,
    pub(super) retain_as_published: bool,
    pub(super) identifiers: Vec<u32>,
}

impl Target {
    fn new(client: &ClientId, subscription: &Subscription) -> Self {
        Self {
            client: client.clone(),
            qos: subscription.options.qos,
            retain_as_published: subscription.options.retain_as_published,
            identifiers: subscription.identifier.into_iter().collect(),
        }
    }

    /// Takes another matching subscription into the same copy [MQTT-3.3.4-2, -4].
    fn merge(&mut self, subscription: &Subscription) {
        self.qos = self.qos.max(subscription.options.qos);
        self.retain_as_published |= subscription.options.retain_as_published;
        self.identifiers.extend(subscription.identifier);
    }
}

/// The subscribers of one topic filter.
#[derive(Debug, Default)]
struct Subscribers {
    by_client: BTreeMap<ClientId, Subscription>,
    /// Whose turn it is, for a shared subscription.
    turn: usize,
}

/// All subscriptions, by topic filter.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Filters that match their own name only.
    exact: BTreeMap<String, Subscribers>,
    /// Filters with wildcards, and shared ones.
    patterns: BTreeMap<String, Subscribers>,
    /// How many each session has.
    count: BTreeMap<ClientId, usize>,
}

impl Subscriptions {
    fn table(&mut self, filter: &str) -> &mut BTreeMap<String, Subscribers> {
        let is_pattern = has_wildcard(filter) || topic::split_shared(filter).is_some();
        if is_pattern { &mut self.patterns } else { &mut self.exact }
    }

    pub(super) fn count(&self, client: &ClientId) -> usize {
        self.count.get(client).copied().unwrap_or(0)
    }

    pub(super) fn contains(&self, client: &ClientId, filter: &str) -> bool {
        self.exact
            .get(filter)
            .or_else(|| self.patterns.get(filter))
            .is_some_and(|all| all.by_client.contains_key(client))
    }

    /// Adds a subscription or replaces the identical one [MQTT-3.8.4-3]; whether it is new.
    pub(super) fn insert(&mut self, client: &ClientId, filter: &str, subscription: Subscription) -> bool {
        let subscribers = self.table(filter).entry(filter.to_owned()).or_default();
        let is_new = subscribers.by_client.insert(client.clone(), subscription).is_none();
        if is_new {
            *self.count.entry(client.clone()).or_default() += 1;
        }
        is_new
    }

    /// Whether there was such a subscription [MQTT-3.10.4-1].
    pub(super) fn remove(&mut self, client: &ClientId, filter: &str) -> bool {
        let table = self.table(filter);
        let Some(subscribers) = table.get_mut(filter) else { return false };
        let existed = subscribers.by_client.remove(client).is_some();
        if subscribers.by_client.is_empty() {
            table.remove(filter);
        }
        if existed && let Some(count) = self.count.get_mut(client) {
            *count -= 1;
        }
        existed
    }

    /// Removes a session's subscriptions.
    pub(super) fn remove_all(&mut self, client: &ClientId) {
        if self.count.remove(client).is_none() {
            return;
        }
        for table in [&mut self.exact, &mut self.patterns] {
            table.retain(|_, subscribers| {
                subscribers.by_client.remove(client);
                !subscribers.by_client.is_empty()
            });
        }
    }

    /// Who gets `message`: one copy a session or, with `copies`, a subscription, and one for one member of each
    /// shared subscription, a connected one if there is any.
    pub(super) fn route(
        &mut self,
        message: &Message,
        copies: bool,
        is_connected: impl Fn(&ClientId) -> bool,
    ) -> Vec<Target> {
        let mut shared = Vec::new();
        let mut copied = Vec::new();
        let mut merged: BTreeMap<&ClientId, Target> = BTreeMap::new();
        let exact = self.exact.get_mut(&message.topic).map(|all| (false, all));
        let patterns = self.patterns.iter_mut().filter_map(|(filter, all)| {
            let (is_shared, filter) =
                topic::split_shared(filter).map_or((false, filter.as_str()), |(_, f)| (true, f));
            topic::matches(filter, &message.topic).then_some((is_shared, all))
        });
        for (is_shared, subscribers) in exact.into_iter().chain(patterns) {
            if is_shared {
                shared.extend(subscribers.next_member(&is_connected));
                continue;
            }
            for (client, subscription) in &subscribers.by_client {
                if subscription.options.no_local && *client == message.publisher {
                    continue; // [MQTT-3.8.3-3]
                }
                if copies {
                    copied.push(Target::new(client, subscription));
                } else {
                    merged
                        .entry(client)
                        .and_modify(|target| target.merge(subscription))
                        .or_insert_with(|| Target::new(client, subscription));
                }
            }
        }
        merged.into_values().chain(copied).chain(shared).collect()
    }
}

impl Subscribers {
    /// The member of a shared subscription whose turn it is, connected ones first.
    fn next_member(&mut self, is_connected: impl Fn(&ClientId) -> bool) -> Option<Target> {
        let connected: Vec<_> = self.by_client.iter().filter(|(client, _)| is_connected(client)).collect();
        let members = if connected.is_empty() { self.by_client.iter().collect() } else { connected };
        let turn = self.turn.checked_rem(members.len())?;
        self.turn = turn + 1;
        members.get(turn).map(|(client, subscription)| Target::new(client, subscription))
    }
}
