//! `sterna broker`.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};

use clap::Args;
use sterna_simulator::TestBroker;
use sterna_simulator::broker::Options;

use crate::exit::{Failure, say};
use crate::session::{block_on, catch_signals};

const EXAMPLES: &str = "\
It keeps everything in memory and forgets it at its end. Ctrl-C or SIGTERM ends it.

Exit status: 0 ended by a signal, 1 cannot listen, 2 wrong usage.

Examples:
  sterna broker
  sterna broker --listen 127.0.0.1:0              a free port: see the URL that it prints";

/// Run the built-in test broker. It is not for production.
///
/// MQTT 3.1, 3.1.1 and 5.0 over TCP, without encryption and for anybody. Prints its URL on standard output once it
/// listens.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BrokerArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    listen: String,
    /// Allow other addresses than those of this machine alone: anybody who reaches them may connect
    #[arg(long)]
    allow_remote: bool,
}

/// Carries out `sterna broker`.
pub(crate) fn run(arguments: &BrokerArguments) -> Result<(), Failure> {
    let listen = &arguments.listen;
    let addresses: Vec<SocketAddr> = listen
        .to_socket_addrs()
        .map_err(|error| Failure::Usage(format!("--listen {listen}: {error}")))?
        .collect();
    if !arguments.allow_remote && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(Failure::Usage(format!(
            "--listen {listen} can be reached from other machines; if that is wanted: --allow-remote"
        )));
    }
    block_on(async {
        let mut signals = catch_signals()?;
        // Nobody looks at them.
        let options = Options { maximum_records: 0, ..Options::default() };
        let broker = TestBroker::bind(&*addresses, options)
            .await
            .map_err(|error| Failure::Failed(format!("cannot listen on {listen}: {error}")))?;
        say("this broker is for tests and for trying things out, not for production");
        let mut output = std::io::stdout().lock();
        writeln!(output, "{}", broker.url())
            .and_then(|()| output.flush())
            .map_err(|error| Failure::of_output(&error))?;
        drop(output);
        signals.next().await;
        broker.shutdown().await;
        Ok(())
    })
}
