//! Packet captures: pcap and pcapng, as tcpdump, Wireshark and their like write them.

mod assembler;
mod conversation;
mod frames;
mod link;
mod websocket;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;

use self::assembler::{Assembler, Piece};
use self::conversation::{Conversation, Ends, Way};
use self::frames::End;
use self::link::{Ignored, Segment};
use crate::timeline::{Builder, Clock, Timeline};

/// How many TCP connections are followed at a time.
const FLOWS: usize = 65_536;
/// How many bytes all connections together may hold behind holes.
const HELD: usize = 256 * 1024 * 1024;

/// Why there is no time-line.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Reading failed.
    #[error("the capture cannot be read")]
    Read,
    /// The input is neither pcap nor pcapng.
    #[error("it is no capture: neither pcap nor pcapng")]
    NotACapture,
}

/// Makes a time-line of all MQTT in a capture: over TCP and WebSocket, from Ethernet (VLANs too), Linux' cooked, raw
/// IP and loopback links. Whatever the capture lacks is said in the time-line.
///
/// Memory grows with the MQTT in the capture and is bounded by the time-line's [limits](Timeline).
///
/// # Errors
/// The input cannot be read, or is no capture. A capture that ends early is none: what was read is shown.
pub fn read_capture(input: impl Read + Send) -> Result<Timeline, CaptureError> {
    let mut flows = Flows::default();
    let mut out = Builder::new(Clock::Date);
    let mut counts = Counts::default();
    let end = frames::read(input, |frame| {
        counts.frames += 1;
        counts.time = counts.time.max(frame.time);
        match link::segment(&frame) {
            Ok(segment) => flows.handle(frame.time, &segment, &mut counts, &mut out),
            Err(ignored) => counts.ignore(&ignored),
        }
        !out.is_full()
    })?;
    flows.finish(&mut counts, &mut out);
    counts.tell(&end, &mut out);
    Ok(out.finish())
}

/// What was left out.
#[derive(Debug, Default)]
struct Counts {
    frames: u64,
    fragments: u64,
    malformed: u64,
    links: u64,
    /// Connections that carry something else.
    others: u64,
    /// Connections beyond the bound.
    refused: u64,
    /// The latest, in microseconds since 1970.
    time: u64,
}

impl Counts {
    fn ignore(&mut self, ignored: &Ignored) {
        match ignored {
            Ignored::Other => {}
            Ignored::Fragment => self.fragments += 1,
            Ignored::Link => self.links += 1,
            Ignored::Malformed => self.malformed += 1,
        }
    }

    fn tell(&self, end: &End, out: &mut Builder) {
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                out.note(self.time, None, &format!("{count} {what}"));
            }
        };
        say(self.fragments, "IP fragments were left out: what they carried is missing");
        say(self.malformed, "frames could not be read");
        say(self.links, "frames are of a link type that is not known here");
        say(self.others, "TCP connections carry no MQTT");
        say(self.refused, "segments of further TCP connections were left out: there are too many at a time");
        if let End::Damaged(why) = end {
            out.note(self.time, None, &format!("the capture is damaged behind frame {}: {why}", self.frames));
        }
        if out.is_full() {
            out.note(self.time, None, "the capture has more: it was read up to the time-line's limit");
        }
    }
}

/// The TCP connections, by their ends, the smaller one first.
#[derive(Debug, Default)]
struct Flows {
    flows: BTreeMap<(SocketAddr, SocketAddr), Flow>,
    held: usize,
}

#[derive(Debug)]
struct Flow {
    first: SocketAddr,
    ways: [Assembler; 2],
    conversation: Conversation,
    /// Where each direction ends: the position of its FIN.
    ends: [Option<u32>; 2],
    is_over: bool,
    has_told_opening: bool,
    opened: Option<u64>,
    /// When its last segment came.
    last: u64,
}

impl Flows {
    fn handle(&mut self, time: u64, segment: &Segment<'_>, counts: &mut Counts, out: &mut Builder) {
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        if let Some(flow) = self.flows.get_mut(&key)
            && flow.is_followed_by(segment)
        {
            self.held -= flow.held();
            flow.finish(out);
            counts.others += u64::from(!flow.conversation.is_wanted());
            self.flows.remove(&key);
        }
        if !self.flows.contains_key(&key) {
            // What comes behind a connection's end opens no other.
            if segment.payload.is_empty() && !segment.begins {
                return;
            }
            if self.flows.len() >= FLOWS {
                self.flows.retain(|_, flow| !flow.is_over);
            }
            if self.flows.len() >= FLOWS {
                counts.refused += 1;
                return;
            }
        }
        let flow = self.flows.entry(key).or_insert_with(|| Flow::new(segment));
        let before = flow.held();
        flow.handle(time, segment, out);
        if self.held + flow.held() - before > HELD {
            flow.give_up(time, out);
        }
        self.held = self.held + flow.held() - before;
    }

    fn finish(&mut self, counts: &mut Counts, out: &mut Builder) {
        for flow in self.flows.values_mut() {
            flow.finish(out);
            counts.others += u64::from(!flow.conversation.is_wanted());
        }
    }
}

impl Flow {
    fn new(segment: &Segment<'_>) -> Self {
        let answers = segment.begins && segment.acknowledgement.is_some();
        let (first, second) = if answers { (segment.to, segment.from) } else { (segment.from, segment.to) };
        let ends = Ends { first, second, is_opened: segment.begins };
        Self {
            first,
            ways: Default::default(),
            conversation: Conversation::new(ends),
            ends: [None; 2],
            is_over: false,
            has_told_opening: false,
            opened: None,
            last: 0,
        }
    }

    fn way(&self, from: SocketAddr) -> Way {
        if from == self.first { Way::Forth } else { Way::Back }
    }

    fn held(&self) -> usize {
        self.ways.iter().map(Assembler::held_bytes).sum()
    }

    /// Whether the segment opens the next connection between the same two ends.
    fn is_followed_by(&self, segment: &Segment<'_>) -> bool {
        let way = &self.ways[self.way(segment.from) as usize];
        segment.begins
            && segment.acknowledgement.is_none()
            && (self.is_over || way.is_foreign(segment.sequence))
            && (way.is_foreign(segment.sequence) || !way.has_begun())
    }

    fn handle(&mut self, time: u64, segment: &Segment<'_>, out: &mut Builder) {
        self.last = time;
        let way = self.way(segment.from);
        let (forth, back) = self.ways.split_at_mut(1);
        let (mine, theirs) = match way {
            Way::Forth => (&mut forth[0], &mut back[0]),
            Way::Back => (&mut back[0], &mut forth[0]),
        };
        let conversation = &mut self.conversation;
        if segment.begins {
            mine.begin(segment.sequence);
            self.opened.get_or_insert(time);
        }
        // Data may come with the SYN, which takes the number before it.
        let sequence = segment.sequence.wrapping_add(u32::from(segment.begins));
        let other = match way {
            Way::Forth => Way::Back,
            Way::Back => Way::Forth,
        };
        if !conversation.is_settled() {
            let mut give = |piece: Piece<'_>| conversation.receive(way, piece, out);
            mine.receive(time, sequence, segment.payload, segment.cut, &mut give);
            mine.tick(&mut give);
            if let Some(acknowledgement) = segment.acknowledgement {
                theirs.acknowledge(acknowledgement);
            }
            theirs.tick(&mut |piece| conversation.receive(other, piece, out));
        }
        self.tell_opening(out);
        if segment.ends {
            let end = sequence.wrapping_add((segment.payload.len() + segment.cut) as u32);
            if self.ends[way as usize].replace(end).is_none() {
                self.tell_end(time, way, "closes its side", out);
            }
            self.is_over |= self.ends.iter().all(Option::is_some);
        }
        if segment.resets && !self.is_over {
            self.is_over = true;
            self.tell_end(time, way, "resets the connection", out);
        }
    }

    /// As soon as it is known that it carries MQTT.
    fn tell_opening(&mut self, out: &mut Builder) {
        if let (false, Some(time), Some((connection, _))) =
            (self.has_told_opening, self.opened, self.conversation.connection())
        {
            self.has_told_opening = true;
            out.note(time, Some(connection), "the TCP connection is opened");
        }
    }

    fn tell_end(&self, time: u64, way: Way, what: &str, out: &mut Builder) {
        if let Some((connection, client)) = self.conversation.connection() {
            let who = if way == client { "client" } else { "server" };
            out.note(time, Some(connection), &format!("the {who} {what}"));
        }
    }

    /// Gives out what is held, as if nothing more came.
    fn give_up(&mut self, time: u64, out: &mut Builder) {
        for way in [Way::Forth, Way::Back] {
            let end = self.ends[way as usize];
            let conversation = &mut self.conversation;
            self.ways[way as usize].finish(time, end, &mut |piece| conversation.receive(way, piece, out));
        }
    }

    fn finish(&mut self, out: &mut Builder) {
        self.give_up(self.last, out);
        self.conversation.finish(self.last, out);
        self.tell_opening(out);
    }
}
