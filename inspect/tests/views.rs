//! The time-line as text, JSON and a page; from captures, recordings and digits.

mod support;

use serde_json::{Value, json};
use sterna_core::packet::{ProtocolVersion, QoS};
use sterna_core::{Config, Instant, Publish};
use sterna_inspect::{
    Filter, HexOptions, HtmlOptions, LocalKind, TextOptions, Timeline, What, read_capture, read_hex,
    read_recording, record_connection, write_html, write_json, write_text,
};
use sterna_record::{Output, Recorded, Recorder, Recording};
use support::{CLIENT, Tcp, lines, packet, show};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn text(timeline: &Timeline, options: &TextOptions) -> String {
    let mut out = Vec::new();
    write_text(timeline, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json_lines(timeline: &Timeline, filter: &Filter, secrets: bool) -> Vec<Value> {
    let mut out = Vec::new();
    write_json(timeline, filter, secrets, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn page(timeline: &Timeline, title: &str) -> String {
    let mut out = Vec::new();
    let options = HtmlOptions { title: title.to_owned(), ..HtmlOptions::default() };
    write_html(timeline, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The data of a page, as a browser would parse it.
fn data(page: &str) -> Value {
    let (_, behind) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    serde_json::from_str(behind.split_once("</script>").unwrap().0).unwrap()
}

/// A client with secrets, whose topics and payloads wish its reader ill.
fn hostile() -> Timeline {
    let mut tcp = Tcp::plain();
    tcp.open();
    let connect = json!({"packet":"CONNECT", "clean_start":true, "keep_alive":30, "properties":[
        {"authentication_method":"X"}, {"authentication_data":"hunter2"}, {"user_property":["</script>", "<b>"]}],
        "client_identifier":"<img src=x onerror=alert(1)>", "user_name":"anna", "password":"hunter1"});
    tcp.client(&packet(&connect, V5));
    tcp.server(b"\x20\x03\x00\x00\x00");
    for payload in [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "\u{1b}]0;x\u{7}\u{202e}",
        "{{data}}",
        "\u{2028}",
    ] {
        let publish = json!({"packet":"PUBLISH", "topic_name":"a<b>&\"c\"", "payload":payload});
        tcp.client(&packet(&publish, V5));
    }
    tcp.client(b"\x30\x03\x00\x01\xff");
    show(&tcp.frames)
}

// R: CLI-04
#[test]
fn nothing_that_a_peer_sends_becomes_markup_or_script() {
    let page = page(&hostile(), "</title><script>alert(2)</script>{{script}}");
    // The page's own: one with data, one with code.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<!--") && !page.contains("<b>"));
    assert!(!page.contains('\u{2028}') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;/title&gt;&lt;script&gt;alert(2)&lt;/script&gt;{{script}}"));
    for word in [
        "http://",
        "https://",
        "src=",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ] {
        let (before, behind) = page.split_once(r#"id="data">"#).unwrap();
        let own = [before, behind.split_once("</script>").unwrap().1].concat();
        let found = own.replace("http://www.w3.org/2000/svg", "").contains(word);
        assert!(!found, "{word}");
    }
    // What was sent is there all the same, as data.
    let data = data(&page);
    let payloads: Vec<&str> = data["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["packet"]["payload"].as_str())
        .collect();
    assert_eq!(payloads[..2], ["</script><script>alert(1)</script>", "<!--<script>"]);
    assert_eq!(data["head"]["connections"][0]["client_identifier"], "<img src=x onerror=alert(1)>");
}

#[test]
fn the_policy_of_a_page_lets_its_own_script_run_and_no_other() {
    use data_encoding::BASE64;
    use sha2::{Digest, Sha256};
    let page = page(&hostile(), "x");
    let between = |begin: &str, end: &str| {
        let behind = page.split_once(begin).unwrap().1;
        behind.split_once(end).unwrap().0.to_owned()
    };
    let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for (begin, end) in [("<script>", "</script>"), ("<style>", "</style>")] {
        let hash = BASE64.encode(&Sha256::digest(between(begin, end).as_bytes()));
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{begin}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

// R: CON-07
#[test]
fn secrets_are_shown_on_request_only() {
    let timeline = hostile();
    let texts = [
        text(&timeline, &TextOptions::default()),
        page(&timeline, ""),
        format!("{:?}", json_lines(&timeline, &Filter::default(), false)),
    ];
    for shown in texts {
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(!shown.contains(&hex::encode("hunter")), "{shown}");
        assert!(shown.contains("anna"));
    }
    let shown = format!("{:?}", json_lines(&timeline, &Filter::default(), true));
    assert!(shown.contains("hunter1") && shown.contains("hunter2"), "{shown}");
}

#[test]
fn text_fits_its_width_and_has_colour_only_on_request() {
    let timeline = hostile();
    let plain = text(&timeline, &TextOptions::default());
    assert!(plain.chars().all(|character| character == '\n' || !character.is_control()), "{plain:?}");
    assert!(!plain.contains('\u{202e}'));
    for width in [1, 7, 40, 80, 120] {
        let fitted = text(&timeline, &TextOptions { width: Some(width), ..TextOptions::default() });
        assert_eq!(fitted.lines().count(), plain.lines().count());
        for (line, whole) in fitted.lines().zip(plain.lines()) {
            assert!(line.chars().count() <= width, "{line}");
            let cut = line.strip_suffix('…').unwrap_or(line);
            assert!(whole.starts_with(cut), "{line}");
        }
    }
    let coloured = text(&timeline, &TextOptions { color: true, ..TextOptions::default() });
    assert!(coloured.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut rest = &coloured[..];
    while let Some((before, behind)) = rest.split_once('\u{1b}') {
        stripped.push_str(before);
        rest = behind.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
}

#[test]
fn a_line_says_what_matters() {
    let mut tcp = Tcp::plain();
    tcp.open();
    let connect =
        json!({"packet":"CONNECT", "clean_start":true, "keep_alive":30, "client_identifier":"door"});
    tcp.client(&packet(&connect, V5));
    tcp.server(b"\x20\x03\x00\x87\x00");
    tcp.client(&packet(
        &json!({"packet":"PUBLISH","qos":1,"retain":true,"topic_name":"a/b","packet_identifier":7,
        "properties":[{"message_expiry_interval":9},{"user_property":["k","v"]}],"payload":"hi"}),
        V5,
    ));
    tcp.server(b"\x40\x03\x00\x07\x10");
    let lines: Vec<String> =
        text(&show(&tcp.frames), &TextOptions::default()).lines().map(str::to_owned).collect();
    let expected = [
        "1 connection, 5 entries, from 2026-05-28T20:26:40.000000Z, 900 µs",
        "c1   127.0.0.1:50000 → 127.0.0.1:1883  TCP  MQTT 5.0  door",
        "1 0.000000 ·  the TCP connection is opened",
        "2 0.000300 →  CONNECT     \"door\" MQTT 5.0, clean start, keep alive 30 s",
        "3 0.000500 ←  CONNACK     Not authorized  ↳ #2 200 µs",
        "4 0.000700 →  PUBLISH     a/b \"hi\" id 7, QoS 1, retain, message_expiry_interval=9, user_property=\"k\":\"v\"  in flight →1",
        "5 0.000900 ←  PUBACK      id 7, No matching subscribers  ↳ #4 200 µs",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn json_lines_have_everything() {
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&packet(
        &json!({"packet":"CONNECT","clean_session":true,"keep_alive":0,"client_identifier":"x"}),
        ProtocolVersion::V3_1_1,
    ));
    tcp.server(b"\x20\x02\x00\x00");
    tcp.segment(CLIENT, "A", b"\x00");
    let lines = json_lines(&show(&tcp.frames), &Filter::default(), false);
    let expected = [
        json!({"timeline":1,"started":"2026-05-28T20:26:40.000000Z","connections":[{"client":"127.0.0.1:50000",
            "server":"127.0.0.1:1883","carrier":"TCP","version":"3.1.1","client_identifier":"x"}]}),
        json!({"number":1,"time_us":0,"connection":1,"kind":"note","text":"the TCP connection is opened"}),
        json!({"number":2,"time_us":300,"connection":1,"kind":"packet","sender":"client","version":"3.1.1","size":15,
            "exchange":2,"answered_by":3,"in_flight":0,"in_flight_to_client":0,"packet":{"packet":"CONNECT",
            "protocol_name":"MQTT","protocol_version":4,"clean_session":true,"keep_alive":0,"client_identifier":"x"}}),
        json!({"number":3,"time_us":500,"connection":1,"kind":"packet","sender":"server","version":"3.1.1","size":4,
            "exchange":2,"answers":2,"latency_us":200,"in_flight":0,"in_flight_to_client":0,
            "packet":{"packet":"CONNACK","session_present":false,"return_code":0}}),
        json!({"number":4,"time_us":700,"connection":1,"kind":"malformed","sender":"client",
            "error":"packet type 0 is reserved","statement":"3.1.1 §2.2.1","hex":"00"}),
        json!({"number":5,"time_us":700,"connection":1,"kind":"note",
            "text":"left out from the client, up to here: 1 bytes, since it is not known where their packets begin"}),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn filters_take_what_they_say() {
    let numbers = |filter: Filter| -> Vec<u64> {
        let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/captures/mosquitto.pcap");
        let timeline = read_capture(std::fs::File::open(capture).unwrap()).unwrap();
        let lines = json_lines(&timeline, &filter, false);
        lines[1..].iter().map(|line| line["number"].as_u64().unwrap()).collect()
    };
    let everything = numbers(Filter::default());
    assert_eq!(everything, (1..=everything.len() as u64).collect::<Vec<_>>());
    // A publish and its acknowledgement on either connection.
    assert_eq!(numbers(Filter { topic: Some("+/door".to_owned()), ..Filter::default() }).len(), 4);
    assert_eq!(numbers(Filter { topic: Some("home/lamp".to_owned()), ..Filter::default() }).len(), 8);
    // What subscribes to exactly it, besides all messages.
    let all = numbers(Filter { topic: Some("home/#".to_owned()), ..Filter::default() });
    let subscribes =
        numbers(Filter { kinds: vec!["subscribe".to_owned(), "SUBACK".to_owned()], ..Filter::default() });
    assert_eq!(subscribes.len(), 2);
    assert!(subscribes.iter().all(|number| all.contains(number)));
    let publishes = numbers(Filter { kinds: vec!["publish".to_owned()], ..Filter::default() });
    assert_eq!(publishes.len(), 8);
    let one = numbers(Filter { connections: vec![1], ..Filter::default() });
    let two = numbers(Filter { connections: vec![2, 3, 4, 5], ..Filter::default() });
    assert_eq!(one.len() + two.len(), everything.len());
    let late = numbers(Filter { since: Some(800_000), ..Filter::default() });
    let early = numbers(Filter { until: Some(799_999), ..Filter::default() });
    assert_eq!([early, late].concat(), everything);
}

#[test]
fn digits_are_read_as_people_have_them() {
    let dump = "00000000: 100c 0004 4d51 5454 0402 003c 0000 2002  ....MQTT...<.. .\n00000010: 0000                                     ..\n";
    let canonical = "00000000  10 0c 00 04 4d 51 54 54  04 02 00 3c 00 00 20 02  |....MQTT...<.. .|\n00000010  00 00                                             |..|\n00000012\n";
    for text in [
        "100c00044d5154540402003c0000 20020000",
        "0x10 0x0C 0004 4D515454 04 02 00 3c 00 00\n# a comment\n2002 0000",
        "> 100c00044d51 54540402003c0000 < 2002 0000",
        dump,
        canonical,
    ] {
        let timeline = read_hex(text, HexOptions::default()).unwrap();
        assert_eq!(lines(&timeline), ["1 Client CONNECT", "1 Server CONNACK answers 1"], "{text}");
        assert!(!timeline.is_timed && timeline.started.is_none());
        assert!(!super_text(&timeline).contains("0.0000"), "no times");
    }
    assert_eq!(
        read_hex("1g", HexOptions::default()).unwrap_err().to_string(),
        "line 1: `1g` is no hexadecimal digits"
    );
    assert!(read_hex("10\n0", HexOptions::default()).is_err());
    assert_eq!(lines(&read_hex("", HexOptions::default()).unwrap()), Vec::<String>::new());
    let ends_early = read_hex("> c000 300a", HexOptions::default()).unwrap();
    assert_eq!(
        lines(&ends_early),
        ["1 Client PINGREQ", "Client malformed: 10 of the packet's 12 bytes are missing"]
    );
}

fn super_text(timeline: &Timeline) -> String {
    text(timeline, &TextOptions::default())
}

/// Everything that a recorder writes, in memory.
#[derive(Clone, Default)]
struct Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

// R: CLI-04
#[test]
fn a_recording_shows_what_went_on_inside() {
    let memory = Memory::default();
    let recorder = Recorder::new(memory.clone());
    let finished = recorder.finished();
    let mut client = Recorded::new(Config::new(1), Instant::ZERO, Some(recorder)).unwrap();
    client.connect(Instant::from_micros(5));
    client.publish(Instant::from_micros(7), Publish::new("a/b", "hi").qos(QoS::AtLeastOnce)).unwrap();
    while client.poll_action().is_some() {}
    while client.poll_event().is_some() {}
    client.poll_timeout();
    drop(client);
    finished.wait().unwrap();
    let timeline = read_recording(&memory.bytes()[..]).unwrap();
    let all = lines(&timeline);
    for expected in [
        "Command connect",
        "Command publish a/b \"hi\" QoS 1 (operation 1)",
        "Driver connect, attempt 1",
        "Event connecting",
        "the recording ends with the client",
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected}: {all:?}");
    }
    assert!(all.iter().any(|line| line.starts_with("Timer connect will be due in 30.0")), "{all:?}");
    let queued = timeline.entries.iter().find_map(|entry| match &entry.what {
        What::Local(local) if local.kind == LocalKind::Command && local.text.starts_with("publish") => {
            local.queued
        }
        _ => None,
    });
    assert_eq!(queued, Some(1));
    assert!(read_recording(&b"{}\n"[..]).is_err());
    assert!(read_recording(&b""[..]).is_err());
}

// R: DET-04
#[test]
fn a_captured_connection_becomes_a_recording_that_replays() {
    for (name, connection, closed_by_client) in [
        ("mosquitto.pcap", 1, true),
        ("mosquitto.pcap", 2, true),
        ("mosquitto.pcap", 3, true),
        ("websocket.pcapng", 1, true),
    ] {
        let path = format!("{}/../tests/vectors/captures/{name}", env!("CARGO_MANIFEST_DIR"));
        let timeline = read_capture(std::fs::File::open(path).unwrap()).unwrap();
        let memory = Memory::default();
        let imported = record_connection(&timeline, connection, Recorder::new(memory.clone())).unwrap();
        assert_eq!(imported.sent, imported.captured, "{name} {connection}");
        assert_eq!(imported.closed_at, None, "{name} {connection}");
        assert!(closed_by_client && !imported.written.overflow);
        let bytes = memory.bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains(&hex::encode("secret")), "passwords are redacted");
        let recording = Recording::read(&bytes[..]).unwrap();
        assert!(recording.is_complete());
        recording.replay().unwrap();
        // Shown again, it has the same packets: identifiers and the order of properties aside.
        let types = |timeline: &Timeline, wanted: usize| -> Vec<String> {
            let entries = timeline.entries.iter().filter(|entry| entry.connection == Some(wanted));
            let mut types: Vec<String> = entries
                .filter_map(|entry| match &entry.what {
                    What::Packet(packet) => Some(format!("{:?} {:?}", packet.sender, packet.packet_type)),
                    _ => None,
                })
                .collect();
            types.sort();
            types
        };
        let shown = read_recording(&bytes[..]).unwrap();
        assert_eq!(types(&shown, 0), types(&timeline, connection - 1), "{name} {connection}");
    }
}

/// The clock of a captured machine was set right, fifty years on: no ping of that time is sent one by one.
// R: DET-04
#[test]
fn a_jump_of_the_clock_is_no_long_wait() {
    let mut timeline =
        read_hex("> 100e00044d5154540402000100026161 < 20020000 > c000", HexOptions::default()).unwrap();
    timeline.entries.last_mut().unwrap().time += 50 * 365 * 86_400 * 1_000_000;
    let memory = Memory::default();
    let imported = record_connection(&timeline, 1, Recorder::new(memory.clone())).unwrap();
    assert!(imported.sent < 1_000, "{imported:?}");
    Recording::read(&memory.bytes()[..]).unwrap().replay().unwrap();
}

/// Nobody waits for the client, so it waits for what writes.
// R: DET-04
#[test]
fn a_long_capture_is_recorded_to_its_end() {
    let publishes = "3023000361622f".to_owned() + &"61".repeat(30);
    let digits =
        format!("> 100e00044d5154540402000100026161 < 20020000 {}", format!("< {publishes} ").repeat(2_000));
    let timeline = read_hex(&digits, HexOptions::default()).unwrap();
    let memory = Memory::default();
    let recorder = Recorder::new(memory.clone()).limit(4_000);
    let imported = record_connection(&timeline, 1, recorder).unwrap();
    assert!(!imported.written.overflow, "{imported:?}");
    let recording = Recording::read(&memory.bytes()[..]).unwrap();
    let messages =
        recording.entries().iter().filter(|entry| matches!(entry.output, Some(Output::Message(_))));
    assert_eq!(messages.count(), 2_000);
    recording.replay().unwrap();
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let mut tcp = Tcp::plain();
    tcp.client(b"\xc0\x00");
    let timeline = show(&tcp.frames);
    let refused = |connection| {
        record_connection(&timeline, connection, Recorder::new(Memory::default())).unwrap_err().to_string()
    };
    assert_eq!(refused(0), "there is no connection 0");
    assert_eq!(refused(2), "there is no connection 2");
    assert_eq!(refused(1), "the connection does not begin with a CONNECT");
}

/// Ten thousand packets and what they take.
#[test]
fn a_page_of_ten_thousand_packets_stays_small() {
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&packet(
        &json!({"packet":"CONNECT","clean_start":true,"keep_alive":0,"client_identifier":"x"}),
        V5,
    ));
    tcp.server(b"\x20\x03\x00\x00\x00");
    for index in 0..5000_u16 {
        let publish = json!({"packet":"PUBLISH","qos":1,"topic_name":"a/b","packet_identifier":index + 1,"payload":"21.5"});
        tcp.client(&packet(&publish, V5));
        tcp.server(&[0x40, 2, (index + 1).to_be_bytes()[0], (index + 1).to_be_bytes()[1]]);
    }
    let page = page(&show(&tcp.frames), "many");
    assert_eq!(data(&page)["entries"].as_array().unwrap().len(), 10_003);
    assert!(page.len() < 5_000_000, "{}", page.len());
}
