//! The recordings of real brokers, replayed. Nothing here links an adapter.

use std::fs;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Instant;

use sterna_record::{Input, Output, ReadError, Reader, Recording, ReplayError};

fn sessions() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

/// The first session, and its recording.
fn first() -> (String, Recording) {
    let path = &sessions()[0];
    (fs::read_to_string(path).unwrap(), Recording::load(path).unwrap())
}

// R: DET-03
#[test]
fn every_recorded_session_is_replayed_to_the_byte() {
    let mut differences = Vec::new();
    let paths = sessions();
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy();
        let recording = Recording::load(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(recording.is_complete(), "{name}");
        if let Err(error) = recording.replay() {
            differences.push(format!("{name}: {error}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} sessions differ.\n{}\nIf that is intended: cargo run -p sterna-record --example bless",
        differences.len(),
        paths.len(),
        differences.join("\n")
    );
}

// R: DET-03
#[test]
fn the_sessions_are_of_many_brokers_versions_transports_and_situations() {
    let mut seen = [const { Vec::new() }; 4];
    let mut encrypted = Vec::new();
    for path in sessions() {
        let about = Reader::open(&path).unwrap().header().about.clone();
        if about["transport"] == "tls" {
            encrypted.push(about["broker"].clone());
        }
        for (list, name) in seen.iter_mut().zip(["broker", "protocol", "transport", "situation"]) {
            list.push(about[name].clone());
        }
    }
    let [brokers, protocols, transports, situations] = seen.map(|mut list| {
        list.sort();
        list.dedup();
        list
    });
    assert_eq!(
        brokers,
        ["aedes", "amqtt", "mosquitto", "mqttv5", "nats", "rabbitmq", "rumqttd", "test-broker"]
    );
    assert_eq!(protocols, ["3.1", "3.1.1", "5.0"]);
    assert_eq!(transports, ["tcp", "tls", "ws"]);
    assert!(
        brokers.iter().all(|broker| broker == "test-broker" || encrypted.contains(broker)),
        "{encrypted:?}"
    );
    for situation in [
        "traffic",
        "restart",
        "refusal",
        "redirect",
        "quota",
        "takeover",
        "limits",
        "slow-consumer",
        "overrun",
        "backlog",
    ] {
        assert!(situations.contains(&situation.to_owned()), "{situation}");
    }
}

// R: DET-03
#[test]
fn the_sessions_name_no_machine_and_no_secret() {
    for path in sessions() {
        let text = fs::read_to_string(&path).unwrap();
        // The wrong password of the refused client, as text and in hexadecimal digits.
        for private in ["lightning", "6c696768746e696e67", "/home", "/tmp", "/root"] {
            assert!(!text.contains(private), "{} has {private}", path.display());
        }
    }
}

// R: DET-03
#[test]
fn a_changed_byte_is_found_and_blessing_takes_what_comes_out_for_right() {
    let (text, recording) = first();
    let is_transmit = |output: &Output| matches!(output, Output::Transmit { bytes } if !bytes.is_empty());
    let sent = recording.entries().iter().rposition(|entry| entry.output.as_ref().is_some_and(is_transmit));
    let number = sent.unwrap();
    let mut lines: Vec<String> = text.lines().map(Into::into).collect();
    let line = &mut lines[number + 1];
    let digit = line.rfind('"').unwrap() - 1;
    let other = if line.as_bytes()[digit] == b'0' { "1" } else { "0" };
    line.replace_range(digit..=digit, other);
    let changed = Recording::read(lines.join("\n").as_bytes()).unwrap();
    match changed.replay() {
        Err(ReplayError::Difference(difference)) => assert_eq!(difference.line, number as u64 + 2),
        other => panic!("{other:?}"),
    }
    let blessed = changed.bless().unwrap();
    assert_eq!(blessed.changes.len(), 1, "{:?}", blessed.changes);
    assert!(blessed.changes[0].starts_with(&format!("line {}", number + 2)));
    assert_eq!(blessed.recording.entries(), recording.entries());
    let mut written = Vec::new();
    blessed.recording.write(&mut written).unwrap();
    assert!(written == text.as_bytes(), "it is written as it was read");
}

// R: DET-03
#[test]
fn an_event_that_is_missing_is_found_and_blessed_back_in() {
    let (text, recording) = first();
    let is_event = |output: &Output| matches!(output, Output::Event(_));
    let first = recording.entries().iter().position(|entry| entry.output.as_ref().is_some_and(is_event));
    let mut lines: Vec<_> = text.lines().collect();
    lines.remove(first.unwrap() + 1);
    let shorter = Recording::read(lines.join("\n").as_bytes()).unwrap();
    assert!(matches!(shorter.replay(), Err(ReplayError::Difference(_))));
    let blessed = shorter.bless().unwrap();
    assert!(!blessed.changes.is_empty());
    blessed.recording.replay().unwrap();
}

/// The first error of a recording with these lines.
fn read_error(text: &str) -> ReadError {
    match Reader::new(BufReader::new(text.as_bytes())) {
        Err(error) => error,
        Ok(mut reader) => reader.find_map(Result::err).expect("an error"),
    }
}

// R: DET-01
#[test]
fn what_is_no_recording_is_refused_with_the_line() {
    let (text, _) = first();
    let header = text.lines().next().unwrap();
    assert!(matches!(read_error(""), ReadError::Empty));
    for foreign in ["hello\n", "{}\n", "[1,2]\n", "\u{0}\n", "{\"sterna_recording\":\"1\"}\n"] {
        assert!(matches!(read_error(foreign), ReadError::NoRecording(_)), "{foreign}");
    }
    let newer = header.replacen("\"sterna_recording\":1", "\"sterna_recording\":2", 1);
    assert!(matches!(read_error(&newer), ReadError::Format(2)));
    let unknown = header.replacen("\"keep_alive\"", "\"keep_dead\"", 1);
    assert!(read_error(&unknown).to_string().starts_with("line 1: unknown field `keep_dead`"));
    for (bad, says) in [
        ("nonsense", "line 2: expected ident"),
        (r#"{"at":1}"#, "line 2: an entry needs `in` or `out`"),
        (r#"{"at":1,"in":"fly"}"#, "line 2: unknown variant `fly`"),
        (r#"{"at":1,"in":{"cancel":{"token":1,"more":2}}}"#, "line 2: unknown field `more`"),
        (r#"{"at":1,"in":{"received":{"bytes":"0g"}}}"#, "line 2: hexadecimal digits"),
        ("{\"at\":1,\"in\":\"connect\"}\n{\"at\":0,\"in\":\"timeout\"}", "line 3: the time 0 is before"),
        (
            "{\"at\":1,\"out\":{\"end\":\"closed\"}}\n{\"at\":1,\"in\":\"timeout\"}",
            "line 3: something follows",
        ),
        (r#"{"at":0,"in":{"stored":{"key":"00","record":""}}}"#, "line 2: the header says that the store"),
    ] {
        let error = read_error(&format!("{header}\n{bad}\n")).to_string();
        assert!(error.starts_with(says), "{bad}: {error}");
    }
}

// R: DET-01
#[test]
fn a_line_that_is_too_long_is_refused() {
    let (text, _) = first();
    let header = format!("{}\n", text.lines().next().unwrap());
    let endless = std::io::Read::chain(header.as_bytes(), std::io::repeat(b' '));
    let mut reader = Reader::new(BufReader::new(endless)).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("line 2: it is longer than {} bytes", sterna_record::LONGEST_LINE));
    assert!(reader.next().is_none());
}

// R: DET-01
#[test]
fn a_recording_that_was_cut_off_is_replayed_as_far_as_it_goes() {
    let (text, whole) = first();
    let header = text.find('\n').unwrap() + 1;
    for end in (header..text.len() - 1).step_by(97) {
        let cut = Recording::read(&text.as_bytes()[..end]).unwrap();
        assert!(cut.entries().len() <= whole.entries().len());
        cut.replay().unwrap_or_else(|error| panic!("cut off after {end} bytes: {error}"));
    }
}

// R: DET-01
#[test]
fn nonsense_in_the_place_of_lines_never_panics() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for path in sessions().iter().step_by(6) {
        let text = fs::read(path).unwrap();
        for _ in 0..40 {
            let mut changed = text.clone();
            for _ in 0..=random(3) {
                let at = random(changed.len());
                let end = (at + random(200)).min(changed.len());
                match random(3) {
                    0 => changed[at] = b"0123456789abcdef\"{}[]:,\n\xff "[random(26)],
                    1 => drop(changed.drain(at..end)),
                    _ => {
                        let piece = changed[at..end].to_vec();
                        let to = random(changed.len());
                        changed.splice(to..to, piece);
                    }
                }
            }
            if let Ok(recording) = Recording::read(&changed[..]) {
                let _ = recording.replay();
                let _ = recording.bless();
            }
        }
    }
}

// R: DET-01
#[test]
fn replaying_is_faster_than_living() {
    let (mut lived, start) = (0, Instant::now());
    for path in sessions() {
        lived += Recording::load(path).unwrap().replay().unwrap().duration;
    }
    assert!(u128::from(lived) > start.elapsed().as_micros());
}

// R: DET-03
#[test]
fn entries_have_both_directions() {
    let (_, recording) = first();
    let received =
        recording.entries().iter().any(|entry| matches!(entry.input, Some(Input::Received { .. })));
    let sent = recording.entries().iter().any(|entry| matches!(entry.output, Some(Output::Transmit { .. })));
    assert!(received && sent);
}
