//! How a subcommand ends.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::signal::Signal;

/// Why a subcommand did not do what it was asked to, and the exit status that says so.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit status 1: the input is not what it should be, input or output failed, or the server did not take it.
    Failed(String),
    /// Exit status 2: the command line is wrong.
    Usage(String),
    /// Exit status 3: the input ends inside a packet.
    Incomplete(String),
    /// The server refused the connection: the exit status is the code of its CONNACK.
    Refused { message: String, status: u8 },
    /// Exit status 27, as mosquitto_sub's: the time given with `--timeout` is over.
    TimedOut { seconds: u64 },
    /// Exit status 128 + the number of the signal: it ended the work before it was done.
    Interrupted(Signal),
    /// Exit status 0, and not a word: whoever read the output has seen enough.
    OutputClosed,
}

impl Failure {
    /// Tells the user on standard error, and gives the exit status.
    pub(crate) fn report(self) -> ExitCode {
        let (message, status) = match self {
            Self::Failed(message) => (message, 1),
            Self::Usage(message) => (message, 2),
            Self::Incomplete(message) => (message, 3),
            Self::Refused { message, status } => (message, status),
            Self::TimedOut { seconds } => (format!("timed out after {seconds} s"), 27),
            Self::Interrupted(signal) => ("interrupted before it was done".to_owned(), 128 + signal.number()),
            Self::OutputClosed => return ExitCode::SUCCESS,
        };
        say(message);
        ExitCode::from(status)
    }

    /// What an error of writing to standard output means.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Failed(format!("standard output: {error}"))
        }
    }
}

/// One line on standard error. If nobody can read it, there is nobody to tell.
pub(crate) fn say(message: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "sterna: {message}");
}
