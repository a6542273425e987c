//! What stands on the command line: the subcommands, and the values that several of them take.

use clap::{Parser, Subcommand, ValueEnum};
use sterna_core::packet::{ProtocolVersion, Sender};

use crate::packet::PacketCommand;

/// MQTT 3.1, 3.1.1 and 5.0 from the shell.
#[derive(Debug, Parser)]
#[command(name = "sterna", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
