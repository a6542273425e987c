//! What the library logs, on standard error.

use clap::Args;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Failure;

/// What `RUST_LOG` says goes for this program too.
const VARIABLE: &str = "RUST_LOG";

#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// Log what the library does on standard error: error, warn, info, debug or trace, or levels of modules, as
    /// sterna=debug [default: nothing] [env: STERNA_LOG, RUST_LOG]
    #[arg(long, value_name = "LEVELS", help_heading = "General")]
    log: Option<String>,
}

impl LogOptions {
    /// Logs from now on, if that was asked for.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let levels = match &self.log {
            Some(levels) => levels.clone(),
            None => std::env::var(VARIABLE).unwrap_or_default(),
        };
        if levels.is_empty() {
            return Ok(());
        }
        let targets: Targets =
            levels.parse().map_err(|error| Failure::Usage(format!("--log {levels}: {error}")))?;
        let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        // Only a second command in one process would find one there already.
        let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
        Ok(())
    }
}
