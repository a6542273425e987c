//! The same application on every runtime: recorded, it has sent and heard the same, and each recording is replayed to the
//! byte.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use sterna::record::{Entry, Event, Input, Output, Recorder, Recording};
use sterna::{AckMode, ClientBuilder, ProtocolVersion, QoS, Reconnect, Runtime, VersionPolicy};
use sterna_simulator::ThreadedBroker;

/// A step after the other, so that nothing depends on who is quicker.
async fn script<R: Runtime>(builder: ClientBuilder<R>, version: ProtocolVersion, recorder: Recorder) {
    let client = builder
        .version(VersionPolicy::Only(version))
        .client_id("recorded")
        .seed(1)
        .ack(AckMode::Manual)
        .reconnect(Reconnect::off())
        .record(recorder)
        .connect()
        .await
        .expect("connected");
    let mut stream = client.subscribe("a/+").qos(QoS::AtLeastOnce).await.expect("subscribed");
    for n in 0..10 {
        client.publish("a/b", n.to_string()).qos(QoS::AtLeastOnce).await.expect("published");
        stream.next().await.expect("a message").ack().expect("it is owed");
    }
    for n in 0..5 {
        client.publish("elsewhere", n.to_string()).qos(QoS::ExactlyOnce).await.expect("published");
    }
    client.publish("a/b", "x".repeat(100_000)).qos(QoS::AtMostOnce).await.expect("published");
    stream.next().await.expect("a message");
    stream.unsubscribe().await.expect("unsubscribed");
    client.disconnect().await.expect("disconnected");
}

/// Parks the thread until the future is ready: no runtime at all.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Records the script, and replays it.
fn record(name: &str, run: impl FnOnce(Recorder)) -> Recording {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}-{}.jsonl", std::process::id()));
    let recorder = Recorder::create(&path).unwrap();
    let finished = recorder.finished();
    run(recorder);
    finished.wait().unwrap();
    let recording = Recording::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(recording.is_complete(), "{name}");
    recording.replay().unwrap_or_else(|error| panic!("{name}: {error}"));
    recording
}

/// What was sent and what came, and what the application was told, times aside.
fn essence(recording: &Recording) -> (Vec<u8>, Vec<u8>, Vec<String>) {
    let (mut sent, mut came, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for Entry { input, output, .. } in recording.entries() {
        if let Some(Input::Received { bytes, .. }) = input {
            came.extend_from_slice(bytes);
        }
        match output {
            Some(Output::Transmit { bytes }) => sent.extend_from_slice(bytes),
            Some(Output::Message(message)) => told.push(format!("{message:?}")),
            Some(Output::Event(Event::Disconnected { attempt, cause, .. })) => {
                told.push(format!("{attempt} {}", cause.error));
            }
            Some(Output::Event(event)) => told.push(format!("{event:?}")),
            _ => {}
        }
    }
    (sent, came, told)
}

/// Runs the script against the broker at an URL.
type Run<'a> = dyn Fn(&str, Recorder) + 'a;

// R: DET-01 RUN-01
#[test]
fn the_same_script_is_the_same_session_on_every_runtime() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let on_tokio = |url: &str, recorder| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(script(sterna::tokio::builder(url), version, recorder));
        };
        let on_smol =
            |url: &str, recorder| smol::block_on(script(sterna::smol::builder(url), version, recorder));
        let on_async_std = |url: &str, recorder| {
            async_std::task::block_on(script(sterna::async_std::builder(url), version, recorder));
        };
        let on_none = |url: &str, recorder| {
            let builder = ClientBuilder::new(url, sterna::blocking::Runtime::default());
            wait_for(script(builder, version, recorder));
        };
        let runs: [(&str, &Run<'_>); 4] =
            [("tokio", &on_tokio), ("smol", &on_smol), ("async-std", &on_async_std), ("blocking", &on_none)];
        let essences = runs.map(|(name, run)| {
            // Each has a broker of its own, which remembers nothing.
            let broker = ThreadedBroker::start().unwrap();
            (name, essence(&record(name, |recorder| run(&broker.url(), recorder))))
        });
        for (name, essence) in &essences[1..] {
            let (first, expected) = &essences[0];
            assert!(essence.0 == expected.0, "{name} has sent other bytes than {first}, in MQTT {version}");
            assert!(essence.1 == expected.1, "{name} was sent other bytes than {first}, in MQTT {version}");
            assert_eq!(essence.2, expected.2, "{name} and {first}, in MQTT {version}");
        }
    }
}
