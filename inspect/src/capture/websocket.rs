//! One direction of a WebSocket connection (RFC 6455): the HTTP head, then frames.

use std::io::Cursor;

use sterna_core::packet::Sender;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What may stand before the blank line, in bytes.
const HEAD: usize = 16 * 1024;
/// The longest payload of a control frame.
const CONTROL: usize = 125;

/// What a direction holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Bytes of MQTT.
    Data(&'a [u8]),
    /// So many bytes of MQTT are missing.
    Missing(u64),
    /// The HTTP head: its first line, and the subprotocol.
    Head { line: String, subprotocol: Option<String> },
    /// Something to be told.
    Note(String),
    /// The rest cannot be read: why.
    End(String),
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// The header of the next frame, as far as it came.
    Header(Vec<u8>),
    Payload {
        opcode: OpCode,
        mask: [u8; 4],
        /// Where in the mask the next byte is.
        turn: usize,
        left: u64,
        /// Of a control frame.
        control: Vec<u8>,
    },
    Lost,
    Ended,
}

#[derive(Debug)]
pub(super) struct WebSocket {
    sender: Sender,
    state: State,
    is_text: bool,
}

impl WebSocket {
    pub(super) fn new(sender: Sender) -> Self {
        Self { sender, state: State::Head(Vec::new()), is_text: false }
    }

    pub(super) fn receive(&mut self, mut input: &[u8], give: &mut impl FnMut(Part<'_>)) {
        if matches!(self.state, State::Lost) && self.is_frames(input) {
            give(Part::Missing(u64::MAX));
            self.state = State::Header(Vec::new());
        }
        while !input.is_empty() {
            match &mut self.state {
                State::Head(_) => self.read_head(&mut input, give),
                State::Header(_) => self.read_header(&mut input, give),
                State::Payload { .. } => self.read_payload(&mut input, give),
                State::Lost | State::Ended => return,
            }
        }
    }

    /// So many bytes are missing here.
    pub(super) fn miss(&mut self, missing: u64, give: &mut impl FnMut(Part<'_>)) {
        match &mut self.state {
            State::Head(_) => {
                give(Part::End("the WebSocket's hand-shake is not complete".to_owned()));
                self.state = State::Ended;
            }
            State::Payload { opcode: OpCode::Data(_), turn, left, .. } if missing <= *left => {
                *left -= missing;
                *turn = (*turn + (missing % 4) as usize) % 4;
                give(Part::Missing(missing));
                if *left == 0 {
                    self.state = State::Header(Vec::new());
                }
            }
            State::Header(_) | State::Payload { .. } => self.state = State::Lost,
            State::Lost | State::Ended => {}
        }
    }

    fn read_head(&mut self, input: &mut &[u8], give: &mut impl FnMut(Part<'_>)) {
        let State::Head(head) = &mut self.state else { return };
        let before = head.len();
        head.extend_from_slice(&input[..input.len().min(HEAD - before)]);
        let searched = before.saturating_sub(3);
        let Some(at) = head[searched..].windows(4).position(|window| window == b"\r\n\r\n") else {
            *input = &input[head.len() - before..];
            if head.len() == HEAD {
                give(Part::End("the HTTP head is longer than 16 KiB".to_owned()));
                self.state = State::Ended;
            }
            return;
        };
        let end = searched + at + 4;
        head.truncate(end);
        *input = &input[end - before..];
        let outcome = parse_head(head, self.sender);
        match outcome {
            Ok(part) => {
                give(part);
                self.state = State::Header(Vec::new());
            }
            Err(why) => {
                give(Part::End(why));
                self.state = State::Ended;
            }
        }
    }

    fn read_header(&mut self, input: &mut &[u8], give: &mut impl FnMut(Part<'_>)) {
        let State::Header(begun) = &mut self.state else { return };
        begun.push(input[0]);
        *input = &input[1..];
        let parsed = FrameHeader::parse(&mut Cursor::new(&begun[..]));
        let (header, length) = match parsed {
            Ok(None) => return,
            Ok(Some(parsed)) => parsed,
            Err(_) => {
                give(Part::End("a frame's opcode is unknown".to_owned()));
                self.state = State::Ended;
                return;
            }
        };
        let is_control = matches!(header.opcode, OpCode::Control(_));
        let problem = if header.rsv1 || header.rsv2 || header.rsv3 {
            Some("the frames are compressed, or use another extension")
        } else if header.mask.is_some() != (self.sender == Sender::Client) {
            Some("exactly a client's frames are masked, and this is otherwise")
        } else if is_control && length > CONTROL as u64 {
            Some("a control frame is too large")
        } else {
            None
        };
        if let Some(problem) = problem {
            give(Part::End(problem.to_owned()));
            self.state = State::Ended;
            return;
        }
        match header.opcode {
            OpCode::Data(Data::Text) => {
                self.is_text = true;
                give(Part::Note("a text frame, of which MQTT makes no use [MQTT-6.0.0-1]".to_owned()));
            }
            OpCode::Data(Data::Binary) => self.is_text = false,
            _ => {}
        }
        let mask = header.mask.unwrap_or_default();
        self.state =
            State::Payload { opcode: header.opcode, mask, turn: 0, left: length, control: Vec::new() };
        if length == 0 {
            self.end_frame(give);
        }
    }

    fn read_payload(&mut self, input: &mut &[u8], give: &mut impl FnMut(Part<'_>)) {
        let State::Payload { opcode, mask, turn, left, control } = &mut self.state else { return };
        let length = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let (taken, rest) = input.split_at(length);
        *input = rest;
        *left -= length as u64;
        let unmask = |(index, byte): (usize, &u8)| byte ^ mask[(*turn + index) % 4];
        let plain: Vec<u8> = taken.iter().enumerate().map(unmask).collect();
        *turn = (*turn + length) % 4;
        match opcode {
            OpCode::Control(_) => control.extend_from_slice(&plain),
            OpCode::Data(_) if !self.is_text && !plain.is_empty() => give(Part::Data(&plain)),
            OpCode::Data(_) => {}
        }
        if *left == 0 {
            self.end_frame(give);
        }
    }

    fn end_frame(&mut self, give: &mut impl FnMut(Part<'_>)) {
        let ended = std::mem::replace(&mut self.state, State::Header(Vec::new()));
        let State::Payload { opcode: OpCode::Control(kind), control, .. } = ended else { return };
        let note = match kind {
            Control::Ping => format!("WebSocket ping of {} bytes", control.len()),
            Control::Pong => format!("WebSocket pong of {} bytes", control.len()),
            Control::Close => match control.split_first_chunk::<2>() {
                Some((code, reason)) => {
                    let code = u16::from_be_bytes(*code);
                    format!("WebSocket close {code} {}", String::from_utf8_lossy(reason))
                        .trim_end()
                        .to_owned()
                }
                None => "WebSocket close".to_owned(),
            },
            Control::Reserved(_) => return,
        };
        give(Part::Note(note));
    }

    /// Whether a piece is whole frames.
    fn is_frames(&self, mut input: &[u8]) -> bool {
        while !input.is_empty() {
            let mut cursor = Cursor::new(input);
            let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) else { return false };
            let plain = !header.rsv1 && !header.rsv2 && !header.rsv3;
            let end = cursor.position().checked_add(length).and_then(|end| usize::try_from(end).ok());
            let Some(rest) = end.and_then(|end| input.get(end..)) else { return false };
            if !plain || header.mask.is_some() != (self.sender == Sender::Client) {
                return false;
            }
            input = rest;
        }
        true
    }
}

/// What the head says; `Err` where no WebSocket follows.
fn parse_head(head: &[u8], sender: Sender) -> Result<Part<'static>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let (line, headers) = match sender {
        Sender::Client => {
            let mut request = httparse::Request::new(&mut headers);
            request.parse(head).map_err(|error| format!("the HTTP request is malformed: {error}"))?;
            let path = request.path.unwrap_or_default();
            (format!("{} {path}", request.method.unwrap_or_default()), request.headers)
        }
        Sender::Server => {
            let mut response = httparse::Response::new(&mut headers);
            response.parse(head).map_err(|error| format!("the HTTP response is malformed: {error}"))?;
            let (code, reason) = (response.code.unwrap_or_default(), response.reason.unwrap_or_default());
            if code != 101 {
                return Err(format!("the server refused the WebSocket: {code} {reason}"));
            }
            (format!("{code} {reason}"), response.headers)
        }
    };
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(header.value).into_owned())
    };
    if sender == Sender::Client
        && !value("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    {
        return Err("an HTTP request that asks for no WebSocket".to_owned());
    }
    Ok(Part::Head { line, subprotocol: value("sec-websocket-protocol") })
}
