//! Which packet answers which, and what is in flight.

use std::collections::BTreeMap;

use sterna_core::packet::{Packet, PacketType, QoS, Sender};

use super::{Joined, Timeline, What};

/// An exchange that is not complete.
#[derive(Debug, Clone, Copy)]
struct Open {
    first: usize,
    /// Its latest packet, which the next one answers.
    last: usize,
    last_type: PacketType,
}

/// What is going on on one network connection.
#[derive(Debug, Default)]
struct Exchanges {
    /// By who began it (0: the client) and its packet identifier.
    open: BTreeMap<(u8, u16), Open>,
    connect: Option<Open>,
    ping: Option<Open>,
    /// PUBLISH in flight, by who sent it.
    in_flight: [u32; 2],
}

/// What a packet is, for joining.
struct Seen {
    index: usize,
    time: u64,
    sender: Sender,
    packet_type: PacketType,
    packet_id: u16,
    /// It refuses, so that nothing follows.
    refuses: bool,
}

/// Fills the [`Joined`] of every packet.
pub(super) fn join(timeline: &mut Timeline) {
    let mut connections: Vec<Exchanges> = timeline.connections.iter().map(|_| Exchanges::default()).collect();
    // Whose session is where.
    let mut sessions: BTreeMap<String, usize> = BTreeMap::new();
    for index in 0..timeline.entries.len() {
        let entry = &timeline.entries[index];
        let (Some(connection), What::Packet(packet)) = (entry.connection, &entry.what) else { continue };
        let Some(decoded) = packet.packet() else { continue };
        if let Packet::ConnAck(ack) = &decoded {
            let client_id = timeline.connections[connection].client_id.clone().unwrap_or_default();
            if !ack.reason.is_error() && !client_id.is_empty() {
                let before = sessions.insert(client_id, connection);
                if let Some(before) = before.filter(|&before| ack.session_present && before != connection) {
                    resume(&mut connections, before, connection);
                }
            }
        }
        let (packet_id, refuses) = identify(&decoded);
        let seen = Seen {
            index,
            time: entry.time,
            sender: packet.sender,
            packet_type: packet.packet_type,
            packet_id,
            refuses,
        };
        let exchanges = &mut connections[connection];
        let mut joined = exchanges.take(&seen);
        joined.in_flight = exchanges.in_flight[0];
        joined.in_flight_to_client = exchanges.in_flight[1];
        if let Some(answered) = joined.answers {
            let latency = seen.time.saturating_sub(timeline.entries[answered].time);
            joined.latency = timeline.is_timed.then_some(latency);
            if let What::Packet(answered) = &mut timeline.entries[answered].what {
                answered.joined.answered_by = Some(index);
            }
        }
        if let What::Packet(packet) = &mut timeline.entries[index].what {
            packet.joined = joined;
        }
    }
}

/// A session goes on: its messages are in flight on the new connection.
fn resume(connections: &mut [Exchanges], before: usize, now: usize) {
    let old = std::mem::take(&mut connections[before]);
    let is_message = |open: &Open| !matches!(open.last_type, PacketType::Subscribe | PacketType::Unsubscribe);
    connections[now].open.extend(old.open.into_iter().filter(|(_, open)| is_message(open)));
    connections[now].in_flight = old.in_flight;
}

fn identify(packet: &Packet<'_>) -> (u16, bool) {
    match packet {
        Packet::Publish(publish) if publish.qos == QoS::AtMostOnce => (0, false),
        Packet::Publish(publish) => (publish.packet_id, false),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            (ack.packet_id, ack.reason.is_error())
        }
        Packet::Subscribe(subscribe) => (subscribe.packet_id, false),
        Packet::SubAck(ack) => (ack.packet_id, false),
        Packet::Unsubscribe(unsubscribe) => (unsubscribe.packet_id, false),
        Packet::UnsubAck(ack) => (ack.packet_id, false),
        _ => (0, false),
    }
}

impl Exchanges {
    fn take(&mut self, seen: &Seen) -> Joined {
        use PacketType as P;
        let open = Open { first: seen.index, last: seen.index, last_type: seen.packet_type };
        let begins = Joined { exchange: Some(seen.index), ..Joined::default() };
        match seen.packet_type {
            P::Connect => {
                self.connect = Some(open);
                begins
            }
            P::PingReq => {
                self.ping = Some(open);
                begins
            }
            P::ConnAck => answer(self.connect.take()),
            P::PingResp => answer(self.ping.take()),
            P::Publish if seen.packet_id == 0 => begins,
            P::Publish | P::Subscribe | P::Unsubscribe => self.begin(seen, open),
            P::PubAck | P::PubRec | P::PubRel | P::PubComp | P::SubAck | P::UnsubAck => self.go_on(seen),
            P::Disconnect | P::Auth => Joined::default(),
        }
    }

    fn begin(&mut self, seen: &Seen, open: Open) -> Joined {
        let key = (seen.sender as u8, seen.packet_id);
        let is_message = seen.packet_type == PacketType::Publish;
        let before = self.open.insert(key, open);
        match before {
            Some(before) if is_message && before.last_type == PacketType::Publish => {
                if let Some(now) = self.open.get_mut(&key) {
                    now.first = before.first;
                }
                Joined { exchange: Some(before.first), repeats: Some(before.last), ..Joined::default() }
            }
            before => {
                let was_message = before.is_some_and(|before| is_of_message(before.last_type));
                let count = &mut self.in_flight[usize::from(key.0)];
                *count = count.saturating_sub(u32::from(was_message)) + u32::from(is_message);
                Joined { exchange: Some(seen.index), ..Joined::default() }
            }
        }
    }

    fn go_on(&mut self, seen: &Seen) -> Joined {
        use PacketType as P;
        let begun_by_sender = seen.packet_type == P::PubRel;
        let beginner = if begun_by_sender { seen.sender as u8 } else { 1 - seen.sender as u8 };
        let key = (beginner, seen.packet_id);
        let Some(open) = self.open.get_mut(&key) else { return Joined::default() };
        let exchange = Some(open.first);
        let expected: &[P] = match seen.packet_type {
            P::PubAck | P::PubRec => &[P::Publish],
            P::PubRel => &[P::PubRec],
            P::PubComp => &[P::PubRel],
            P::SubAck => &[P::Subscribe],
            _ => &[P::Unsubscribe],
        };
        if open.last_type == seen.packet_type {
            let repeats = Some(std::mem::replace(&mut open.last, seen.index));
            return Joined { exchange, repeats, ..Joined::default() };
        }
        if !expected.contains(&open.last_type) {
            return Joined::default();
        }
        let answers = Some(open.last);
        let goes_on = matches!(seen.packet_type, P::PubRec | P::PubRel) && !seen.refuses;
        if goes_on {
            open.last = seen.index;
            open.last_type = seen.packet_type;
        } else {
            let is_message = is_of_message(open.last_type);
            self.open.remove(&key);
            let count = &mut self.in_flight[usize::from(beginner)];
            *count = count.saturating_sub(u32::from(is_message));
        }
        Joined { exchange, answers, ..Joined::default() }
    }
}

fn is_of_message(packet_type: PacketType) -> bool {
    !matches!(packet_type, PacketType::Subscribe | PacketType::Unsubscribe)
}

fn answer(open: Option<Open>) -> Joined {
    Joined { exchange: open.map(|open| open.first), answers: open.map(|open| open.last), ..Joined::default() }
}
