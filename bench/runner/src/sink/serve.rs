//! A connection of the sink's over something that reads and writes.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::session::Session;
use super::{Counts, Plan};

/// How much is read at once: much more than a client writes at once, since the sink is to be faster.
const READ: usize = 512 * 1_024;

/// Until the client closes it. A connection that breaks ends it as well: what is missing is seen in the counts.
pub(super) fn serve(stream: impl Read + Write, plan: Arc<Plan>) -> (Counts, Result<(), String>) {
    let mut session = Session::new(plan);
    let outcome = run(stream, &mut session);
    session.counts.flooded = session.flooding.as_ref().map_or(0, |flooding| flooding.sent);
    (session.counts, outcome)
}

fn run(mut stream: impl Read + Write, session: &mut Session) -> Result<(), String> {
    let mut buffer = vec![0; READ];
    let mut filled = 0;
    let mut output = Vec::new();
    loop {
        if let Some(flooding) = &mut session.flooding {
            while !flooding.ended {
                let packets = flooding.next();
                if packets.is_empty() {
                    break;
                }
                if let Err(error) = stream.write_all(packets) {
                    return broken(&error);
                }
            }
        }
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(()),
            Ok(count) => filled += count,
            Err(error) => return broken(&error),
        }
        let taken = session.take(&buffer[..filled], &mut output)?;
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        if let Err(error) = stream.write_all(&output) {
            return broken(&error);
        }
        output.clear();
        if session.closed {
            return Ok(());
        }
    }
}

fn broken(error: &io::Error) -> Result<(), String> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Err("a client was silent for too long".into()),
        _ => Ok(()),
    }
}
