//! A socket that takes nothing any more, below a pipe that has something to say.
#![cfg(all(feature = "proxy", feature = "tls"))]

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use sterna_client::{Client, ClientBuilder, Engine, Instant, Proxy, Runtime, Step, TlsOptions};

#[derive(Clone, Default)]
struct Bench(Arc<Mutex<Option<Engine>>>);

impl Runtime for Bench {
    type Error = Infallible;

    fn start(self, engine: Engine) -> Result<(), Infallible> {
        *self.0.lock().unwrap() = Some(engine);
        Ok(())
    }
}

struct Broken;

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client that is about to write to the socket that it has just dialled.
fn opening(configure: impl FnOnce(Bench) -> ClientBuilder<Bench>) -> (Engine, Client) {
    let bench = Bench::default();
    let client = configure(bench.clone()).build().unwrap();
    let mut engine = bench.0.lock().unwrap().take().unwrap();
    let mut connecting = Box::pin(client.connect());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(connecting.as_mut(), &mut cx).is_pending());
    // It would be closed with the future.
    std::mem::forget(connecting);
    loop {
        match engine.poll(Instant::ZERO) {
            Step::Dial { dial, .. } => engine.handle_dialled(dial, Ok::<(), io::Error>(())),
            Step::Transfer { write: true, .. } => return (engine, client),
            step => assert!(matches!(step, Step::Transfer { .. }), "{step:?}"),
        }
    }
}

// R: REC-01
#[test]
fn what_cannot_be_written_is_tried_once() {
    let proxy = Proxy::parse("http://127.0.0.1:3128").unwrap();
    let (mut engine, _client) = opening(|bench| ClientBuilder::new("mqtt://127.0.0.1", bench).proxy(proxy));
    assert!(engine.write(&mut Broken), "it is told of");
    // A driver that says goodbye writes as long as something moves.
    assert!(!engine.write(&mut Broken), "nothing moves any more");
}

// R: REC-01, RUN-05
#[test]
fn a_goodbye_that_cannot_be_said_is_tried_once() {
    let tls = TlsOptions::new().dangerous_no_verification();
    let (mut engine, _client) = opening(|bench| ClientBuilder::new("mqtts://127.0.0.1", bench).tls(tls));
    while engine.write(&mut io::sink()) {}
    assert!(engine.read(&mut &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]), "this is not TLS");
    assert!(!engine.read(&mut &b"more"[..]), "nothing is read behind it");
    assert!(matches!(engine.poll(Instant::ZERO), Step::Shutdown));
    let mut said = Vec::new();
    assert!(engine.write(&mut said) && !said.is_empty(), "an alert");
    assert!(!engine.write(&mut said));
    assert!(matches!(engine.poll(Instant::ZERO), Step::Close));
    assert!(!engine.write(&mut said));

    let tls = TlsOptions::new().dangerous_no_verification();
    let (mut engine, _client) = opening(|bench| ClientBuilder::new("mqtts://127.0.0.1", bench).tls(tls));
    while engine.write(&mut io::sink()) {}
    assert!(engine.read(&mut &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]));
    assert!(matches!(engine.poll(Instant::ZERO), Step::Shutdown));
    engine.write(&mut Broken);
    assert!(!engine.write(&mut Broken), "nothing moves any more");
    assert!(matches!(engine.poll(Instant::ZERO), Step::Close));
}
