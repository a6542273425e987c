//! Recordings of whole clients, and their replay.

mod world;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sterna_client::record::{Difference, End, Finished, Input, Output, Recorder, Recording, ReplayError};
use sterna_client::{
    AckMode, Client, ClientBuilder, MemoryStore, PropertiesBuf, Property, ProtocolVersion, QoS, Will,
};
use sterna_simulator::broker::Options;
use world::{Bench, World};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn recording(&self) -> Recording {
        Recording::read(&self.0.lock().unwrap()[..]).unwrap()
    }
}

type Choose = fn(Recorder) -> Recorder;

/// A recorded client of a world.
struct Taped {
    world: World,
    client: Client,
    memory: Memory,
    finished: Finished,
}

impl Taped {
    fn new(
        version: ProtocolVersion,
        options: Choose,
        configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>,
    ) -> Self {
        let memory = Memory::default();
        let recorder = options(Recorder::new(memory.clone()));
        let finished = recorder.finished();
        let (world, client) =
            World::new(version, Options::default(), |builder| configure(builder.record(recorder)));
        Self { world, client, memory, finished }
    }

    /// Ends the client, and gives the recording.
    fn end(self) -> (Memory, Recording) {
        let Self { mut world, client, memory, finished } = self;
        world.finish(client.disconnect()).unwrap();
        drop(client);
        world.settle();
        drop(world);
        finished.wait().unwrap();
        let recording = memory.recording();
        (memory, recording)
    }
}

/// A bit of everything.
fn session(version: ProtocolVersion, options: Choose) -> (Memory, Recording) {
    let mut taped = Taped::new(version, options, |builder| {
        let will = Will {
            topic: "ward/gone".into(),
            payload: (*b"farewell").into(),
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: PropertiesBuf::new(),
        };
        builder.user_name("nurse").password("thunder").will(will).store(MemoryStore::new())
    });
    let Taped { world, client, .. } = &mut taped;
    world.finish(client.connect()).unwrap();
    let mut stream = world.finish(client.subscribe("ward/+/bed").qos(QoS::ExactlyOnce)).unwrap();
    for (n, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
        world.finish(client.publish("ward/3/bed", format!("{n} beats")).qos(qos)).unwrap();
        world.finish(stream.next()).unwrap();
    }
    world.cut();
    world.pass(Duration::from_millis(1));
    drop(client.publish("ward/4/bed", "absent").qos(QoS::AtLeastOnce).send().unwrap());
    world.pass(Duration::from_secs(200));
    world.finish(stream.next()).unwrap();
    world.finish(client.publish("elsewhere", "x".repeat(5_000)).qos(QoS::ExactlyOnce)).unwrap();
    world.finish(stream.unsubscribe()).unwrap();
    taped.end()
}

// R: DET-01
#[test]
fn a_session_is_replayed_to_the_byte_in_every_version() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, V5] {
        let (memory, recording) = session(version, |recorder| recorder.about("server", "the model"));
        assert_eq!(recording.header().about["server"], "the model");
        assert!(recording.is_complete());
        let summary = recording.replay().unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(summary.end, Some(End::Closed));
        assert!(summary.duration > 200_000_000, "{summary:?}");
        assert_eq!(summary.entries as usize, recording.entries().len());
        let text = memory.text();
        assert!(text.contains("ward/3/bed") && text.contains("nurse"));
        assert!(!text.contains("thunder") && !text.contains(&hex("thunder")), "the password");
    }
}

// R: DET-01
#[test]
fn an_idle_hour_is_replayed_ten_thousand_times_faster() {
    let mut taped = Taped::new(V5, |recorder| recorder, |builder| builder);
    taped.world.finish(taped.client.connect()).unwrap();
    taped.world.pass(Duration::from_secs(3_600));
    let (_, recording) = taped.end();
    let start = std::time::Instant::now();
    let summary = recording.replay().unwrap();
    let took = start.elapsed();
    assert!(Duration::from_micros(summary.duration) > 10_000 * took, "{summary:?} took {took:?}");
}

// R: DET-01
#[test]
fn a_redacted_session_is_replayed_to_the_byte() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, V5] {
        let everything: Choose = |recorder| recorder.redact_topics().redact_payloads().redact_user_names();
        let (memory, recording) = session(version, everything);
        recording.replay().unwrap_or_else(|error| panic!("{version}: {error}"));
        let text = memory.text();
        for private in ["ward", "/bed", "beats", "nurse", "thunder", "farewell", "absent", "elsewhere"] {
            assert!(!text.contains(private) && !text.contains(&hex(private)), "{version}: {private}");
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

// R: DET-01
#[test]
fn a_session_goes_on_from_a_store_and_its_recording_has_the_records() {
    let store = MemoryStore::new();
    let kept = store.clone();
    let mut first = Taped::new(V5, |recorder| recorder, |builder| builder.store(kept).persistent());
    for n in 0..10 {
        drop(first.client.publish("a", n.to_string()).qos(QoS::AtLeastOnce).send().unwrap());
    }
    first.world.settle();
    let (_, recording) = first.end();
    recording.replay().unwrap();
    let everything: Choose = |recorder| recorder.redact_topics().redact_payloads();
    let mut second = Taped::new(V5, everything, |builder| builder.store(store).persistent());
    let Taped { world, client, .. } = &mut second;
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "last").qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(world.received(sterna_core::packet::PacketType::Publish).len(), 11);
    let (_, recording) = second.end();
    assert_eq!(recording.header().session.unwrap().records, 11, "ten messages and the header");
    recording.replay().unwrap();
}

/// The difference that a changed entry makes.
fn difference(
    recording: &Recording,
    text: &str,
    number: usize,
    change: impl FnOnce(&mut Output),
) -> Difference {
    let mut lines: Vec<String> = text.lines().map(Into::into).collect();
    let mut entry = recording.entries()[number].clone();
    change(entry.output.as_mut().unwrap());
    lines[number + 1] = serde_json::to_string(&entry).unwrap();
    let changed = Recording::read(lines.join("\n").as_bytes()).unwrap();
    match changed.replay() {
        Err(ReplayError::Difference(difference)) => *difference,
        other => panic!("{other:?}"),
    }
}

// R: DET-01
#[test]
fn every_changed_output_is_found_at_its_line() {
    let (memory, recording) = session(V5, |recorder| recorder);
    let text = memory.text();
    let mut found = 0;
    for (number, entry) in recording.entries().iter().enumerate() {
        let Some(Output::Transmit { bytes }) = &entry.output else { continue };
        if bytes.is_empty() {
            continue;
        }
        let last = bytes.len() - 1;
        let mut changed = bytes.to_vec();
        changed[last] ^= 1;
        let difference = difference(&recording, &text, number, |output| {
            *output = Output::Transmit { bytes: changed.into() };
        });
        assert_eq!(difference.line, number as u64 + 2);
        let shown = difference.to_string();
        assert!(shown.contains(&format!("line {}", number + 2)), "{shown}");
        assert!(shown.contains(&format!("first at byte {last}")), "{shown}");
        assert!(
            shown.contains("in flight") && shown.contains("queued") && shown.contains("next deadline"),
            "{shown}"
        );
        found += 1;
    }
    assert!(found > 10);
    // An event that is missing is found where the next one is asked for.
    let events: Vec<_> = (0..recording.entries().len())
        .filter(|number| matches!(recording.entries()[*number].output, Some(Output::Event(_))))
        .collect();
    let mut lines: Vec<_> = text.lines().collect();
    lines.remove(events[0] + 1);
    let shorter = Recording::read(lines.join("\n").as_bytes()).unwrap();
    let Err(ReplayError::Difference(difference)) = shorter.replay() else { panic!() };
    assert!(difference.line as usize <= events[1] + 1, "{difference}");
}

// R: DET-01
#[test]
fn a_difference_names_packets_and_the_last_inputs() {
    let (memory, recording) = session(V5, |recorder| recorder);
    let is_publish =
        |output: &Output| matches!(output, Output::Transmit { bytes } if bytes.first() == Some(&0x32));
    let number =
        recording.entries().iter().position(|entry| entry.output.as_ref().is_some_and(is_publish)).unwrap();
    let difference = difference(&recording, &memory.text(), number, |output| {
        let Output::Transmit { bytes } = output else { return };
        let mut changed = bytes.to_vec();
        let last = changed.len() - 1;
        changed[last] = b'X';
        *bytes = changed.into();
    });
    let shown = difference.to_string();
    assert!(shown.contains(r#"recorded      {"packet":"PUBLISH","dup":false,"qos":1"#), "{shown}");
    assert!(shown.contains(r#""payload":"1 beatX"#) && shown.contains(r#""payload":"1 beats"#), "{shown}");
    assert!(shown.contains("\"publish\":{\"topic\":\"ward/3/bed\""), "{shown}");
}

// R: DET-01
#[test]
fn an_overflow_ends_the_recording_cleanly_and_not_the_client() {
    let mut taped = Taped::new(V5, |recorder| recorder.limit(20_000), |builder| builder);
    let Taped { world, client, .. } = &mut taped;
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "x".repeat(50_000)).qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.publish("a", "y").qos(QoS::AtLeastOnce)).unwrap();
    let finished = taped.finished.clone();
    let (_, recording) = taped.end();
    assert!(finished.wait().unwrap().overflow);
    assert!(recording.is_complete());
    let summary = recording.replay().unwrap();
    assert_eq!(summary.end, Some(End::Overflow));
    let published = |input: &Input| matches!(input, Input::Publish(publish) if &publish.payload[..] == b"y");
    assert!(!recording.entries().iter().any(|entry| entry.input.as_ref().is_some_and(published)));
}

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// R: DET-01
#[test]
fn a_recorder_that_cannot_write_says_so_and_does_not_disturb_the_client() {
    let recorder = Recorder::new(Full);
    let finished = recorder.finished();
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.record(recorder));
    world.finish(client.connect()).unwrap();
    assert_eq!(finished.clone().wait().unwrap_err().kind(), io::ErrorKind::StorageFull);
    world.finish(client.publish("a", "b").qos(QoS::ExactlyOnce)).unwrap();
    assert_eq!(finished.wait().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

// R: DET-01
#[test]
fn a_recorder_without_a_client_has_nothing_to_wait_for() {
    let recorder = Recorder::new(io::sink());
    let finished = recorder.finished();
    drop(recorder);
    assert_eq!(finished.wait().unwrap().entries, 0);
}

// R: DET-01
#[test]
fn messages_that_wait_and_late_acknowledgements_are_replayed() {
    let mut taped = Taped::new(
        V5,
        |recorder| recorder,
        |builder| builder.ack(AckMode::Manual).incoming_limit(2, 1 << 20).receive_maximum(4),
    );
    let Taped { world, client, .. } = &mut taped;
    world.finish(client.connect()).unwrap();
    let mut stream = world.finish(client.subscribe("a/#").qos(QoS::ExactlyOnce)).unwrap();
    let mut properties = PropertiesBuf::new();
    properties.push(Property::UserProperty { name: "n", value: "v" }).unwrap();
    for n in 0..12 {
        let publish =
            client.publish("a/b", n.to_string()).qos(QoS::ExactlyOnce).properties(properties.clone());
        drop(publish.send().unwrap());
    }
    world.pass(Duration::from_secs(30));
    for _ in 0..12 {
        let message = world.finish(stream.next()).unwrap();
        world.pass(Duration::from_secs(1));
        message.ack().unwrap();
    }
    let (_, recording) = taped.end();
    recording.replay().unwrap();
}

/// Somebody's own, with a fault.
struct Faulty;

impl Write for Faulty {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("not today")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// R: DET-01
#[test]
fn a_writer_that_panics_ends_the_recording_and_nobody_waits_for_it_for_ever() {
    let recorder = Recorder::new(Faulty);
    let finished = recorder.finished();
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.record(recorder));
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    drop((client, world));
    assert_eq!(finished.wait().unwrap_err().to_string(), "the recording's writer panicked");
}
