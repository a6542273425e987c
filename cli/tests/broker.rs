//! `sterna broker`, as a user runs it.

mod support;

use support::{Sterna, sterna};

// R: CLI-05
#[test]
fn it_prints_its_url_and_serves() {
    for signal in ["INT", "TERM"] {
        let mut broker = Sterna::start(&["broker", "--listen", "127.0.0.1:0"]);
        let url = broker.read_lines(1).remove(0);
        assert!(url.starts_with("mqtt://127.0.0.1:") && !url.ends_with(":0"), "{url}");
        sterna(&["pub", &url, "-t", "a", "-m", "x", "-r", "-q", "1"]).expect(0);
        let heard = sterna(&["sub", &url, "-t", "a", "-C", "1", "-W", "60"]).expect(0);
        assert_eq!(heard.text(), "x\n");
        broker.signal(signal);
        assert!(broker.end().expect(0).error().contains("not for production"));
    }
}

// R: CLI-05
#[test]
fn it_stays_on_this_machine() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ended = sterna(&["broker", "--listen", address]).expect(2);
        assert!(ended.error().contains("--allow-remote"), "{ended:?}");
    }
    sterna(&["broker", "--listen", "nonsense"]).expect(2);
}

// R: CLI-05
#[test]
fn a_port_in_use_is_a_failure() {
    let mut first = Sterna::start(&["broker", "--listen", "127.0.0.1:0"]);
    let url = first.read_lines(1).remove(0);
    let ended = sterna(&["broker", "--listen", url.trim_start_matches("mqtt://")]).expect(1);
    assert!(ended.error().starts_with("cannot listen on"), "{ended:?}");
}

// R: CLI-01
#[test]
fn help_and_version_are_no_failure() {
    for arguments in
        [&["--help"][..], &["pub", "--help"], &["sub", "--help"], &["broker", "--help"], &["help"]]
    {
        let ended = sterna(arguments).expect(0);
        assert!(ended.text().contains("Examples:"), "{ended:?}");
    }
    assert_eq!(sterna(&["--version"]).expect(0).text(), concat!("sterna ", env!("CARGO_PKG_VERSION"), "\n"));
}
