//! What stands on the command line: the subcommands, and the values that several of them take.

use clap::{Parser, Subcommand, ValueEnum};
use sterna_core::packet::{ProtocolVersion, QoS, Sender};

use crate::bench::BenchCommand;
use crate::broker::BrokerArguments;
use crate::completions::{CompletionsArguments, ManArguments};
use crate::exit::Failure;
use crate::import::ImportArguments;
use crate::packet::PacketCommand;
use crate::ping::PingArguments;
use crate::publish::PublishArguments;
use crate::record::RecordArguments;
use crate::replay::ReplayArguments;
use crate::request::RequestArguments;
use crate::respond::RespondArguments;
use crate::show::ShowArguments;
use crate::subscribe::SubscribeArguments;

const EXAMPLES: &str = "\
`sterna help SUBCOMMAND` has an example of each. The options of the connection may also stand in the environment \
(STERNA_ and the option's name in capitals: STERNA_URL, STERNA_USERNAME, STERNA_PASSWORD, STERNA_CAFILE) or in the \
options file, which may have any long option of a subcommand; see --options-file of each. The command line goes before \
the environment, and that before the file.

Examples:
  sterna broker &                                 a broker to try things out with
  sterna sub -t 'home/#' -v &
  sterna pub -t home/door -m open
  sterna packet decode 300700036162632121         a packet as JSON";

/// MQTT 3.1, 3.1.1 and 5.0 from the shell.
#[derive(Debug, Parser)]
#[command(name = "sterna", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pub(PublishArguments),
    Sub(SubscribeArguments),
    Request(RequestArguments),
    Respond(RespondArguments),
    Ping(PingArguments),
    #[command(subcommand)]
    Bench(BenchCommand),
    Record(RecordArguments),
    Replay(ReplayArguments),
    #[command(subcommand)]
    Packet(PacketCommand),
    Show(ShowArguments),
    Import(ImportArguments),
    Broker(BrokerArguments),
    Completions(CompletionsArguments),
    Man(ManArguments),
}

impl Command {
    /// Carries it out.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Pub(arguments) => crate::publish::run(arguments),
            Self::Sub(arguments) => crate::subscribe::run(arguments),
            Self::Request(arguments) => crate::request::run(arguments),
            Self::Respond(arguments) => crate::respond::run(arguments),
            Self::Ping(arguments) => crate::ping::run(arguments),
            Self::Bench(command) => crate::bench::run(command),
            Self::Record(arguments) => crate::record::run(arguments),
            Self::Replay(arguments) => crate::replay::run(arguments),
            Self::Packet(command) => crate::packet::run(command),
            Self::Show(arguments) => crate::show::run(arguments),
            Self::Import(arguments) => crate::import::run(arguments),
            Self::Broker(arguments) => crate::broker::run(arguments),
            Self::Completions(arguments) => crate::completions::run(arguments),
            Self::Man(arguments) => crate::completions::manual(arguments),
        }
    }
}

/// A protocol version by its number.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Protocol {
    #[value(name = "3.1", alias = "31", alias = "mqttv31")]
    V3_1,
    #[value(name = "3.1.1", alias = "311", alias = "mqttv311")]
    V3_1_1,
    #[value(name = "5", alias = "5.0", alias = "mqttv5")]
    V5,
}

impl From<Protocol> for ProtocolVersion {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V3_1 => Self::V3_1,
            Protocol::V3_1_1 => Self::V3_1_1,
            Protocol::V5 => Self::V5,
        }
    }
}

/// A side of the connection.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Side {
    Client,
    Server,
}

impl From<Side> for Sender {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }
}

/// A quality of service by its number.
pub(crate) fn parse_qos(text: &str) -> Result<QoS, String> {
    let number: Option<u8> = text.parse().ok();
    number.and_then(|number| number.try_into().ok()).ok_or_else(|| "it is 0, 1 or 2".to_owned())
}

/// A Session Expiry Interval in seconds; -1 and the sign for infinity mean: for ever.
pub(crate) fn parse_expiry(text: &str) -> Result<u32, String> {
    match text {
        "-1" | "\u{221e}" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| "it is a number of seconds from 0 to 4294967295, or -1".to_owned()),
    }
}

/// A number of seconds, with a fraction or without.
pub(crate) fn parse_seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let duration = seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "it is a number of seconds, such as 2 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every command that does something, with its words.
    fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
        for subcommand in command.get_subcommands() {
            let words = format!("{words} {}", subcommand.get_name());
            if subcommand.has_subcommands() {
                leaves(subcommand, &words, found);
            } else {
                found.push((words, subcommand.clone()));
            }
        }
    }

    // R: CLI-01
    #[test]
    fn every_subcommand_has_an_example_and_says_what_it_exits_with() {
        let command = Arguments::command();
        command.clone().debug_assert();
        let mut found = Vec::new();
        leaves(&command, "sterna", &mut found);
        assert!(found.len() >= 12, "{found:?}");
        for (words, command) in found {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (before, examples) =
                help.split_once("Examples:\n").unwrap_or_else(|| panic!("{words}: {help}"));
            assert!(examples.contains(&words), "{words}: {examples}");
            assert!(before.contains("Exit status:"), "{words}: {before}");
            assert!(command.get_about().is_some(), "{words}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{words}: {}", argument.get_id());
            }
        }
    }
}
