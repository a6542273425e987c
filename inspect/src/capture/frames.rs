//! The frames of a pcap or pcapng file.

use std::io::Read;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

use super::CaptureError;
use super::link::Link;

/// What is read ahead at first, in bytes.
const BUFFER: usize = 64 * 1024;
/// The largest block of a file that is read, in bytes: larger than any link's frame.
const LARGEST_BLOCK: usize = 4 * 1024 * 1024;
/// How many interfaces a section may describe.
const INTERFACES: usize = 4096;
const MICROS: u64 = 1_000_000;

/// A frame as it was captured.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// Microseconds since 1970.
    pub(super) time: u64,
    pub(super) link: Option<Link>,
    pub(super) bytes: &'a [u8],
    /// How many bytes at its end were not captured.
    pub(super) cut: usize,
}

/// How reading a file ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was read.
    Complete,
    /// It ends inside a block, or a block is damaged: what was wrong.
    Damaged(&'static str),
}

/// Gives every frame to `take`, which answers whether it wants more.
pub(super) fn read(
    input: impl Read + Send,
    mut take: impl FnMut(Frame<'_>) -> bool,
) -> Result<End, CaptureError> {
    let mut reader = create_reader(BUFFER, WholeReads(input)).map_err(|error| match error {
        PcapError::ReadError => CaptureError::Read,
        _ => CaptureError::NotACapture,
    })?;
    let mut file = File::default();
    let mut capacity = BUFFER;
    loop {
        match reader.next() {
            Ok((size, block)) => {
                let wanted = file.frame(&block).is_none_or(&mut take);
                reader.consume(size);
                if !wanted {
                    return Ok(End::Complete);
                }
            }
            Err(PcapError::Eof) => return Ok(End::Complete),
            Err(PcapError::Incomplete(_)) => reader.refill().map_err(|_| CaptureError::Read)?,
            Err(PcapError::BufferTooSmall) => {
                if capacity >= LARGEST_BLOCK {
                    return Ok(End::Damaged("a block is larger than 4 MiB"));
                }
                capacity *= 2;
                if !reader.grow(capacity) {
                    return Ok(End::Damaged("a block is larger than the memory for it"));
                }
                reader.refill().map_err(|_| CaptureError::Read)?;
            }
            Err(PcapError::UnexpectedEof) => return Ok(End::Damaged("the file ends inside a block")),
            Err(PcapError::ReadError) => return Err(CaptureError::Read),
            Err(_) => return Ok(End::Damaged("a block is no block of a capture")),
        }
    }
}

/// Fills a buffer as far as the input goes: the parser takes a short first read for a short file.
struct WholeReads<R>(R);

impl<R: Read> Read for WholeReads<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// What the blocks before a frame said about it.
#[derive(Debug, Default)]
struct File {
    interfaces: Vec<Interface>,
    /// Of the last frame: a simple packet block has no time of its own.
    time: u64,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: Option<Link>,
    /// Units a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
}

impl File {
    fn frame<'b>(&mut self, block: &'b PcapBlockOwned<'_>) -> Option<Frame<'b>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { MICROS };
                // The upper bits may say how long the frames' check sums are.
                let link = Link::of(Linktype(header.network.0 & 0x03FF_FFFF));
                self.interfaces = vec![Interface { link, resolution, offset: 0 }];
                None
            }
            PcapBlockOwned::Legacy(block) => {
                let interface = *self.interfaces.first()?;
                let fraction = u64::from(block.ts_usec) * MICROS / interface.resolution;
                self.time = u64::from(block.ts_sec) * MICROS + fraction;
                let captured = block.data.len().min(block.caplen as usize);
                Some(self.make(interface, &block.data[..captured], block.origlen))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < INTERFACES {
                    let resolution = interface.ts_resolution().filter(|&units| units > 0).unwrap_or(MICROS);
                    let link = Link::of(interface.linktype);
                    self.interfaces.push(Interface { link, resolution, offset: interface.ts_offset() });
                }
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = *self.interfaces.get(packet.if_id as usize)?;
                self.time = interface.micros(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
                Some(self.make(interface, packet.packet_data(), packet.orig_len()))
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let interface = *self.interfaces.first()?;
                Some(self.make(interface, packet.packet_data(), packet.orig_len()))
            }
            PcapBlockOwned::NG(_) => None,
        }
    }

    fn make<'b>(&self, interface: Interface, bytes: &'b [u8], original: u32) -> Frame<'b> {
        let cut = (original as usize).saturating_sub(bytes.len());
        Frame { time: self.time, link: interface.link, bytes, cut }
    }
}

impl Interface {
    fn micros(&self, units: u64) -> u64 {
        let micros = u128::from(units) * u128::from(MICROS) / u128::from(self.resolution);
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        micros.saturating_add_signed(self.offset.saturating_mul(MICROS.cast_signed()))
    }
}
