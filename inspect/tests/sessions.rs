//! The recorded sessions with real brokers, shown.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use sterna_core::packet::Sender;
use sterna_inspect::{Filter, LocalKind, What, read_recording, write_html, write_json, write_text};

fn sessions() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions");
    let files = std::fs::read_dir(folder).expect("the sessions are there");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

// R: CLI-04
#[test]
fn every_recorded_session_is_shown_to_its_end() {
    let sessions = sessions();
    assert!(sessions.len() > 20, "{sessions:?}");
    for path in sessions {
        let timeline =
            read_recording(BufReader::new(File::open(&path).expect("it opens"))).expect("a recording");
        let packets = timeline.entries.iter().filter_map(|entry| match &entry.what {
            What::Packet(packet) => Some(packet),
            _ => None,
        });
        let [sent, received] = [Sender::Client, Sender::Server]
            .map(|sender| packets.clone().filter(|packet| packet.sender == sender).count());
        assert!(sent > 0, "{path:?}");
        let connected = packets.clone().any(|packet| format!("{:?}", packet.packet_type) == "ConnAck");
        assert!(connected && received > 0, "{path:?}");
        for entry in &timeline.entries {
            match &entry.what {
                What::Note(text) => {
                    assert!(!text.contains("differs") && !text.contains("cut off"), "{path:?}: {text}");
                }
                What::Local(local) => {
                    assert!(local.queued.is_some(), "{path:?}: {local:?}");
                    assert!(!local.text.is_empty(), "{path:?}: {local:?}");
                }
                What::Packet(packet) => assert!(packet.packet().is_some()),
                What::Malformed(_) => {}
            }
        }
        let commands = timeline
            .entries
            .iter()
            .filter(|entry| matches!(&entry.what, What::Local(local) if local.kind == LocalKind::Command));
        assert!(commands.count() > 0, "{path:?}");
        let mut out = Vec::new();
        write_text(&timeline, &sterna_inspect::TextOptions::default(), &mut out).expect("into memory");
        write_json(&timeline, &Filter::default(), false, &mut out).expect("into memory");
        write_html(&timeline, &sterna_inspect::HtmlOptions::default(), &mut out).expect("into memory");
    }
}

// R: CLI-04
#[test]
fn a_refused_filter_is_not_shown_as_granted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions/mqttv5-5.0-tcp-quota.jsonl");
    let timeline = read_recording(BufReader::new(File::open(path).expect("it opens"))).expect("a recording");
    let told: Vec<&str> = timeline
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Local(local) if local.text.contains(", subscribe ") => Some(local.text.as_str()),
            _ => None,
        })
        .collect();
    let expected = ["a QoS 0, succeeded", "b QoS 0, succeeded", "c QoS 0, was refused"];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(told.iter().zip(expected).all(|(told, end)| told.ends_with(end)), "{told:?}");
}
