//! Payloads from files and standard input.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use sterna_core::packet::MAXIMUM_REMAINING_LENGTH;
use tokio::sync::mpsc;

use crate::exit::Failure;

/// How many lines are read ahead of their publishing.
const LINES_AHEAD: usize = 256;

/// All of a file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |error: io::Error| Failure::Failed(format!("{}: {error}", path.display()));
    read_payload(File::open(path).map_err(fail)?).map_err(fail)
}

/// All of standard input.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Failure> {
    read_payload(io::stdin().lock()).map_err(|error| Failure::Failed(format!("standard input: {error}")))
}

/// Never more than could be sent.
fn read_payload(input: impl Read) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    input.take(u64::from(MAXIMUM_REMAINING_LENGTH) + 1).read_to_end(&mut payload)?;
    check_length(payload)
}

fn check_length(payload: Vec<u8>) -> io::Result<Vec<u8>> {
    if payload.len() > MAXIMUM_REMAINING_LENGTH as usize {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("MQTT takes at most {MAXIMUM_REMAINING_LENGTH} bytes in a message"),
        ));
    }
    Ok(payload)
}

/// The lines of standard input, without their ends, read by a thread of its own: it may wait for input for ever, and
/// ends with the program.
pub(crate) fn stdin_lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Some(line) = read_line(&mut stdin).transpose() {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // One byte for the line's end, one to see that it is too long.
    input.take(u64::from(MAXIMUM_REMAINING_LENGTH) + 2).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    line.pop_if(|last| *last == b'\n');
    check_length(line).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-01
    #[test]
    fn lines_end_with_or_without_a_newline() {
        let mut input = &b"one\n\n\xFF\r\nlast"[..];
        let lines: Vec<_> = std::iter::from_fn(|| read_line(&mut input).unwrap()).collect();
        assert_eq!(lines, [&b"one"[..], b"", b"\xFF\r", b"last"]);
    }
}
