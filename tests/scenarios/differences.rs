//! In what brokers of other makes differ from the specification or from what the scenarios need, and which scenarios are
//! not asked of them for that. `declared.rs` checks that the differences are still there; docs/brokers.md says what they mean
//! for users.

use std::time::Duration;

use sterna::{ProtocolVersion, QoS};

use crate::cell::{Cell, Kind};
use crate::other_brokers::Make;

/// They need more of a broker than MQTT: to stop and start it, to read its log, or passwords.
const CONTROLLED: &[&str] = &[
    "delivery::dropping_all_handles_disconnects",
    "delivery::no_will_after_disconnect",
    "life::connecting_and_disconnecting",
    "life::events_tell_the_whole_story",
    "outage::",
    "proxies::proxies_that_refuse",
    "refused::credentials_in_the_url",
    "refused::nobody_listens",
    "refused::wrong_password",
    "restart::",
    "servers::the_next_server_takes_over",
    "stored::what_was_stored_while_the_server_was_away",
];

/// MQTT 3.x has no shared subscriptions; Mosquitto and the test broker offer them there as well. See
/// `declared::nothing_comes_for_a_shared_subscription`.
const ADDED: &[&str] = &["routing::a_shared_subscription"];

/// A reason, and what is not asked of a make for it.
struct Difference {
    make: Make,
    reason: &'static str,
    scenarios: &'static [&'static str],
}

/// What a make does in another way than the scenario expects, beyond what the functions below say.
const DIFFERENT: &[Difference] = &[
    Difference {
        make: Make::Nats,
        reason: "it has no QoS 2 (declared::a_publish_of_qos_2_closes_the_connection)",
        scenarios: &["volume::ten_thousand_exactly_once"],
    },
    Difference {
        make: Make::RabbitMq,
        reason: "it has no QoS 2 (declared::a_publish_of_qos_2_is_answered_as_one_of_qos_1)",
        scenarios: &["volume::ten_thousand_exactly_once"],
    },
    Difference {
        make: Make::RabbitMq,
        reason: "a filter with wildcards gets no retained messages (declared::no_retained_messages_for_wildcards)",
        scenarios: &[
            "slow::a_subscribe_whose_own_messages_fill_the_reserve",
            "slow::many_retained_messages_before_the_suback",
        ],
    },
    Difference {
        make: Make::Amqtt,
        reason: "it sends retained messages that were not asked for (declared::retained_messages_for_the_filters_of_others)",
        scenarios: &["delivery::retained"],
    },
];

/// Whether a scenario, `file::name`, can be asked of the broker of a cell.
pub(crate) fn suits(cell: Cell, path: &str) -> bool {
    let Kind::Other(make) = cell.kind else { return true };
    let lists = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
    !lists(CONTROLLED)
        && (cell.version == ProtocolVersion::V5 || !lists(ADDED))
        && !DIFFERENT.iter().any(|difference| difference.make == make && lists(difference.scenarios))
}

/// What is not asked of a single make, a line each.
pub(crate) fn not_asked() -> impl Iterator<Item = String> {
    DIFFERENT.iter().map(|Difference { make, reason, scenarios }| {
        format!("Not asked of {}: {}, since {reason}", make.name(), scenarios.join(", "))
    })
}

/// The highest quality of service that the broker has.
pub(crate) fn highest_qos(cell: Cell) -> QoS {
    match cell.kind {
        Kind::Other(Make::Nats | Make::RabbitMq) => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// The shortest keep alive with which a connection holds.
pub(crate) fn short_keep_alive(cell: Cell) -> Duration {
    Duration::from_secs(match cell.kind {
        // It closes after one and a half of it in whole seconds: after one second if it is one, when the ping is due.
        Kind::Other(Make::Nats) => 2,
        _ => 1,
    })
}

/// With which quality of service the broker delivers a message to a subscription with a wildcard. The lower of both, says
/// [MQTT-3.8.4-6].
pub(crate) fn delivered_qos(cell: Cell, published: QoS, granted: QoS) -> QoS {
    match cell.kind {
        Kind::Other(Make::Amqtt) => granted,
        // It looks the subscription up by the topic, and finds it only where that is the filter.
        Kind::Other(Make::Aedes) if granted != QoS::AtMostOnce => published,
        _ => published.min(granted),
    }
}
