//! Reading and writing frames (RFC 6455 §5).

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::WebSocketError;

/// The longest payload of a control frame.
const CONTROL_LIMIT: usize = 125;
/// The longest header: 64 bits of length, and a mask.
const HEADER_LIMIT: usize = 14;

/// What a server's frames hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes of MQTT's packets: all or a part of a frame.
    Data(&'a [u8]),
    /// A whole ping.
    Ping(&'a [u8]),
    /// A whole close frame.
    Close(&'a [u8]),
}

/// Takes a server's frames apart. It holds a header or a control frame at most.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// What has come of a header or of a control frame's payload.
    partial: [u8; CONTROL_LIMIT],
    partial_length: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// A message goes on with the next data frame.
    is_fragmented: bool,
}

#[derive(Debug)]
struct Frame {
    kind: FrameKind,
    /// How many bytes of its payload have not come.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Data,
    Control(Control),
}

impl FrameReader {
    pub(super) fn new() -> Self {
        Self { partial: [0; CONTROL_LIMIT], partial_length: 0, frame: None, is_fragmented: false }
    }

    /// The next piece in `input`, which is advanced. `None`: it has nothing more.
    pub(super) fn next<'r, 'i: 'r>(
        &'r mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Piece<'r>>, WebSocketError> {
        loop {
            if self.frame.is_none() && !self.read_header(input)? {
                return Ok(None);
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            match frame.kind {
                FrameKind::Data => {
                    let length = input.len().min(usize::try_from(frame.left).unwrap_or(usize::MAX));
                    frame.left -= length as u64;
                    if frame.left == 0 {
                        self.frame = None;
                    }
                    let (data, rest) = input.split_at(length);
                    *input = rest;
                    if length > 0 {
                        return Ok(Some(Piece::Data(data)));
                    }
                    if input.is_empty() {
                        return Ok(None);
                    }
                }
                FrameKind::Control(control) => {
                    let left = frame.left as usize;
                    let taken = self.gather(input, left);
                    if taken < left {
                        self.frame =
                            Some(Frame { kind: FrameKind::Control(control), left: (left - taken) as u64 });
                        return Ok(None);
                    }
                    self.frame = None;
                    let length = std::mem::take(&mut self.partial_length);
                    match control {
                        Control::Ping => return Ok(Some(Piece::Ping(&self.partial[..length]))),
                        Control::Close => return Ok(Some(Piece::Close(&self.partial[..length]))),
                        // We send no pings, and a pong may come unasked.
                        _ => {}
                    }
                }
            }
        }
    }

    /// Moves up to `most` bytes into the partial buffer.
    fn gather(&mut self, input: &mut &[u8], most: usize) -> usize {
        let length = input.len().min(most);
        let (taken, rest) = input.split_at(length);
        self.partial[self.partial_length..][..length].copy_from_slice(taken);
        self.partial_length += length;
        *input = rest;
        length
    }

    /// Whether a whole header has come, which is then the current frame.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<bool, WebSocketError> {
        let before = self.partial_length;
        let mut offered = *input;
        self.gather(&mut offered, HEADER_LIMIT - before);
        let mut cursor = Cursor::new(&self.partial[..self.partial_length]);
        let parsed =
            FrameHeader::parse(&mut cursor).map_err(|_| WebSocketError::Violation("unknown opcode"))?;
        let Some((header, length)) = parsed else {
            *input = offered;
            return Ok(false);
        };
        let used = cursor.position() as usize - before;
        *input = &input[used..];
        self.partial_length = 0;
        let kind = self.judge(&header, length)?;
        self.frame = Some(Frame { kind, left: length });
        Ok(true)
    }

    fn judge(&mut self, header: &FrameHeader, length: u64) -> Result<FrameKind, WebSocketError> {
        let violation = |what| Err(WebSocketError::Violation(what));
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return violation("reserved bits are set");
        }
        if header.mask.is_some() {
            return violation("a server's frame is masked");
        }
        if length > i64::MAX as u64 {
            return violation("a frame's length has its highest bit set");
        }
        match header.opcode {
            OpCode::Data(Data::Text) => Err(WebSocketError::Text),
            OpCode::Data(Data::Binary) if self.is_fragmented => violation("a message begins within another"),
            OpCode::Data(Data::Continue) if !self.is_fragmented => violation("a continuation of nothing"),
            OpCode::Data(_) => {
                self.is_fragmented = !header.is_final;
                Ok(FrameKind::Data)
            }
            OpCode::Control(_) if !header.is_final => violation("a control frame is fragmented"),
            OpCode::Control(_) if length > CONTROL_LIMIT as u64 => violation("a control frame is too large"),
            OpCode::Control(control) => Ok(FrameKind::Control(control)),
        }
    }
}

/// Writes a client's frame: `fill` appends the payload, of `length` bytes, which is then masked.
pub(super) fn write_frame(out: &mut Vec<u8>, opcode: OpCode, length: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let mask: [u8; 4] = rand::random();
    let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
    out.reserve(header.len(length as u64) + length);
    // Writing into a vector does not fail.
    let _ = header.format(length as u64, out);
    let begin = out.len();
    fill(out);
    apply_mask(&mut out[begin..], mask);
}

/// Eight bytes at a time, which compilers turn into more.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}
