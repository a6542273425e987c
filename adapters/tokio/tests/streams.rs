//! What carries a client that is not a TCP socket.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sterna_client::{Cause, ConnectError, LostKind, QoS};
use sterna_simulator::TestBroker;
use tokio::io::{BufStream, DuplexStream};
use tokio::net::TcpStream;

/// A time-out that only a hang reaches.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

/// What was written stays in this stream until it is flushed.
// R: CON-14
#[tokio::test]
async fn a_stream_of_the_applications_own() {
    let broker = TestBroker::start().await.unwrap();
    let address = broker.url().strip_prefix("mqtt://").unwrap().to_owned();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let asking = asked.clone();
    let client = sterna_tokio::builder_over("mqtt://nowhere:7", move |endpoint| {
        asking.lock().unwrap().push(endpoint.to_string());
        let address = address.clone();
        async move { Ok(BufStream::with_capacity(1 << 10, 1 << 20, TcpStream::connect(address).await?)) }
    });
    let client = soon(client.connect()).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["mqtt://nowhere:7"]);
    let mut inbox = soon(client.subscribe("a").qos(QoS::ExactlyOnce)).await.unwrap();
    for size in [0, 1, 300_000] {
        soon(client.publish("a", vec![7; size]).qos(QoS::ExactlyOnce)).await.unwrap();
        assert_eq!(soon(inbox.next()).await.unwrap().payload().len(), size);
    }
    soon(client.disconnect()).await.unwrap();
}

// R: CON-14
#[tokio::test]
async fn a_stream_that_cannot_be_made_is_a_failed_dial() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let client = sterna_tokio::builder_over("mqtt://nowhere", move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Err::<DuplexStream, _>(io::Error::other("no modem")) }
    });
    let error = soon(client.connect()).await.unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!((lost.kind, &*lost.detail), (LostKind::Dial, "mqtt://nowhere:1883: no modem"));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

// R: CON-16
#[cfg(all(unix, feature = "unix"))]
#[tokio::test]
async fn a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sterna-tokio-{}.sock", std::process::id()));
    let broker = TestBroker::builder().unix(&path).start().await.unwrap();
    let client = soon(sterna_tokio::connect(&broker.url())).await.unwrap();
    soon(client.publish("a", "x").qos(QoS::AtLeastOnce)).await.unwrap();
    soon(client.disconnect()).await.unwrap();
    drop(broker);

    let error = soon(sterna_tokio::connect(&format!("unix://{}/none", path.display()))).await.unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Dial);
    assert!(lost.detail.contains("none"), "{error}");
}
