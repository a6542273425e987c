//! `sterna pub` over every transport, and with every option of TLS.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{LineEnding, PrivateKeyInfoRef, SecretDocument};
use sterna_simulator::broker::{Authentication, Options};
use sterna_simulator::{TestBroker, TestCertificates};
use support::{Ended, Served, TemporaryFile, sterna};

fn publish(options: &[&str]) -> Ended {
    sterna(&[&["pub", "-t", "t", "-m", "x", "-q", "1", "-W", "60"], options].concat())
}

// R: CLI-01
#[test]
fn tls_believes_whom_it_is_told_to() {
    let certificates = TestCertificates::new();
    let broker = Served::start(TestBroker::builder().tls(&certificates.server, None));
    let port = broker.port();
    let authority = TemporaryFile::new("ca.pem", &certificates.authority);
    publish(&["-p", &port, "--cafile", authority.path()]).expect(0);
    publish(&[&format!("mqtts://127.0.0.1:{port}"), "--ca", authority.path()]).expect(0);
    publish(&["-h", "127.0.0.1", "-p", &port, "--cafile", authority.path(), "--server-name", "localhost"])
        .expect(0);
    publish(&["-p", &port, "--tls", "--insecure"]).expect(0);
    for version in ["tlsv1.2", "1.3"] {
        publish(&["-p", &port, "--cafile", authority.path(), "--tls-version", version]).expect(0);
    }
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let folder_name = folder.to_str().expect("text");
    publish(&["-p", &port, "--capath", folder_name]).expect(2).error();
    std::fs::write(folder.join("one.crt"), &certificates.authority).expect("a file");
    publish(&["-p", &port, "--capath", folder_name]).expect(0);
    std::fs::remove_dir_all(&folder).expect("it is removed");

    for wrong in [&["--tls"][..], &["--cafile", authority.path(), "--server-name", "elsewhere.invalid"]] {
        let ended = publish(&[&["-p", &port], wrong].concat()).expect(1);
        assert!(ended.error().contains("certificate"), "{ended:?}");
    }
    publish(&[&format!("mqtt://localhost:{port}"), "--cafile", authority.path()]).expect(2).error();
    publish(&["--cafile", "/nonexistent"]).expect(2).error();
}

fn encrypted(key: &str, passphrase: &str) -> String {
    let (_, der) = SecretDocument::from_pem(key).expect("PEM");
    let key = PrivateKeyInfoRef::try_from(der.as_bytes()).expect("a key");
    let parameters =
        Parameters::generate_pbkdf2_sha256_aes256cbc(1_000, b"saltsalt", [7; 16]).expect("lawful");
    let document = key.encrypt_with_params(parameters, passphrase).expect("it is encrypted");
    document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).expect("PEM").to_string()
}

// R: CLI-01
#[test]
fn a_client_shows_its_certificate() {
    let certificates = TestCertificates::new();
    let builder = TestBroker::builder().tls(&certificates.server, Some(&certificates.authority));
    let broker = Served::start(builder);
    let port = broker.port();
    let authority = TemporaryFile::new("mutual-ca.pem", &certificates.authority);
    let certificate = TemporaryFile::new("client.pem", &certificates.client.certificate);
    let key = TemporaryFile::new("client.key", &certificates.client.key);
    let both = format!("{}{}", certificates.client.certificate, certificates.client.key);
    let both = TemporaryFile::new("both.pem", &both);
    let secret = TemporaryFile::new("secret.key", &encrypted(&certificates.client.key, "open sesame"));
    let passphrase = TemporaryFile::new("passphrase", "open sesame\n");
    let server = ["-p", &port, "--cafile", authority.path()];
    let with = |options: &[&str]| publish(&[&server[..], options].concat());
    with(&["--cert", certificate.path(), "--key", key.path()]).expect(0);
    with(&["--cert", both.path()]).expect(0);
    let cert = ["--cert", certificate.path(), "--key", secret.path()];
    with(&[&cert[..], &["--key-passphrase-file", passphrase.path()]].concat()).expect(0);
    with(&[&cert[..], &["--key-passphrase", "open sesame"]].concat()).expect(0);
    with(&[&cert[..], &["--key-passphrase", "wrong"]].concat()).expect(2).error();
    with(&cert).expect(2).error();
    with(&["--key", key.path()]).expect(2).error();
    with(&[]).expect(1);
}

// R: CLI-01
#[test]
fn a_websocket_has_a_path_headers_and_a_subprotocol() {
    let certificates = TestCertificates::new();
    let authority = TemporaryFile::new("ws-ca.pem", &certificates.authority);
    let plain = Served::start(TestBroker::builder().websocket());
    let encrypted = Served::start(TestBroker::builder().websocket().tls(&certificates.server, None));
    let port = plain.port();
    let ways: [&[&str]; 3] = [
        &["--ws", "-p", &port, "--ws-path", "/mqtt?token=1"],
        &["--protocol", "ws", "-p", &port, "--path", "mqtt?token=1"],
        &[&format!("ws://localhost:{port}/mqtt?token=1")],
    ];
    for way in ways {
        publish(&[way, &["-H", "Authorization: Bearer abc", "--ws-subprotocol", "mqtt"]].concat()).expect(0);
    }
    for upgrade in plain.model.upgrades() {
        assert_eq!((&*upgrade.path, &*upgrade.protocol), ("/mqtt?token=1", "mqtt"));
        let is_token = |(name, value): &(String, String)| name == "authorization" && value == "Bearer abc";
        assert!(upgrade.headers.iter().any(is_token), "{upgrade:?}");
    }
    publish(&["--ws", "-p", &encrypted.port(), "--cafile", authority.path()]).expect(0);
    publish(&["-p", &port, "-H", "A: b"]).expect(2).error();
}

// R: CLI-01
#[test]
fn a_unix_socket_is_reached() {
    let path = std::env::temp_dir().join(format!("sterna cli {}.sock", std::process::id()));
    let broker = Served::start(TestBroker::builder().unix(&path));
    publish(&["--unix", path.to_str().expect("text")]).expect(0);
    publish(&[&broker.model.url()]).expect(0);
}

// R: CLI-01
#[test]
fn scram_proves_both_sides() {
    let authentication = Some(Authentication::scram_sha256("ann", "hush-hush"));
    let broker =
        Served::start(TestBroker::builder().options(Options { authentication, ..Options::default() }));
    let url = broker.model.url();
    publish(&[&url, "--scram", "-u", "ann", "-P", "hush-hush"]).expect(0);
    publish(&[&url.replace("mqtt://", "mqtt://ann:hush-hush@"), "--scram"]).expect(0);
    publish(&[&url, "--scram", "-u", "ann", "-P", "wrong"]).expect(135).error();
    publish(&[&url, "--scram", "-u", "ann"]).expect(2).error();
    publish(&[&url, "--scram", "-u", "ann", "-P", "x", "-V", "3.1.1"]).expect(2).error();
}

/// An HTTP proxy for one connection; gives the server that it was asked for.
fn proxy() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        let mut lines = BufReader::with_capacity(1, client.try_clone().expect("a handle")).lines();
        let first = lines.next().and_then(Result::ok).expect("a request");
        while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
        let target = first.split(' ').nth(1).expect("CONNECT host:port").to_owned();
        let server = TcpStream::connect(&target).expect("the server");
        (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("an answer");
        let copy = |mut from: &TcpStream, mut to: &TcpStream| {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| copy(&server, &client));
            copy(&client, &server);
        });
        target
    });
    (url, served)
}

// R: CLI-01
#[test]
fn a_proxy_is_gone_through() {
    let broker = Served::start(TestBroker::builder());
    let url = broker.model.url();
    let (proxy, served) = proxy();
    publish(&[&url, "--proxy", &proxy]).expect(0);
    assert_eq!(format!("mqtt://{}", served.join().expect("it served")), url);
    publish(&[&url, "--proxy", "ftp://localhost"]).expect(2).error();
}

// R: CLI-01
#[test]
fn the_next_server_is_tried() {
    let broker = Served::start(TestBroker::builder());
    // Nothing listens at port 1.
    publish(&["mqtt://127.0.0.1:1", "--server", &broker.model.url(), "--retry-first"]).expect(0);
    let ended = publish(&["mqtt://127.0.0.1:1", "--connect-timeout", "nonsense"]).expect(2);
    assert!(ended.error().contains("number of seconds"), "{ended:?}");
}
