//! What recording costs the client: the time of a QoS 0 publish through a `Connection`, a `Recorded` without a recorder, and
//! one with a recorder that writes to nowhere.
//!
//! ```text
//! cargo run --release -p sterna-record --example cost
//! ```

use std::io;
use std::time::Instant as Clock;

use bytes::{Buf, BytesMut};
use sterna_core::packet::ProtocolVersion;
use sterna_core::{Action, Config, ConnectOverrides, Connection, Instant, Publish, Transmit, VersionPolicy};
use sterna_record::{Recorded, Recorder};

/// So many that the recorder need not have written any.
const MESSAGES: u32 = 15_000;
/// As many as leave in one write.
const BURST: u32 = 20;

/// Connects, and publishes; nanoseconds a message. Both types have these methods.
macro_rules! measure {
    ($connection:expr) => {{
        let mut connection = $connection;
        let (mut out, mut input) = (Transmit::new(), BytesMut::new());
        let mut now = Instant::ZERO;
        connection.connect(now);
        let Some(Action::Connect { attempt, .. }) = connection.poll_action() else { panic!("it connects") };
        connection.handle_connected(now, attempt, ConnectOverrides::default());
        input.extend_from_slice(b"\x20\x02\x00\x00");
        connection.handle_input(now, &mut input);
        let start = Clock::now();
        for _ in 0..MESSAGES / BURST {
            now = now + std::time::Duration::from_micros(100);
            connection.handle_timeout(now);
            for _ in 0..BURST {
                connection
                    .publish(now, Publish::new("house/hall/temperature", "21.5 degrees"))
                    .expect("it fits");
            }
            connection.poll_transmit(now, &mut out);
            let written = out.remaining();
            out.advance(written);
            connection.handle_written(now, written);
            while connection.poll_event().is_some() {}
            let _ = connection.poll_timeout();
        }
        start.elapsed() / MESSAGES
    }};
}

fn config() -> Config {
    let mut config = Config::new(1);
    config.version = VersionPolicy::Only(ProtocolVersion::V3_1_1);
    config
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for _ in 0..3 {
        let plain = measure!(Connection::new(config(), Instant::ZERO)?);
        let detached = measure!(Recorded::new(config(), Instant::ZERO, None)?);
        let recorder = Recorder::new(io::sink()).limit(24 << 20);
        let finished = recorder.finished();
        let attached = measure!(Recorded::new(config(), Instant::ZERO, Some(recorder))?);
        let written = finished.wait()?;
        println!(
            "Connection {plain:?}, Recorded {detached:?}, recording {attached:?} ({} entries, {} bytes, overflow: {})",
            written.entries, written.bytes, written.overflow
        );
    }
    Ok(())
}
