//! `sterna replay`.

use std::io::{self, BufReader, Write};
use std::path::PathBuf;

use clap::Args;
use sterna_client::record::{Reader, ReplayError};

use crate::exit::Failure;

const EXAMPLES: &str = "\
What went into the recorded client goes into a new one, with no network and no waiting, and what comes out is compared byte \
for byte. The first difference is shown with its packets decoded, the state of the client and what led there.

Exit status: 0 everything came out as it was recorded, 1 something else came out, or the recording cannot be read, 2 wrong \
usage.

Examples:
  sterna replay session.jsonl
  sterna replay session.jsonl --until 120           the state of the client after line 120";

/// Replay a recording, and show the first difference.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArguments {
    /// The recording; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Stop after this line of the recording, and print the state of the client there
    #[arg(long, value_name = "LINE", value_parser = clap::value_parser!(u64).range(1..))]
    until: Option<u64>,
}

/// Carries out `sterna replay`.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<(), Failure> {
    if arguments.file.as_os_str() == "-" {
        let input = BufReader::new(io::stdin().lock());
        return replay(arguments, Reader::new(input).map_err(ReplayError::from));
    }
    replay(arguments, Reader::open(&arguments.file).map_err(ReplayError::from))
}

fn replay<R: io::BufRead>(
    arguments: &ReplayArguments,
    reader: Result<Reader<R>, ReplayError>,
) -> Result<(), Failure> {
    let failed = |error: ReplayError| Failure::Failed(format!("{}: {error}", arguments.file.display()));
    let reader = reader.map_err(failed)?;
    let text = if let Some(line) = arguments.until {
        reader.replay_until(line).map_err(failed)?.to_string()
    } else {
        let summary = reader.replay().map_err(failed)?;
        let (seconds, micros) = (summary.duration / 1_000_000, summary.duration % 1_000_000);
        let end = if summary.end.is_some() { "" } else { "; the recording was cut off" };
        format!("{} entries, {seconds}.{micros:06} s: everything is the same{end}\n", summary.entries)
    };
    io::stdout().lock().write_all(text.as_bytes()).map_err(|error| Failure::of_output(&error))
}
