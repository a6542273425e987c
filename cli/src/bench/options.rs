//! What the three benchmarks have in common on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::parse_seconds;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadOptions {
    /// How many clients. With --id each has that and its number, from 0
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) clients: u32,
    /// How many of them begin to connect in a second [default: all at once]
    #[arg(long, value_name = "NUMBER", value_parser = parse_rate)]
    pub(super) connect_rate: Option<f64>,
    /// How many of them connect at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connect_parallel: u32,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Result")]
pub(super) struct ResultOptions {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(super) result: Option<PathBuf>,
    /// Draw rate and latency to this file: .svg, or .html with the numbers
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
}

impl ResultOptions {
    /// Said before an hour is measured.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let Some(path) = &self.plot else { return Ok(()) };
        if path.extension().is_some_and(|extension| extension == "svg" || extension == "html") {
            return Ok(());
        }
        Err(Failure::Usage("--plot: the file's name ends with .svg or .html".to_owned()))
    }
}

/// So many a second: more than nothing.
pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "it is a number above 0".to_owned())
}

/// A duration that is not nothing.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_seconds(text)
        .and_then(|time| if time.is_zero() { Err("it is above 0".to_owned()) } else { Ok(time) })
}
