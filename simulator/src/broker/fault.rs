//! Misbehaviour on demand.

use core::time::Duration;

use bytes::Bytes;
use sterna_core::packet::{PacketType, ReasonCode};

/// What happens instead of carrying out a received packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnReceive {
    /// The connection is closed without a word.
    Close,
    /// Nothing: the packet is ignored.
    Discard,
    /// The packet's usual answer with this reason: CONNACK, PUBACK or PUBREC, PUBCOMP, SUBACK and UNSUBACK (for
    /// every filter); a DISCONNECT for other packets. After a CONNACK or DISCONNECT the connection is closed.
    /// On 3.x what has no code for the reason is answered without one, and a CONNECT by closing.
    Answer(ReasonCode),
    /// These bytes are sent.
    Send(Bytes),
    /// These bytes are sent and the connection is closed.
    SendThenClose(Bytes),
    /// The packet is carried out, but nothing is read from the connection any more.
    StopReading,
}

/// What happens to a packet that the broker is about to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnSend {
    /// The connection is closed without it.
    Close,
    /// It is withheld.
    Discard,
    /// These bytes are sent in its place.
    Replace(Bytes),
    /// It leaves this much later, and nothing behind it overtakes it.
    Delay(Duration),
}

/// One misbehaviour: where it strikes, whom, after how many chances and how often.
///
/// ```
/// use sterna_core::packet::{PacketType, ReasonCode};
/// use sterna_simulator::broker::{Broker, Fault, OnReceive, OnSend, Options};
///
/// let mut broker = Broker::new(Options::default());
/// // The next two attempts to connect are refused …
/// let refusal = OnReceive::Answer(ReasonCode::SERVER_BUSY);
/// broker.add_fault(Fault::receiving(PacketType::Connect, refusal).times(2));
/// // … and from the fourth on, each PUBACK for this client is withheld, until the fault is removed.
/// let fault = broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard).client("meter").after(3));
/// broker.remove_fault(fault);
/// ```
#[derive(Debug, Clone)]
pub struct Fault {
    point: Point,
    client: Option<String>,
    after: u64,
    times: Option<u64>,
}

#[derive(Debug, Clone)]
enum Point {
    Receiving(Option<PacketType>, OnReceive),
    Sending(Option<PacketType>, OnSend),
    ReceivedBytes,
    SentBytes,
}

impl Fault {
    fn at(point: Point) -> Self {
        Self { point, client: None, after: 0, times: None }
    }

    /// Strikes at each received packet of this type.
    pub fn receiving(packet: PacketType, action: OnReceive) -> Self {
        Self::at(Point::Receiving(Some(packet), action))
    }

    /// Strikes at each received packet.
    pub fn receiving_any(action: OnReceive) -> Self {
        Self::at(Point::Receiving(None, action))
    }

    /// Strikes at each packet of this type that the broker sends.
    pub fn sending(packet: PacketType, action: OnSend) -> Self {
        Self::at(Point::Sending(Some(packet), action))
    }

    /// Strikes at each packet that the broker sends.
    pub fn sending_any(action: OnSend) -> Self {
        Self::at(Point::Sending(None, action))
    }

    /// Closes, once, the connection whose packet exceeds `bytes` more received bytes; that packet is not carried out.
    pub fn close_after_received(bytes: u64) -> Self {
        Self { after: bytes, times: Some(1), ..Self::at(Point::ReceivedBytes) }
    }

    /// Closes, once, the connection on which the last of `bytes` more bytes is sent, be it in the middle of a packet.
    pub fn close_after_sent(bytes: u64) -> Self {
        Self { after: bytes, times: Some(1), ..Self::at(Point::SentBytes) }
    }

    /// Only for this client identifier. Without it: for everybody.
    #[must_use]
    pub fn client(mut self, client_id: impl Into<String>) -> Self {
        self.client = Some(client_id.into());
        self
    }

    /// Lets the first `count` packets pass (replaces the number of bytes of a `close_after_…` fault).
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.after = count;
        self
    }

    /// Strikes `count` times and is gone. Without it: until it is removed.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    fn concerns(&self, client: &str) -> bool {
        self.times != Some(0) && self.client.as_deref().is_none_or(|only| only == client)
    }

    /// Counts one chance; whether it strikes now.
    fn strikes(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        true
    }
}

/// Names a fault, for its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

/// The faults in force, in the order of their making; the first that strikes decides.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<(FaultId, Fault)>,
    made: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) -> FaultId {
        self.made += 1;
        self.list.push((FaultId(self.made), fault));
        FaultId(self.made)
    }

    pub(super) fn remove(&mut self, id: FaultId) {
        self.list.retain(|(other, _)| *other != id);
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn receiving(&mut self, client: &str, packet: PacketType) -> Option<OnReceive> {
        self.find(client, |point| match point {
            Point::Receiving(only, action) if only.is_none_or(|only| only == packet) => Some(action.clone()),
            _ => None,
        })
    }

    pub(super) fn sending(&mut self, client: &str, packet: PacketType) -> Option<OnSend> {
        self.find(client, |point| match point {
            Point::Sending(only, action) if only.is_none_or(|only| only == packet) => Some(action.clone()),
            _ => None,
        })
    }

    fn find<T>(&mut self, client: &str, action: impl Fn(&Point) -> Option<T>) -> Option<T> {
        let (at, found) = self.list.iter_mut().enumerate().find_map(|(at, (_, fault))| {
            let action = fault.concerns(client).then(|| action(&fault.point))??;
            fault.strikes().then_some((at, action))
        })?;
        if self.list.get(at).is_some_and(|(_, fault)| fault.times == Some(0)) {
            self.list.remove(at);
        }
        Some(found)
    }

    /// Counts `bytes` of a received packet; whether they are too many.
    pub(super) fn exceeds_received(&mut self, client: &str, bytes: usize) -> bool {
        self.count_bytes(
            client,
            bytes as u64,
            |point| matches!(point, Point::ReceivedBytes),
            |left, bytes| left < bytes,
        )
        .is_some()
    }

    /// Counts `bytes` about to be sent; how many of them leave before the connection ends.
    pub(super) fn cut_sent(&mut self, client: &str, bytes: usize) -> Option<usize> {
        self.count_bytes(
            client,
            bytes as u64,
            |point| matches!(point, Point::SentBytes),
            |left, bytes| left <= bytes,
        )
        .map(|left| left as usize)
    }

    fn count_bytes(
        &mut self,
        client: &str,
        bytes: u64,
        is_here: impl Fn(&Point) -> bool,
        is_end: impl Fn(u64, u64) -> bool,
    ) -> Option<u64> {
        let mut cut = None;
        self.list.retain_mut(|(_, fault)| {
            if cut.is_some() || !is_here(&fault.point) || !fault.concerns(client) {
                return true;
            }
            if is_end(fault.after, bytes) {
                cut = Some(fault.after);
                return false;
            }
            fault.after -= bytes;
            true
        });
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_strikes_and_is_gone() {
        let mut faults = Faults::default();
        faults.add(Fault::receiving(PacketType::Publish, OnReceive::Discard).client("a").after(1).times(2));
        let mut struck = Vec::new();
        for client in ["b", "a", "a", "b", "a", "a"] {
            struck.push(faults.receiving(client, PacketType::Publish).is_some());
        }
        assert_eq!(struck, [false, false, true, false, true, false]);
        assert!(faults.list.is_empty());
    }

    #[test]
    fn the_first_fault_that_strikes_decides() {
        let mut faults = Faults::default();
        faults.add(Fault::sending_any(OnSend::Close).after(1));
        let second = faults.add(Fault::sending(PacketType::PubAck, OnSend::Discard));
        assert_eq!(faults.sending("a", PacketType::PubAck), Some(OnSend::Discard));
        assert_eq!(faults.sending("a", PacketType::PubAck), Some(OnSend::Close));
        faults.clear();
        faults.remove(second);
        assert_eq!(faults.sending("a", PacketType::PubAck), None);
    }

    #[test]
    fn bytes_are_counted_to_the_last() {
        let mut faults = Faults::default();
        faults.add(Fault::close_after_sent(5));
        assert_eq!(faults.cut_sent("a", 3), None);
        assert_eq!(faults.cut_sent("a", 3), Some(2));
        assert_eq!(faults.cut_sent("a", 3), None);
        faults.add(Fault::close_after_received(5));
        assert!(!faults.exceeds_received("a", 5));
        assert!(faults.exceeds_received("a", 1));
        assert!(!faults.exceeds_received("a", 1));
    }
}
