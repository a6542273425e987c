//! `sterna bench`: load on a server, and what it makes of it.

mod collector;
mod connections;
mod header;
mod load;
mod options;
mod plot;
mod progress;
mod publishers;
mod report;
mod subscribers;
mod template;
mod tracker;

use clap::Subcommand;

use self::connections::ConnectionsArguments;
use self::publishers::PublishersArguments;
use self::subscribers::SubscribersArguments;
use crate::exit::Failure;

/// Put load on a server and measure: connections, publishers, subscribers.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Conn(ConnectionsArguments),
    Pub(PublishersArguments),
    Sub(SubscribersArguments),
}

/// Carries out a subcommand of `sterna bench`.
pub(crate) fn run(command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Conn(arguments) => connections::run(arguments),
        BenchCommand::Pub(arguments) => publishers::run(arguments),
        BenchCommand::Sub(arguments) => subscribers::run(arguments),
    }
}
