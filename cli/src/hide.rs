//! What a recording hides besides passwords.

use clap::{Args, ValueEnum};
use sterna_client::record::Recorder;

/// Options of the subcommands that write a recording.
#[derive(Debug, Args)]
pub(crate) struct HideArguments {
    /// What is written as hashes or asterisks of the same length, separated by commas
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    hide: Vec<Hidden>,
}

/// What can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hidden {
    /// Levels of topic names and filters; separators and wildcards stay
    Topics,
    /// Payloads, correlation data and user properties
    Payloads,
    /// User names
    Usernames,
}

impl HideArguments {
    /// The recorder, told so.
    pub(crate) fn apply(&self, recorder: Recorder) -> Recorder {
        self.hide.iter().fold(recorder, |recorder, hidden| match hidden {
            Hidden::Topics => recorder.redact_topics(),
            Hidden::Payloads => recorder.redact_payloads(),
            Hidden::Usernames => recorder.redact_user_names(),
        })
    }
}
