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
    "requests::a_request_over_a_restart_of_the_broker",
    "restart::",
    "servers::the_next_server_takes_over",
    "stored::what_was_stored_while_the_server_was_away",
];

/// MQTT 3.x has no shared subscriptions; Mosquitto, the test broker and those that speak 5.0 offer them there as well. See
/// `declared::nothing_comes_for_a_shared_subscription`.
const ADDED: &[&str] = &["routing::a_shared_subscription"];

/// A reason, and what is not asked of a make for it.
struct Difference {
    make: Make,
    /// Only in this version.
    version: Option<ProtocolVersion>,
    reason: &'static str,
    scenarios: &'static [&'static str],
}

const V5: Option<ProtocolVersion> = Some(ProtocolVersion::V5);

/// What a make does in another way than the scenario expects, beyond what the functions below say.
const DIFFERENT: &[Difference] = &[
    Difference {
        make: Make::Nats,
        version: None,
        reason: "it has no QoS 2 (declared::a_publish_of_qos_2_closes_the_connection)",
        scenarios: &["volume::ten_thousand_exactly_once"],
    },
    Difference {
        make: Make::RabbitMq,
        version: None,
        reason: "it has no QoS 2 (declared::a_publish_of_qos_2_is_answered_as_one_of_qos_1)",
        scenarios: &["volume::ten_thousand_exactly_once"],
    },
    Difference {
        make: Make::RabbitMq,
        version: None,
        reason: "a filter with wildcards gets no retained messages (declared::no_retained_messages_for_wildcards)",
        scenarios: &[
            "slow::a_subscribe_whose_own_messages_fill_the_reserve",
            "slow::many_retained_messages_before_the_suback",
        ],
    },
    Difference {
        make: Make::Amqtt,
        version: None,
        reason: "it sends retained messages that were not asked for (declared::retained_messages_for_the_filters_of_others)",
        scenarios: &["delivery::retained"],
    },
    Difference {
        make: Make::Rumqttd,
        version: None,
        reason: "it answers nothing more to a client that has a hundred messages unacknowledged",
        scenarios: &[
            "operations::assigned_aliases",
            "slow::a_slow_consumer_holds_nothing_up",
            "slow::a_subscribe_whose_own_messages_fill_the_reserve",
            "slow::an_unread_flood_holds_no_operation_up",
        ],
    },
    Difference {
        make: Make::Rumqttd,
        version: None,
        reason: "of many retained messages it sends 200",
        scenarios: &["slow::many_retained_messages_before_the_suback"],
    },
    Difference {
        make: Make::Rumqttd,
        version: V5,
        reason: "it sends more than the client's Receive Maximum",
        scenarios: &["slow::a_message_that_is_never_acknowledged"],
    },
    Difference {
        make: Make::Rumqttd,
        version: V5,
        reason: "it has one topic alias for all topics of a filter (declared::one_alias_for_all_topics_of_a_filter)",
        scenarios: &["volume::many_tasks_publish"],
    },
    Difference {
        make: Make::Rumqttd,
        version: V5,
        reason: "it wants QoS 1 and 2 acknowledged in one order, and closes the connection otherwise",
        scenarios: &["points::a_request_is_dropped", "points::subscribing_is_dropped"],
    },
    Difference {
        make: Make::Rumqttd,
        version: V5,
        reason: "it knows no No Local",
        scenarios: &["properties::properties_arrive"],
    },
    Difference {
        make: Make::Rumqttd,
        version: V5,
        reason: "it closes the connection of some clients that come back at once",
        scenarios: &["proxies::through_proxies"],
    },
    Difference {
        make: Make::Mqttv5,
        version: Some(ProtocolVersion::V3_1_1),
        reason: "retained messages begin with properties (declared::retained_messages_begin_with_properties)",
        scenarios: &[
            "delivery::retained",
            "slow::a_subscribe_whose_own_messages_fill_the_reserve",
            "slow::many_retained_messages_before_the_suback",
        ],
    },
    Difference {
        make: Make::Mqttv5,
        version: V5,
        reason: "it adds a User Property to every message (declared::a_user_property_is_added)",
        scenarios: &["properties::properties_arrive"],
    },
    Difference {
        make: Make::Mqttv5,
        version: V5,
        reason: "it takes longer than a scenario may last to store 20,000 retained messages",
        scenarios: &["slow::many_retained_messages_before_the_suback"],
    },
];

/// Whether a scenario, `file::name`, can be asked of the broker of a cell.
pub(crate) fn suits(cell: Cell, path: &str) -> bool {
    let Kind::Other(make) = cell.kind else { return true };
    let lists = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
    !lists(CONTROLLED)
        && (has_shared_subscriptions(make) || !lists(ADDED))
        && !DIFFERENT
            .iter()
            .any(|difference| difference.is_of(make, cell.version) && lists(difference.scenarios))
}

impl Difference {
    fn is_of(&self, make: Make, version: ProtocolVersion) -> bool {
        self.make == make && self.version.is_none_or(|only| only == version)
    }
}

/// Whether the broker has shared subscriptions: in every version or in none.
pub(crate) fn has_shared_subscriptions(make: Make) -> bool {
    make.speaks(ProtocolVersion::V5)
}

/// What is not asked of a single make, a line each.
pub(crate) fn not_asked() -> impl Iterator<Item = String> {
    DIFFERENT.iter().map(|Difference { make, version, reason, scenarios }| {
        let only = version.map(|version| format!(" in MQTT {version}")).unwrap_or_default();
        format!("Not asked of {}{only}: {}, since {reason}", make.name(), scenarios.join(", "))
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
        Kind::Other(Make::Amqtt | Make::Rumqttd) => granted,
        // It looks the subscription up by the topic, and finds it only where that is the filter.
        Kind::Other(Make::Aedes) if granted != QoS::AtMostOnce => published,
        _ => published.min(granted),
    }
}
