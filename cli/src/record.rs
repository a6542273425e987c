//! `sterna record`: another subcommand, with a recorder beside its client.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use sterna_client::record::Recorder;

use crate::args::Command;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::hide::HideArguments;

const EXAMPLES: &str = "\
What can be recorded: pub, sub, request, respond, ping. The recording ends with the command. Passwords and authentication \
data are never written. `sterna replay` replays it, and compares.

Exit status: that of the recorded command; 1 if the file cannot be written, 2 wrong usage.

Examples:
  sterna record session.jsonl sub -t 'home/#'
  sterna record session.jsonl --hide topics,payloads sub -t 'home/#' -q 1
  sterna record session.jsonl pub -t home/door -m open";

/// Record everything that another subcommand's client does, byte for byte, as JSON lines.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArguments {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    hide: HideArguments,
    /// The subcommand, and its options
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// The connection of a subcommand that can be recorded: those with one client.
fn connection(command: &Command) -> Result<&ConnectArguments, Failure> {
    match command {
        Command::Pub(arguments) => Ok(&arguments.connect),
        Command::Sub(arguments) => Ok(&arguments.connect),
        Command::Request(arguments) => Ok(&arguments.connect),
        Command::Respond(arguments) => Ok(&arguments.connect),
        Command::Ping(arguments) => Ok(&arguments.connect),
        _ => Err(Failure::Usage(
            "only pub, sub, request, respond and ping can be recorded: they have one client".to_owned(),
        )),
    }
}

/// Carries out `sterna record`.
pub(crate) fn run(arguments: &RecordArguments) -> Result<(), Failure> {
    let unwritable =
        |error: std::io::Error| Failure::Failed(format!("{}: {error}", arguments.file.display()));
    let words = std::iter::once("sterna".into()).chain(arguments.command.iter().cloned()).collect();
    let mut finished = None;
    let outcome = crate::carry_out(words, |command| {
        let connection = connection(command)?;
        let recorder = arguments.hide.apply(Recorder::create(&arguments.file).map_err(unwritable)?);
        finished = Some(recorder.finished());
        connection.record(recorder);
        Ok(())
    });
    if let Some(finished) = finished
        && finished.wait().map_err(unwritable)?.overflow
    {
        say("the recording ends early: more came than could be written");
    }
    outcome
}
