//! The command line of Sterna.
#![forbid(unsafe_code)]

mod args;
mod broker;
mod connect;
mod exit;
mod input;
mod packet;
mod properties;
mod publish;
mod server;
mod session;
mod signal;
mod subscribe;

use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use exit::Failure;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => run(&arguments.command),
        Err(error) => explain(&error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Pub(arguments) => publish::run(arguments),
        Command::Sub(arguments) => subscribe::run(arguments),
        Command::Broker(arguments) => broker::run(arguments),
        Command::Packet(command) => packet::run(command),
    }
}

/// Help and version go to standard output; a wrong command line is one line like every other error.
fn explain(error: &clap::Error) -> Result<(), Failure> {
    if !error.use_stderr() {
        return error.print().map_err(|error| Failure::of_output(&error));
    }
    let text = error.to_string();
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = paragraph.join(" ");
    Err(Failure::Usage(message.strip_prefix("error: ").unwrap_or(&message).to_owned()))
}
