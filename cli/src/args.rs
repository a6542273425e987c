//! What stands on the command line: the subcommands, and the values that several of them take.

use clap::{Parser, Subcommand, ValueEnum};
use sterna_core::packet::{ProtocolVersion, QoS, Sender};

use crate::broker::BrokerArguments;
use crate::packet::PacketCommand;
use crate::publish::PublishArguments;
use crate::subscribe::SubscribeArguments;

const EXAMPLES: &str = "\
Examples:
  sterna broker &                                 a broker to try things out with
  sterna sub -t 'home/#' -v &
  sterna pub -t home/door -m open
  sterna packet decode 300700036162632121         a packet as JSON";

/// MQTT 3.1, 3.1.1 and 5.0 from the shell.
#[derive(Debug, Parser)]
#[command(name = "sterna", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish messages: one, or one for each line of standard input.
    Pub(PublishArguments),
    /// Subscribe to topics and print the messages, one a line.
    Sub(SubscribeArguments),
    /// Run the built-in test broker. It is not for production.
    Broker(BrokerArguments),
    /// Control packets as JSON, and back.
    #[command(subcommand)]
    Packet(PacketCommand),
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
