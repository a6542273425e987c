//! tokio-rustls.

use std::sync::Arc;

use bench_common::{CONNECT, Meter, PAYLOAD, PUBACK_LENGTH, Work, publish};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

use crate::{CHUNK, VERSION, batch, count, subscribe};

pub(crate) async fn run(work: &Work) -> Value {
    let mut stream = connect(work).await;
    stream.write_all(CONNECT).await.expect("the sink takes it");
    stream.flush().await.expect("the sink takes it");
    stream.read_exact(&mut [0; 4]).await.expect("CONNACK");
    match work.scenario() {
        "pub0" | "single0" => publish_all(&mut stream, work).await,
        "recv0" => receive(&mut stream).await,
        _ => work.unknown(),
    }
}

async fn connect(work: &Work) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(work.get("ca")).expect("a certificate");
    roots.add(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", work.port())).await.expect("the sink listens");
    stream.set_nodelay(true).expect("a socket");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a hand-shake")
}

async fn publish_all(stream: &mut TlsStream<TcpStream>, work: &Work) -> Value {
    let (batch, messages) = batch(work);
    let mut meter = Meter::start(work);
    while meter.more() {
        stream.write_all(&batch).await.expect("the sink takes it");
        stream.flush().await.expect("the sink takes it");
        meter.add(messages - 1);
    }
    stream.write_all(&publish(1, 1, PAYLOAD, VERSION)).await.expect("the sink takes it");
    stream.flush().await.expect("the sink takes it");
    stream.read_exact(&mut [0; PUBACK_LENGTH]).await.expect("acknowledged");
    meter.finish()
}

async fn receive(stream: &mut TlsStream<TcpStream>) -> Value {
    let mut meter = Meter::start_unlimited();
    stream.write_all(&subscribe()).await.expect("the sink takes it");
    stream.flush().await.expect("the sink takes it");
    let mut input = Vec::with_capacity(2 * CHUNK);
    loop {
        input.reserve(CHUNK);
        stream.read_buf(&mut input).await.expect("the sink sends");
        if count(&mut input, &mut meter) {
            return meter.finish();
        }
    }
}
