//! The command line of Sterna.
#![forbid(unsafe_code)]

mod args;
#[allow(clippy::cast_precision_loss)] // Statistics.
mod bench;
mod broker;
mod completions;
mod connect;
mod defaults;
mod exit;
mod hide;
mod import;
mod input;
mod log;
mod output;
mod packet;
#[allow(clippy::cast_precision_loss)] // Statistics.
mod ping;
mod publish;
mod record;
mod replay;
mod request;
mod respond;
mod session;
mod show;
mod signal;
mod subscribe;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Arguments, Command};
use clap::{CommandFactory, FromArgMatches};
use exit::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    carry_out(std::env::args_os().collect(), |_| Ok(()))
}

/// Parses the words of a command line, and carries it out unless `check` has something against it.
fn carry_out(
    words: Vec<OsString>,
    check: impl FnOnce(&Command) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let command = defaults::apply(Arguments::command(), &words)?;
    let parsed = command.try_get_matches_from(words);
    match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => {
            check(&arguments.command)?;
            arguments.command.run()
        }
        Err(error) => explain(&error),
    }
}

/// Help and version go to standard output; a wrong command line is one line like every other error.
fn explain(error: &clap::Error) -> Result<(), Failure> {
    if !error.use_stderr() {
        return error.print().map_err(|error| Failure::of_output(&error));
    }
    let text = error.to_string();
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = redact(&paragraph.join(" "));
    Err(Failure::Usage(message.strip_prefix("error: ").unwrap_or(&message).to_owned()))
}

/// A URL in the wrong place may have a password.
fn redact(text: &str) -> String {
    let mut words = text.split(' ').map(|word| match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &word[..scheme], &word[at..]),
        _ => word.to_owned(),
    });
    let first = words.next().unwrap_or_default();
    words.fold(first, |text, word| text + " " + &word)
}
