//! `sterna show` and `sterna import` as a user runs them.

mod support;

use support::{Sterna, sterna, sterna_with};

fn capture(name: &str) -> String {
    format!("{}/../tests/vectors/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(capture(name)).expect("the capture is there")
}

// R: CLI-04
#[test]
fn the_contents_tell_what_a_file_is() {
    for name in ["mosquitto.pcap", "websocket.pcapng"] {
        let by_name = sterna(&["show", &capture(name)]).expect(0);
        assert!(by_name.text().contains("PUBLISH"), "{}", by_name.text());
        let piped = sterna_with(&["show", "-"], &read(name)).expect(0);
        assert_eq!(piped.text(), by_name.text());
    }
    let digits = sterna_with(&["show", "-"], b"> c000 < d000\n").expect(0);
    let lines: Vec<&str> = digits.text().lines().collect();
    assert_eq!(lines[2..], ["1 →  PINGREQ", "2 ←  PINGRESP      ↳ #1"]);
    for (input, problem) in [
        (&b""[..], "standard input: there is nothing in it"),
        (b"\xff\xfe\xfd\xfc", "neither a recording, a capture (pcap or pcapng) nor hexadecimal digits"),
        (b"hello", "line 1: `hello` is no hexadecimal digits"),
        (b"{}\n", "this is no recording"),
    ] {
        let ended = sterna_with(&["show", "-"], input).expect(1);
        assert!(ended.error().contains(problem), "{ended:?}");
    }
    assert!(sterna(&["show", "/nowhere/at/all"]).expect(1).error().starts_with("/nowhere/at/all: "));
}

#[test]
fn each_form_is_written_where_it_is_asked_for() {
    let path = capture("mosquitto.pcap");
    let json = sterna(&["show", &path, "--output", "json", "--type", "publish"]).expect(0);
    let lines: Vec<serde_json::Value> =
        json.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 9, "a head and eight messages");
    assert_eq!(lines[0]["timeline"], 1);
    assert_eq!(lines[1]["packet"]["topic_name"], "home/door");
    let folder = std::env::temp_dir().join(format!("sterna-show-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let page = folder.join("page.html");
    let page = page.to_str().expect("text");
    assert_eq!(sterna(&["show", &path, "--output", "html", "--out", page]).expect(0).text(), "");
    let html = std::fs::read_to_string(page).expect("it was written");
    assert!(
        html.starts_with("<!DOCTYPE html>") && html.contains("<title>mosquitto.pcap"),
        "{}",
        &html[..200]
    );
    std::fs::remove_dir_all(&folder).expect("it goes");
    let missing = folder.join("page.html");
    sterna(&["show", &path, "--out", missing.to_str().expect("text")]).expect(1);
}

#[test]
fn colours_come_on_request() {
    let path = capture("mosquitto.pcap");
    let plain = sterna(&["show", &path]).expect(0);
    assert!(!plain.text().contains('\x1b'), "not into a pipe");
    let colored = sterna(&["show", &path, "--color", "always"]).expect(0);
    assert!(colored.text().contains("\x1b["));
    assert_eq!(anstream::adapter::strip_str(colored.text()).to_string(), plain.text());
}

#[test]
fn filters_are_understood() {
    let path = capture("mosquitto.pcap");
    let count = |arguments: &[&str]| {
        let ended = sterna(&[&["show", &path, "--output", "json"], arguments].concat()).expect(0);
        ended.text().lines().count() - 1
    };
    assert_eq!(count(&["--topic", "home/door"]), 4);
    assert_eq!(count(&["--topic", "home/door", "--type", "PUBACK"]), 2);
    assert_eq!(count(&["--type", "publish,puback"]), 10);
    assert_eq!(count(&["--session", "1"]) + count(&["--session", "2,3,4,5"]), count(&[]));
    assert_eq!(count(&["--since", "0.8"]) + count(&["--until", "0.799999"]), count(&[]));
    for wrong in [["--topic", "a/#/b"], ["--type", "PUBLISHED"], ["--since", "-1"], ["--session", "x"]] {
        sterna(&[&["show", &path], &wrong[..]].concat()).expect(2);
    }
}

// R: CLI-02
#[test]
fn a_closed_pipe_ends_it_quietly() {
    // More than a pipe takes.
    let mut digits = String::new();
    for _ in 0..20_000 {
        digits.push_str("c000 ");
    }
    let mut show = Sterna::start(&["show", "-"]);
    show.close_output();
    show.write(digits.as_bytes());
    let ended = show.end().expect(0);
    assert!(ended.errors.is_empty(), "{ended:?}");
}

// R: DET-04
#[test]
fn a_captured_connection_becomes_a_recording_that_is_shown() {
    let recording = sterna(&["import", &capture("mosquitto.pcap"), "--session", "3"]).expect(0);
    assert!(recording.errors.is_empty(), "{recording:?}");
    // The password, in hexadecimal digits as a recording has it.
    assert!(!recording.text().contains("736563726574"), "{}", recording.text());
    let shown = sterna_with(&["show", "-", "--type", "publish,command"], &recording.output).expect(0);
    assert!(shown.text().contains("publish home/lamp \"{\"on\":true}\" QoS 2"), "{}", shown.text());
    let several = sterna(&["import", &capture("mosquitto.pcap")]).expect(2);
    assert_eq!(several.error(), "there are 5 connections: say which one with --session");
    sterna(&["import", &capture("websocket.pcapng")]).expect(0);
    let none = sterna(&["import", &capture("mosquitto.pcap"), "--session", "9"]).expect(1);
    assert_eq!(none.error(), "there is no connection 9");
}
