//! Recordings of real sessions, changed here and there: the damage that byte-wise mutation of JSON seldom gets to.

use crate::input::Input;
use crate::recording::recording;

/// The smallest of each kind.
const SESSIONS: [&str; 6] = [
    include_str!("../../../tests/vectors/sessions/mosquitto-5.0-tcp-refusal.jsonl"),
    include_str!("../../../tests/vectors/sessions/mosquitto-5.0-tcp-takeover.jsonl"),
    include_str!("../../../tests/vectors/sessions/nats-3.1.1-tcp-takeover.jsonl"),
    include_str!("../../../tests/vectors/sessions/test-broker-5.0-tcp-redirect.jsonl"),
    include_str!("../../../tests/vectors/sessions/mosquitto-5.0-tcp-backlog.jsonl"),
    include_str!("../../../tests/vectors/sessions/mosquitto-3.1.1-tcp-backlog.jsonl"),
];
/// A recording does not grow beyond so many lines.
const LINES: usize = 500;

/// First byte: the session, its value modulo 6. Then changes: a byte for its kind and two for a line; what follows is
/// the kind's.
pub fn replay(input: &[u8]) {
    let mut input = Input::new(input);
    let lines = |number: u8| SESSIONS[usize::from(number) % SESSIONS.len()].lines();
    let mut text: Vec<Vec<u8>> = lines(input.byte()).map(|line| line.as_bytes().to_vec()).collect();
    while let Some(kind) = input.next() {
        let at = usize::from(input.number()) % text.len().max(1);
        let Some(line) = text.get(at).cloned() else { break };
        match kind % 6 {
            0 => drop(text.remove(at)),
            1 if text.len() < LINES => {
                let to = usize::from(input.number()) % (text.len() + 1);
                text.insert(to, line);
            }
            2 => {
                let with = usize::from(input.number()) % text.len();
                text.swap(at, with);
            }
            3 => {
                let from = usize::from(input.number()) % (line.len() + 1);
                let to = (from + usize::from(input.byte())).min(line.len());
                let piece = input.piece();
                text[at] = [&line[..from], piece, &line[to..]].concat();
            }
            4 if text.len() < LINES => {
                let other: Vec<_> = lines(input.byte()).collect();
                let from = usize::from(input.number()) % other.len();
                text.insert(at, other[from].as_bytes().to_vec());
            }
            _ => text[at] = with_number(&line, input.byte(), input.piece()),
        }
    }
    recording(&text.join(&b'\n'));
}

/// The line with another number in place of its n-th.
fn with_number(line: &[u8], n: u8, number: &[u8]) -> Vec<u8> {
    let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
    // Not within names and hexadecimal digits.
    let begins = |at: &usize| is_digit(*at) && *at > 0 && matches!(line[*at - 1], b':' | b'[' | b',');
    let places: Vec<usize> = (0..line.len()).filter(begins).collect();
    let Some(&from) = places.get(usize::from(n) % places.len().max(1)) else { return line.to_vec() };
    let to = (from..line.len()).find(|at| !is_digit(*at)).unwrap_or(line.len());
    let number = number.iter().take(8).fold(0, |all: u64, byte| all << 8 | u64::from(*byte));
    [&line[..from], number.to_string().as_bytes(), &line[to..]].concat()
}
