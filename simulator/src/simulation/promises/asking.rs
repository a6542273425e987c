//! What applications asked of their subscriptions, which SUBSCRIBE has to say, now and after each reconnect.

use sterna_client::{QoS, SubscribeOptions};

use super::Promises;
use super::requests::is_response_topic;

/// One subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    filter: &'static str,
    options: SubscribeOptions,
    /// Its own Subscription Identifier.
    identifier: Option<u32>,
}

impl Promises {
    pub(in super::super) fn asks(
        &mut self,
        client: usize,
        filter: &'static str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) {
        self.accounts[client].asked.push(Asked { filter, options, identifier });
        self.accounts[client].drops.subscribed();
    }

    /// Whether the application of this process subscribed like that, or it is for the answers to its requests.
    pub(in super::super) fn is_asked(
        &self,
        client: usize,
        filter: &str,
        options: SubscribeOptions,
        identifier: Option<u32>,
    ) -> bool {
        let for_answers = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
        let asked = |asked: &Asked| {
            let is_marked = asked.identifier.is_none() || asked.identifier == identifier;
            asked.filter == filter && asked.options == options && is_marked
        };
        (is_response_topic(client, filter) && options == for_answers)
            || self.accounts[client].asked.iter().any(asked)
    }
}
