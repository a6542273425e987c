//! How a subcommand ends.

use std::io;
use std::process::ExitCode;

/// Why a subcommand did not do what it was asked to, and the exit status that says so.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit status 1: the input is not what it should be, or input or output failed.
    Failed(String),
    /// Exit status 2: the command line is wrong.
    Usage(String),
    /// Exit status 3: the input ends inside a packet.
    Incomplete(String),
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
            Self::OutputClosed => return ExitCode::SUCCESS,
        };
        eprintln!("sterna: {message}");
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
