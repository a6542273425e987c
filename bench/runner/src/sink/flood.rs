//! Messages that are encoded beforehand, sent as fast as they are taken.

use std::time::{Duration, Instant};

use bench_common::{END, PAYLOAD, publish_into};

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub(crate) struct Flood {
    pub(crate) qos: u8,
    pub(crate) until: Until,
    /// Bytes of each payload; 64 is the measured message.
    pub(crate) payload: usize,
    /// How many bytes of QoS 0 are written at once, at least one message.
    pub(crate) batch: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Time(Duration),
    Messages(u64),
}

/// One flood on its way.
pub(super) struct Flooding {
    flood: Flood,
    version: u8,
    began: Instant,
    /// Encoded one behind the other, each `length` bytes; with QoS 1 there is one for every identifier.
    packets: Vec<u8>,
    length: usize,
    /// Where to go on in them.
    next: usize,
    pub(super) sent: u64,
    /// Which identifiers are waiting for their acknowledgement, and how many.
    waiting: Vec<bool>,
    outstanding: usize,
    pub(super) ended: bool,
}

impl Flooding {
    pub(super) fn new(flood: Flood, version: u8, began: Instant) -> Self {
        let payload: Vec<u8> = PAYLOAD.iter().copied().cycle().take(flood.payload).collect();
        let mut packets = Vec::new();
        publish_into(&mut packets, flood.qos, 1, &payload, version);
        let length = packets.len();
        let most = match flood.until {
            Until::Time(_) => usize::MAX,
            Until::Messages(messages) => usize::try_from(messages).unwrap_or(usize::MAX),
        };
        let count = if flood.qos > 0 { usize::from(u16::MAX) } else { (flood.batch / length).max(1) };
        let count = count.min(most);
        packets.reserve(length * (count - 1));
        for id in 2..=count {
            publish_into(&mut packets, flood.qos, id as u16, &payload, version);
        }
        let waiting = vec![false; if flood.qos > 0 { 1 << 16 } else { 0 }];
        Self {
            flood,
            version,
            began,
            packets,
            length,
            next: 0,
            sent: 0,
            waiting,
            outstanding: 0,
            ended: false,
        }
    }

    pub(super) fn acknowledged(&mut self, id: u16) -> Result<(), String> {
        match self.waiting.get_mut(usize::from(id)) {
            Some(waiting) if *waiting => *waiting = false,
            _ => return Err(format!("PUBACK for {id}, which is not in flight")),
        }
        self.outstanding -= 1;
        Ok(())
    }

    /// What to write next; empty while acknowledgements have to come first.
    pub(super) fn next(&mut self) -> &[u8] {
        let count = self.packets.len() / self.length;
        let left = match self.flood.until {
            Until::Time(time) if self.began.elapsed() >= time => 0,
            Until::Time(_) => u64::MAX,
            Until::Messages(messages) => messages - self.sent,
        };
        if left == 0 {
            return self.last();
        }
        let room = if self.flood.qos > 0 { bench_common::WINDOW - self.outstanding } else { count };
        let messages = room.min(count - self.next).min(usize::try_from(left).unwrap_or(usize::MAX));
        let from = self.next;
        if self.flood.qos > 0 {
            self.waiting[from + 1..=from + messages].fill(true);
            self.outstanding += messages;
        }
        self.sent += messages as u64;
        self.next = (from + messages) % count;
        &self.packets[from * self.length..(from + messages) * self.length]
    }

    /// The message that says how many there were. It is sent when nothing is in flight any more.
    fn last(&mut self) -> &[u8] {
        if self.outstanding > 0 {
            return &[];
        }
        self.ended = true;
        let mut payload = END.to_vec();
        payload.extend(self.sent.to_be_bytes());
        let id = self.next as u16 + 1;
        self.packets.clear();
        publish_into(&mut self.packets, self.flood.qos, id, &payload, self.version);
        if self.flood.qos > 0 {
            self.waiting[usize::from(id)] = true;
            self.outstanding += 1;
        }
        &self.packets
    }
}
