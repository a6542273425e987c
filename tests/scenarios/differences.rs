//! What brokers of other makes are not asked, and why. docs/brokers.md says what that means for users.

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

/// MQTT 3.x has no shared subscriptions; Mosquitto and the test broker offer them there as well.
const ADDED: &[&str] = &["routing::a_shared_subscription"];

/// What a make does in another way than the scenario expects.
const DIFFERENT: &[(Make, &[&str])] = &[
    // It closes the connection at a PUBLISH of QoS 2, makes a consumer for each filter of QoS 1, which takes longer than
    // a scenario may, and reads with a deadline of one and a half keep alives that a busy machine misses at 1 s.
    (
        Make::Nats,
        &[
            "cancel::dropped_publishes_are_sent",
            "delivery::each_qos",
            "life::keep_alive_holds",
            "operations::a_cancelled_publish",
            "operations::assigned_aliases",
            "operations::many_filters",
            "points::publishing_is_dropped",
            "points::subscribing_is_dropped",
            "routing::overlapping_filters",
            "slow::a_slow_consumer_holds_nothing_up",
            "slow::an_unread_flood_holds_no_operation_up",
            "slow::operations_behind_a_flood_beyond_the_reserve_end",
            "stored::a_store_is_free_after_disconnect",
            "volume::a_small_receive_maximum",
            "volume::large_payloads",
            "volume::many_tasks_publish",
            "volume::ten_thousand_exactly_once",
        ],
    ),
];

/// Whether a scenario, `file::name`, can be asked of the broker of a cell.
pub(crate) fn suits(cell: Cell, path: &str) -> bool {
    let Kind::Other(make) = cell.kind else { return true };
    let lists = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
    !lists(CONTROLLED)
        && !lists(ADDED)
        && !DIFFERENT.iter().any(|(other, names)| *other == make && lists(names))
}
