//! Which entries of a time-line are shown.

use sterna_core::packet::Packet;
use sterna_core::topic;

use crate::describe;
use crate::timeline::{Entry, Timeline, What};

/// Which entries are shown: those that every condition takes. The default takes all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Messages whose topic name matches this topic filter, what subscribes to exactly it, and what answers these.
    pub topic: Option<String>,
    /// Kinds, see [`Filter::KINDS`]; all if there are none.
    pub kinds: Vec<String>,
    /// Connections by their number, which begins at 1; all if there are none.
    pub connections: Vec<usize>,
    /// From this time on, in microseconds since the time-line's beginning.
    pub since: Option<u64>,
    /// Up to this time.
    pub until: Option<u64>,
}

impl Filter {
    /// What an entry can be: a packet by its name, or something else.
    pub const KINDS: [&str; 22] = [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
        "malformed",
        "note",
        "command",
        "event",
        "driver",
        "timer",
        "store",
    ];

    /// The indices of what is shown.
    pub(crate) fn select(&self, timeline: &Timeline) -> Vec<usize> {
        let entries = timeline.entries.iter().enumerate();
        let shown = entries.filter(|(_, entry)| {
            let since = self.since.is_none_or(|since| entry.time >= since);
            let until = self.until.is_none_or(|until| entry.time <= until);
            let connection = self.connections.is_empty()
                || entry.connection.is_some_and(|index| self.connections.contains(&(index + 1)));
            let kind = self.kinds.is_empty()
                || self.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&kind_of(entry)));
            since && until && connection && kind && self.takes_topic(timeline, entry)
        });
        shown.map(|(index, _)| index).collect()
    }

    fn takes_topic(&self, timeline: &Timeline, entry: &Entry) -> bool {
        let Some(wanted) = &self.topic else { return true };
        let What::Packet(packet) = &entry.what else { return false };
        let first = packet.joined.exchange.and_then(|index| timeline.entries.get(index));
        let own = packet.packet();
        let begun = first.and_then(|first| match &first.what {
            What::Packet(packet) => packet.packet(),
            _ => None,
        });
        [own, begun].iter().flatten().any(|packet| is_about(packet, wanted))
    }
}

fn is_about(packet: &Packet<'_>, wanted: &str) -> bool {
    match packet {
        Packet::Publish(publish) => topic::matches(wanted, publish.topic),
        Packet::Subscribe(subscribe) => subscribe.filters.iter().any(|entry| entry.filter == wanted),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter().any(|filter| filter == wanted),
        _ => false,
    }
}

/// What an entry is: one of [`Filter::KINDS`].
pub(crate) fn kind_of(entry: &Entry) -> String {
    match &entry.what {
        What::Packet(packet) => describe::name(packet.packet_type),
        What::Malformed(_) => "malformed".to_owned(),
        What::Note(_) => "note".to_owned(),
        What::Local(local) => local.kind.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sterna_core::packet::PacketType;

    #[test]
    fn every_packet_is_a_kind() {
        assert_eq!(PacketType::ALL.map(describe::name)[..], Filter::KINDS[..15]);
    }
}
