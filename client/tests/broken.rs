//! A socket that takes nothing any more, below a pipe that has something to say.
#![cfg(feature = "proxy")]

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use sterna_client::{ClientBuilder, Engine, Instant, Proxy, Runtime, Step};

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

// R: REC-01
#[test]
fn what_cannot_be_written_is_tried_once() {
    let bench = Bench::default();
    let proxy = Proxy::parse("http://127.0.0.1:3128").unwrap();
    let client = ClientBuilder::new("mqtt://127.0.0.1", bench.clone()).proxy(proxy).build().unwrap();
    let mut engine = bench.0.lock().unwrap().take().unwrap();
    let mut connecting = Box::pin(client.connect());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::future::Future::poll(connecting.as_mut(), &mut cx).is_pending());
    loop {
        match engine.poll(Instant::ZERO) {
            Step::Dial { dial, .. } => engine.handle_dialled(dial, Ok::<(), io::Error>(())),
            Step::Transfer { write: true, .. } => break,
            step => assert!(matches!(step, Step::Transfer { .. }), "{step:?}"),
        }
    }
    assert!(engine.write(&mut Broken), "it is told of");
    // A driver that says goodbye writes as long as something moves.
    assert!(!engine.write(&mut Broken), "nothing moves any more");
}
