//! What brokers of other makes are not asked, and why. docs/brokers.md says what that means for users.

use crate::cell::{Cell, Kind};
use crate::support::other_brokers::Make;

/// They need more of a broker than MQTT: to stop and start it, to read its log, or passwords.
const CONTROLLED: &[&str] = &[
    "delivery::dropping_all_handles_disconnects",
    "delivery::no_will_after_disconnect",
    "life::events_tell_the_whole_story",
    "outage::",
    "refused::credentials_in_the_url",
    "refused::nobody_listens",
    "refused::wrong_password",
    "restart::",
    "servers::the_next_server_takes_over",
    "stored::what_was_stored_while_the_server_was_away",
];

/// What a make does in another way than the scenario expects.
const DIFFERENT: &[(Make, &[&str])] = &[];

/// Whether a scenario, `file::name`, can be asked of the broker of a cell.
pub(crate) fn suits(cell: Cell, path: &str) -> bool {
    let Kind::Other(make) = cell.kind else { return true };
    let lists = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
    !lists(CONTROLLED) && !DIFFERENT.iter().any(|(other, names)| *other == make && lists(names))
}
