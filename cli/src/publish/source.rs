//! Where the one payload comes from.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::exit::Failure;
use crate::input::{read_file, read_stdin};

#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(crate) struct PayloadSource {
    /// The message
    #[arg(short, long, allow_hyphen_values = true)]
    message: Option<OsString>,
    /// A file's content as one message
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// All of standard input as one message
    #[arg(short = 's', long, visible_alias = "stdin")]
    stdin_file: bool,
    /// A message of no bytes
    #[arg(short, long)]
    null_message: bool,
}

impl PayloadSource {
    /// Whether there is a payload, be it an empty one.
    pub(crate) fn is_given(&self) -> bool {
        self.message.is_some() || self.file.is_some() || self.stdin_file || self.null_message
    }

    /// The payload; empty if there is none.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self { stdin_file: true, .. } => read_stdin(),
            Self { file: Some(path), .. } => read_file(path),
            Self { message, .. } => Ok(message.clone().unwrap_or_default().into_encoded_bytes()),
        }
    }
}
