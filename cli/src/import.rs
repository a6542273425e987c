//! `sterna import`: a connection in a packet capture as a recording.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use sterna_inspect::{Carrier, ImportError, Timeline, record_connection};
use sterna_record::Recorder;

use crate::exit::{Failure, say};
use crate::hide::HideArguments;

const EXAMPLES: &str = "\
The recording has what Sterna does when it is configured as the captured client was (its CONNECT says how), gets what the \
server sent, and is told to publish, subscribe and disconnect when that client did. The packet identifiers are Sterna's own.

Exit status: 0 recorded, 1 the capture cannot be read or the connection cannot be recorded, 2 wrong usage.

Examples:
  sterna import capture.pcap --session 2 > session.jsonl
  sterna import capture.pcapng --hide payloads --out session.jsonl";

/// Make a recording of a connection in a packet capture (pcap, pcapng).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArguments {
    /// The capture; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The connection, by the number that `sterna show` gives it [default: the only one]
    #[arg(long, value_name = "N")]
    session: Option<usize>,
    /// Write into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Record passwords and authentication data as they are
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    hide: HideArguments,
}

/// Carries out `sterna import`.
pub(crate) fn run(arguments: &ImportArguments) -> Result<(), Failure> {
    let timeline = crate::show::read(&arguments.file, sterna_inspect::HexOptions::default())?;
    let session = choose(&timeline, arguments.session)?;
    let output: Box<dyn Write + Send> = match &arguments.out {
        None => Box::new(io::stdout()),
        Some(path) => match File::create(path) {
            Ok(file) => Box::new(file),
            Err(error) => return Err(Failure::Failed(format!("{}: {error}", path.display()))),
        },
    };
    let mut recorder = arguments.hide.apply(Recorder::new(output));
    if arguments.secrets {
        recorder = recorder.with_secrets();
    }
    let imported = record_connection(&timeline, session, recorder).map_err(|error| match error {
        ImportError::Write(error) if arguments.out.is_none() => Failure::of_output(&error),
        error => Failure::Failed(error.to_string()),
    })?;
    if imported.written.overflow {
        return Err(Failure::Failed(
            "a packet of the capture is larger than a recording may have".to_owned(),
        ));
    }
    if let Some(number) = imported.closed_at {
        say(format_args!("at entry {number} Sterna closes the connection, the captured client did not"));
    }
    if imported.sent != imported.captured {
        let (sent, captured) = (imported.sent, imported.captured);
        say(format_args!("Sterna sends {sent} packets, the captured client sent {captured}"));
    }
    Ok(())
}

/// The connection asked for, or the only one that can be read.
fn choose(timeline: &Timeline, asked_for: Option<usize>) -> Result<usize, Failure> {
    if let Some(session) = asked_for {
        return Ok(session);
    }
    let connections = timeline.connections.iter().enumerate();
    let readable: Vec<_> = connections.filter(|(_, it)| it.carrier != Carrier::Tls).collect();
    match readable[..] {
        [(index, _)] => Ok(index + 1),
        [] => Err(Failure::Failed("there is no MQTT connection".to_owned())),
        _ => {
            let count = readable.len();
            Err(Failure::Usage(format!("there are {count} connections: say which one with --session")))
        }
    }
}
