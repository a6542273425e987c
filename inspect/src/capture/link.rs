//! From a frame of any link type to a segment of TCP.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::Linktype;

use super::frames::Frame;

/// The kinds of link whose frames are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    /// Four bytes with the address family: BSD's loopback.
    Loopback,
    /// An IP packet and nothing before it.
    Ip,
    /// Linux' "any" device.
    LinuxCooked,
    /// Its second version.
    LinuxCooked2,
}

impl Link {
    pub(super) fn of(number: Linktype) -> Option<Self> {
        match number.0 {
            0 | 108 => Some(Self::Loopback),
            1 => Some(Self::Ethernet),
            // 12 and 14 are what some systems write in place of 101.
            12 | 14 | 101 | 228 | 229 => Some(Self::Ip),
            113 => Some(Self::LinuxCooked),
            276 => Some(Self::LinuxCooked2),
            _ => None,
        }
    }
}

/// A segment of TCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) acknowledgement: Option<u32>,
    pub(super) begins: bool,
    pub(super) ends: bool,
    pub(super) resets: bool,
    pub(super) payload: &'a [u8],
    /// How many bytes of the payload were not captured; they come behind `payload`.
    pub(super) cut: usize,
}

/// Why a frame gives no segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    /// It is not TCP, or not even IP.
    Other,
    /// A fragment of an IP packet.
    Fragment,
    /// The frame's link type is not known here.
    Link,
    /// The frame is too short or makes no sense.
    Malformed,
}

/// The segment in a frame.
pub(super) fn segment<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Ignored> {
    let packet = slice(frame)?;
    let (from, to, body) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (IpAddr::from(header.source_addr()), IpAddr::from(header.destination_addr()), ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (IpAddr::from(header.source_addr()), IpAddr::from(header.destination_addr()), ip.payload())
        }
        Some(LaxNetSlice::Arp(_)) | None => return Err(Ignored::Other),
    };
    if body.fragmented {
        return Err(Ignored::Fragment);
    }
    let tcp = match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => tcp,
        None if packet.stop_err.is_some() => return Err(Ignored::Malformed),
        _ => return Err(Ignored::Other),
    };
    Ok(Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledgement: tcp.ack().then(|| tcp.acknowledgment_number()),
        begins: tcp.syn(),
        ends: tcp.fin(),
        resets: tcp.rst(),
        payload: tcp.payload(),
        // Only a whole frame has something behind the packet: padding.
        cut: if body.incomplete { frame.cut } else { 0 },
    })
}

fn slice<'a>(frame: &Frame<'a>) -> Result<LaxSlicedPacket<'a>, Ignored> {
    let bytes = frame.bytes;
    let behind = |length: usize| bytes.get(length..).ok_or(Ignored::Malformed);
    let ether_type = |at: usize| match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(EtherType(u16::from_be_bytes([high, low]))),
        _ => Err(Ignored::Malformed),
    };
    match frame.link.ok_or(Ignored::Link)? {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(bytes).map_err(|_| Ignored::Malformed),
        Link::Loopback => LaxSlicedPacket::from_ip(behind(4)?).map_err(|_| Ignored::Other),
        Link::Ip => LaxSlicedPacket::from_ip(bytes).map_err(|_| Ignored::Other),
        Link::LinuxCooked => Ok(LaxSlicedPacket::from_ether_type(ether_type(14)?, behind(16)?)),
        Link::LinuxCooked2 => Ok(LaxSlicedPacket::from_ether_type(ether_type(0)?, behind(20)?)),
    }
}
