//! From any file to its time-line.

use std::io::{self, BufReader, Read};

use sterna_record::ReadError;

use crate::capture::{CaptureError, read_capture};
use crate::digits::{HexError, HexOptions, read_hex};
use crate::recording::read_recording;
use crate::timeline::Timeline;

/// The longest text that is read as hexadecimal digits, in bytes.
const LONGEST_TEXT: u64 = 64 * 1024 * 1024;

/// Why a file has no time-line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is empty.
    #[error("there is nothing in it")]
    Empty,
    /// It looks like none of what can be read.
    #[error("neither a recording, a capture (pcap or pcapng) nor hexadecimal digits")]
    Unknown,
    /// A capture that cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// A recording that cannot be read.
    #[error(transparent)]
    Recording(#[from] ReadError),
    /// Digits that are none.
    #[error(transparent)]
    Hex(#[from] HexError),
}

/// Makes a time-line of a recording, a packet capture or hexadecimal digits, whichever `input` is: its first bytes tell.
/// `options` are for digits.
///
/// # Errors
/// It is nothing of all that, or cannot be read.
pub fn read_any(mut input: impl Read + Send, options: HexOptions) -> Result<Timeline, SourceError> {
    let mut magic = Vec::new();
    input.by_ref().take(4).read_to_end(&mut magic)?;
    let input = io::Cursor::new(magic.clone()).chain(input);
    match magic[..] {
        [] => Err(SourceError::Empty),
        [0xA1, 0xB2, 0xC3, 0xD4]
        | [0xD4, 0xC3, 0xB2, 0xA1]
        | [0xA1, 0xB2, 0x3C, 0x4D]
        | [0x4D, 0x3C, 0xB2, 0xA1]
        | [0x34, 0xCD, 0xB2, 0xA1]
        | [0x0A, 0x0D, 0x0D, 0x0A] => Ok(read_capture(input)?),
        [b'{', ..] => Ok(read_recording(BufReader::new(input))?),
        _ => {
            let mut bytes = Vec::new();
            input.take(LONGEST_TEXT + 1).read_to_end(&mut bytes)?;
            let text = String::from_utf8(bytes).map_err(|_| SourceError::Unknown)?;
            if text.len() as u64 > LONGEST_TEXT {
                return Err(SourceError::Unknown);
            }
            Ok(read_hex(&text, options)?)
        }
    }
}
