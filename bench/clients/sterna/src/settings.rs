//! The defaults, and the best setting.

use bench_common::Work;
use sterna::{AckMode, ClientBuilder, ProtocolVersion, Runtime, TlsOptions, VersionPolicy};

/// The best setting: room for more at a time, and messages that are acknowledged when they come.
pub(crate) fn apply<R: Runtime, M>(builder: ClientBuilder<R, M>, work: &Work) -> ClientBuilder<R, M> {
    let builder = match work.find("version") {
        Some("4") => builder.version(VersionPolicy::Only(ProtocolVersion::V3_1_1)),
        _ => builder,
    };
    let builder = match work.find("ca") {
        Some(file) => builder.tls(TlsOptions::new().ca_pem(std::fs::read(file).expect("a certificate"))),
        None => builder,
    };
    if !work.best() {
        return builder;
    }
    builder.send_buffer(1 << 20).incoming_limit(65_536, 16 << 20).ack(AckMode::OnReceipt)
}
