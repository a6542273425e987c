//! Where options come from, and where secrets do not go.

mod support;

use std::process::Command;

use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Credentials, Options};
use support::{Broker, Ended, Sterna, TemporaryFile, sterna};

/// Runs it with these variables.
fn sterna_in(variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    Sterna::start_with(arguments, |command| command.envs(variables.iter().copied())).end()
}

fn user(broker: &Broker, client: &str) -> String {
    let record = broker.wait_for(client, PacketType::Connect, 1);
    let Packet::Connect(connect) = record.packet() else { panic!("{record:?}") };
    connect.user_name.unwrap_or_default().to_owned()
}

// R: CLI-03
#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let broker = Broker::start();
    let url = format!(
        "url = \"{}\"\nusername = \"file\"\n[pub]\ntopic = \"t\"\nqos = 1\nretain = true",
        broker.url()
    );
    let file = TemporaryFile::new("options.toml", &url);
    let variables = [("STERNA_OPTIONS_FILE", file.path())];
    sterna_in(&variables, &["pub", "-m", "x", "-i", "one"]).expect(0);
    let record = broker.wait_for("one", PacketType::Publish, 1);
    let Packet::Publish(publish) = record.packet() else { panic!("{record:?}") };
    assert_eq!((publish.topic, publish.qos as u8, publish.retain), ("t", 1, true));
    assert_eq!(user(&broker, "one"), "file");

    let variables = [("STERNA_OPTIONS_FILE", file.path()), ("STERNA_USERNAME", "environment")];
    sterna_in(&variables, &["pub", "-m", "x", "-i", "two"]).expect(0);
    assert_eq!(user(&broker, "two"), "environment");
    sterna_in(&variables, &["pub", "-m", "x", "-i", "three", "-u", "words"]).expect(0);
    assert_eq!(user(&broker, "three"), "words");
    // The option that names the file goes before the variable, and no name is no file.
    let arguments = ["pub", "-m", "x", "-t", "t", "-i", "four", &broker.url(), "--options-file", ""];
    sterna_in(&variables, &arguments).expect(0);
    assert_eq!(user(&broker, "four"), "environment");
}

// R: CLI-03
#[test]
fn what_excludes_an_option_takes_its_place() {
    let broker = Broker::start();
    let (url, port) = (broker.url(), broker.port());
    let variables = [("STERNA_URL", "mqtt://elsewhere.invalid/topic")];
    sterna_in(&variables, &["pub", "-m", "x", "-t", "t", &url]).expect(0);
    sterna_in(&variables, &["pub", "-m", "x", "-t", "t", "-L", &url]).expect(0);
    sterna_in(&variables, &["pub", "-m", "x", "-t", "t", "-h", "127.0.0.1", "-p", &port]).expect(0);
    // From the environment too, over the file's.
    let file = TemporaryFile::new("elsewhere.toml", "host = \"elsewhere.invalid\"\ntls = true");
    let variables = [("STERNA_OPTIONS_FILE", file.path()), ("STERNA_URL", &url)];
    sterna_in(&variables, &["pub", "-m", "x", "-t", "t"]).expect(0);
    // Lists and switches.
    let text = "property = [[\"connect\", \"user-property\", \"k\", \"v\"]]\n[pub]\nnull-message = true";
    let file = TemporaryFile::new("lists.toml", text);
    let variables = [("STERNA_OPTIONS_FILE", file.path()), ("STERNA_DEBUG", "true")];
    let ended = sterna_in(&variables, &["pub", &url, "-t", "t", "-i", "lists"]).expect(0);
    assert!(ended.errors.iter().any(|line| line.contains("sent CONNECT")), "{ended:?}");
    let record = broker.wait_for("lists", PacketType::Connect, 1);
    let Packet::Connect(connect) = record.packet() else { panic!("{record:?}") };
    assert_eq!(connect.properties.user_properties().collect::<Vec<_>>(), [("k", "v")]);
    // A message on the command line instead of the file's.
    sterna_in(&variables, &["pub", &url, "-t", "t", "-i", "message", "-m", "x"]).expect(0);
    let record = broker.wait_for("message", PacketType::Publish, 1);
    let Packet::Publish(publish) = record.packet() else { panic!("{record:?}") };
    assert_eq!(publish.payload, b"x");
}

// R: CLI-03
#[test]
fn a_wrong_file_is_told_without_its_content() {
    let secret = "hush-hush";
    for text in [
        "password = \"hush-hush",
        "pasword = \"hush-hush\"",
        "topic = \"t\"",
        "[pub]\nnonsense = \"hush-hush\"",
        "[nonsense]\n",
        "debug = \"hush-hush\"",
        "username = 2020-01-01",
        "host = \"a\"\nunix = \"b\"",
    ] {
        let file = TemporaryFile::new("wrong.toml", text);
        let ended =
            sterna_in(&[("STERNA_OPTIONS_FILE", file.path())], &["pub", "-t", "t", "-m", "x"]).expect(2);
        assert!(ended.error().contains("wrong.toml") && !ended.error().contains(secret), "{text}: {ended:?}");
    }
    sterna_in(&[("STERNA_OPTIONS_FILE", "/nonexistent")], &["sub", "-t", "t"]).expect(2).error();
    sterna_in(&[("STERNA_DEBUG", "perhaps")], &["sub", "-t", "t"]).expect(2).error();
    // Commands without a connection do not read it.
    sterna_in(&[("STERNA_OPTIONS_FILE", "/nonexistent")], &["packet", "decode", "d000"]).expect(0);
}

fn guarded() -> Broker {
    Broker::with(Options {
        credentials: Credentials::default().allow("ann", "hush-hush"),
        ..Options::default()
    })
}

// R: CLI-01 CLI-03
#[test]
fn a_password_comes_from_a_file_the_environment_or_the_terminal() {
    let broker = guarded();
    let url = broker.url();
    let file = TemporaryFile::new("password", "hush-hush\r\nmore\n");
    let publish = ["pub", &url, "-t", "t", "-m", "x", "-q", "1", "-u", "ann"];
    sterna(&publish).expect(134);
    sterna(&[&publish[..], &["--password-file", file.path()]].concat()).expect(0);
    sterna_in(&[("STERNA_PASSWORD", "hush-hush")], &publish).expect(0);
    // What is nearer by excludes the other ways.
    sterna_in(&[("STERNA_PASSWORD", "wrong")], &[&publish[..], &["--password-file", file.path()]].concat())
        .expect(0);
    sterna(&[&publish[..], &["--password-file", "/nonexistent"]].concat()).expect(2).error();
    sterna(&[&publish[..], &["--password-file", file.path(), "-P", "x"]].concat()).expect(2).error();
}

/// A terminal of its own by `script`, which is part of every Linux.
#[cfg(target_os = "linux")]
fn at_a_terminal(arguments: &[&str], typed: &str) -> (Option<i32>, String) {
    use std::io::Write;
    let words: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("exec '{}' {}", env!("CARGO_BIN_EXE_sterna"), words.join(" "));
    let mut script = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("STERNA_OPTIONS_FILE", "")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("`script` is there");
    script.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it is written");
    let output = script.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

// R: CLI-01
#[test]
#[cfg(target_os = "linux")]
fn a_password_is_asked_for_and_not_echoed() {
    let broker = guarded();
    let url = broker.url();
    let publish = ["pub", &url, "-t", "t", "-m", "x", "-q", "1", "-u", "ann", "--ask-password"];
    // The terminal itself may echo what is typed before the prompt switches that off; what sterna writes has no secret.
    let (status, shown) = at_a_terminal(&publish, "hush-hush\n");
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("Password: "), "{shown}");
    let after = shown.split("Password: ").last().expect("the prompt");
    assert!(!after.contains("hush-hush"), "{shown}");
    let (status, shown) = at_a_terminal(&publish, "wrong\n");
    assert_eq!(status, Some(134), "{shown}");
}

// R: CLI-01 OBS-01
#[test]
fn secrets_are_in_no_message() {
    let broker = guarded();
    let url = broker.url();
    let with_password = url.replace("mqtt://", "mqtt://ann:hush-hush@");
    let runs: &[&[&str]] = &[
        &["pub", &with_password, "-t", "t", "-m", "x", "-d", "--log", "trace"],
        &["pub", &url, "-u", "ann", "-P", "hush-hush", "-t", "t", "-m", "x", "-d", "--log", "trace"],
        &["pub", &url, &with_password, "-t", "t", "-m", "x"],
        &["sub", &url, "-q", &with_password, "-t", "t"],
        &["pub", "-h", "ann:hush-hush@localhost", "-t", "t", "-m", "x"],
        &["pub", &format!("{with_password}:9999999"), "-t", "t", "-m", "x"],
        &["pub", &url, "--header", "hush-hush", "-t", "t", "-m", "x"],
        &["pub", "ws://localhost", "--header", "Authorization\n: hush-hush", "-t", "t", "-m", "x"],
        &["pub", &url, "--proxy", "ftp://ann:hush-hush@localhost", "-t", "t", "-m", "x"],
        &["pub", &url, "-u", "ann", "-P", "hush-hush", "--key-passphrase", "hush-hush", "-t", "t", "-m", "x"],
    ];
    for arguments in runs {
        let ended = sterna(arguments);
        assert!(!format!("{ended:?}").contains("hush-hush"), "{arguments:?}: {ended:?}");
    }
}

// R: OBS-01
#[test]
fn the_log_is_quiet_unless_it_is_asked_for() {
    let broker = Broker::start();
    let url = broker.url();
    let publish = ["pub", &url, "-t", "t", "-m", "x", "-i", "logger"];
    assert!(sterna(&publish).expect(0).errors.is_empty());
    let says = |ended: Ended, text: &str| {
        assert!(ended.errors.iter().any(|line| line.contains(text) && line.contains("logger")), "{ended:?}");
    };
    says(sterna(&[&publish[..], &["--log", "info"]].concat()).expect(0), "connected");
    says(sterna_in(&[("RUST_LOG", "sterna=info")], &publish).expect(0), "connected");
    says(sterna_in(&[("RUST_LOG", "off"), ("STERNA_LOG", "info")], &publish).expect(0), "connected");
    assert!(sterna_in(&[("RUST_LOG", "elsewhere=info")], &publish).expect(0).errors.is_empty());
    sterna(&[&publish[..], &["--log", "sterna=loud"]].concat()).expect(2).error();
}

// R: CLI-03
#[test]
fn completions_and_manual_pages_are_written() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sterna(&["completions", shell]).expect(0);
        assert!(script.text().contains("will-topic"), "{shell}");
    }
    let bash = TemporaryFile::new("completions.bash", sterna(&["completions", "bash"]).expect(0).text());
    assert!(Command::new("bash").args(["-n", bash.path()]).status().is_ok_and(|status| status.success()));
    assert!(sterna(&["man"]).expect(0).text().contains(".TH sterna 1"));
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("man-{}", std::process::id()));
    sterna(&["man", "--folder", folder.to_str().expect("text")]).expect(0);
    for page in ["sterna.1", "sterna-pub.1", "sterna-bench-sub.1"] {
        let text = std::fs::read_to_string(folder.join(page)).expect(page);
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    std::fs::remove_dir_all(&folder).expect("it is removed");
    sterna(&["completions", "nonsense"]).expect(2).error();
}

// R: CLI-01
#[test]
fn help_names_no_default_that_is_a_secret() {
    let help = sterna_in(&[("STERNA_PASSWORD", "hush-hush")], &["pub", "--help"]).expect(0);
    assert!(help.text().contains("--password-file") && !help.text().contains("hush-hush"));
}
