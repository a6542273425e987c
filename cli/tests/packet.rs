//! `sterna packet`, as a user runs it.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn sterna(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // A usage error ends the program before it has read a byte, so writing may fail.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("the binary ends")
    })
}

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sterna"))
        .arg("packet")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn status(output: &Output) -> i32 {
    output.status.code().expect("an exit status")
}

/// A CONNECT of 3.1.1, its CONNACK and a PUBLISH, in the digits of three packets.
const CONNECT: &str = "100d00044d5154540402003c000163";
const CONNACK: &str = "20020000";
const PUBLISH: &str = "320c0003612f62000a48656c6c6f";

#[test]
fn a_publish_becomes_one_line_of_json() {
    let output = sterna(&["decode", "--protocol", "3.1.1", PUBLISH], b"");
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let expected = "{\"packet\":\"PUBLISH\",\"dup\":false,\"qos\":1,\"retain\":false,\"topic_name\":\"a/b\",\
        \"packet_identifier\":10,\"payload\":\"Hello\"}\n";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn the_protocol_of_a_connect_holds_for_the_packets_after_it() {
    let output = sterna(&["decode", &format!("{CONNECT}{CONNACK}{PUBLISH}")], b"");
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let names: Vec<_> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["packet"].clone())
        .collect();
    assert_eq!(names, ["CONNECT", "CONNACK", "PUBLISH"]);
    assert!(stdout(&output).contains("\"return_code\":0"));
    // The version asked for wins.
    let output = sterna(&["decode", "--protocol", "5", CONNECT, PUBLISH], b"");
    assert_eq!(status(&output), 1);
    assert_eq!(stdout(&output).lines().count(), 1);
}

#[test]
fn hexadecimal_digits_may_be_spaced_prefixed_and_in_capitals() {
    for arguments in
        [&["d0 00 C0 00"][..], &["0xD000C000"], &["0xd0", "0x00", "0xC0", "00"], &["d000\nc0\t00\n"]]
    {
        let output = sterna(&[&["decode"], arguments].concat(), b"");
        assert_eq!(stdout(&output), "{\"packet\":\"PINGRESP\"}\n{\"packet\":\"PINGREQ\"}\n", "{arguments:?}");
        assert_eq!(status(&output), 0);
    }
}

#[test]
fn standard_input_is_read_for_a_dash_or_for_no_digits() {
    for arguments in [&["decode"][..], &["decode", "-"]] {
        let output = sterna(arguments, b"0xd000\nc000\n");
        assert_eq!(stdout(&output).lines().count(), 2);
        assert_eq!(status(&output), 0);
    }
}

#[test]
fn a_malformed_packet_is_told_with_its_place_and_statement() {
    let output = sterna(&["decode", "--protocol", "3.1.1", "d000 d000 3605000161000a d000"], b"");
    assert_eq!(status(&output), 1);
    assert_eq!(stdout(&output).lines().count(), 2, "the packets before it are printed");
    assert!(stderr(&output).contains("byte 4"), "{}", stderr(&output));
    assert!(stderr(&output).contains("MQTT-3.3.1-4"), "{}", stderr(&output));
}

#[test]
fn an_incomplete_packet_has_an_exit_status_of_its_own() {
    for cut in ["30", "300a", "300a0003612f", "3080"] {
        let output = sterna(&["decode", "d000", cut], b"");
        assert_eq!(status(&output), 3, "{cut}");
        assert_eq!(stdout(&output), "{\"packet\":\"PINGRESP\"}\n");
        assert!(stderr(&output).contains("byte 2"), "{}", stderr(&output));
    }
}

#[test]
fn what_is_no_digits_or_no_command_line_is_usage() {
    for arguments in
        [&["decode", "d0z0"][..], &["decode", "d00"], &["decode", "--protocol", "4", "d000"], &["code"]]
    {
        let output = sterna(arguments, b"");
        assert_eq!(status(&output), 2, "{arguments:?}");
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).is_empty());
    }
    assert_eq!(status(&sterna(&["decode"], b"\xff\xfe")), 2);
}

#[test]
fn each_side_is_tried_unless_one_is_named() {
    // A Subscription Identifier, which only a server sends; a DISCONNECT with a session expiry, which only a
    // client sends; one with the code Server shutting down; an AUTH to re-authenticate.
    let publish = "3007000161020b0778";
    let cases = [
        (publish, "client"),
        ("e00700051100000000", "server"),
        ("e0018b", "client"),
        ("f00619041500016d", "server"),
    ];
    for (digits, wrong_sender) in cases {
        let output = sterna(&["decode", digits], b"");
        assert_eq!(status(&output), 0, "{digits}: {}", stderr(&output));
        let output = sterna(&["decode", "--sender", wrong_sender, digits], b"");
        assert_eq!(status(&output), 1, "{digits} from a {wrong_sender}");
    }
}

#[test]
fn encode_turns_lines_into_digits_and_skips_blank_ones() {
    let lines = "\n{\"packet\":\"CONNECT\",\"protocol_version\":4,\"clean_session\":true,\"keep_alive\":60,\
        \"client_identifier\":\"c\"}\n  \n{\"packet\":\"CONNACK\",\"return_code\":0}\n";
    let output = sterna(&["encode"], lines.as_bytes());
    assert_eq!(stdout(&output), format!("{CONNECT}\n{CONNACK}\n"), "{}", stderr(&output));
    assert_eq!(status(&output), 0);
}

#[test]
fn an_error_in_a_line_is_told_with_its_number() {
    for line in [
        "{\"packet\":\"PUBLISH\"}",
        "{\"packet\":",
        "[]",
        "{\"packet\":\"PUBLISH\",\"topic_name\":\"#\"}",
        "\u{fffd}",
    ] {
        let input = format!("{{\"packet\":\"PINGREQ\"}}\n\n{line}\n{{\"packet\":\"PINGRESP\"}}\n");
        let output = sterna(&["encode"], input.as_bytes());
        assert_eq!(status(&output), 1, "{line}");
        assert_eq!(stdout(&output), "c000\n", "{line}");
        assert!(stderr(&output).contains("line 3"), "{}", stderr(&output));
    }
}

#[test]
fn decode_then_encode_gives_the_same_bytes() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let mut packets = 0;
    for protocol in ["3.1", "3.1.1", "5"] {
        let mut digits = String::new();
        for file in std::fs::read_dir(&vectors).expect("the folder of the vectors") {
            let path = file.expect("a folder entry").path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            for line in std::fs::read_to_string(path).expect("a readable file").lines() {
                let vector: Value = serde_json::from_str(line).expect("JSON");
                if vector["canonical"] == true && vector["protocol"] == protocol {
                    digits.push_str(vector["hex"].as_str().expect("digits"));
                    digits.push('\n');
                    packets += 1;
                }
            }
        }
        let json = sterna(&["decode", "--protocol", protocol], digits.as_bytes());
        assert_eq!(status(&json), 0, "{}", stderr(&json));
        let again = sterna(&["encode", "--protocol", protocol], &json.stdout);
        assert_eq!(status(&again), 0, "{}", stderr(&again));
        assert_eq!(stdout(&again), digits);
    }
    assert!(packets > 500, "only {packets} canonical vectors");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    // More output than a pipe holds, and nobody who reads it.
    let input = "d000".repeat(100_000);
    let mut child = start(&["decode"]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("all of it is read first");
    drop(stdin);
    let output = child.wait_with_output().expect("the binary ends");
    assert_eq!(stderr(&output), "");
    assert_eq!(status(&output), 0);
}
