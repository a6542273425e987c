//! Carries out the engine's steps, and decides nothing.

use std::any::Any;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use sterna_client::{DialId, Engine, Step, Target, sockets};

use crate::net::{Done, Helpers, Interrupt, MakeStream, Socket, Stream};

/// The token of interrupts; sockets have the others.
const INTERRUPT: Token = Token(0);
const EVENTS: usize = 16;
/// A deadline beyond this wakes the driver in between: the system's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// A connection on its way.
enum Dial {
    Tcp(TcpStream, Token),
    /// The application's own, on another thread.
    Made,
}

/// How far the driver got without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// As far as it goes: now it would wait.
    Idle,
    /// It was to stop.
    Stopped,
    /// The engine is finished.
    Finished,
}

/// Drives one client until its engine is finished.
pub(crate) struct Driver {
    engine: Engine,
    make_stream: Option<MakeStream>,
    poll: Poll,
    events: Events,
    interrupt: Arc<Interrupt>,
    /// The same, for the engine.
    waker: Waker,
    origin: Instant,
    helpers: Helpers,
    last_token: usize,
    /// How many names were asked for, and whether an answer is waited for.
    questions: u64,
    resolving: bool,
    dials: Vec<(DialId, Dial)>,
    up: Option<Socket>,
}

impl Driver {
    /// # Errors
    /// The system has no means to wait for the network.
    pub(crate) fn new(engine: Engine, make_stream: Option<MakeStream>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let interrupt = Arc::new(Interrupt(mio::Waker::new(poll.registry(), INTERRUPT)?));
        Ok(Self {
            engine,
            make_stream,
            poll,
            events: Events::with_capacity(EVENTS),
            waker: Waker::from(interrupt.clone()),
            helpers: Helpers::new(interrupt.clone()),
            interrupt,
            origin: Instant::now(),
            last_token: INTERRUPT.0,
            questions: 0,
            resolving: false,
            dials: Vec::new(),
            up: None,
        })
    }

    pub(crate) fn interrupt(&self) -> Arc<Interrupt> {
        self.interrupt.clone()
    }

    /// Drives to the end. What goes wrong ends the client, which tells its users.
    pub(crate) fn run(mut self) {
        let end = catch_unwind(AssertUnwindSafe(|| {
            while self.carry_on(|| false) != Progress::Finished {
                self.wait(None)?;
            }
            io::Result::Ok(())
        }));
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(&error),
            Err(panic) => self.fail(&describe(&*panic)),
        }
    }

    /// Carries on, waits once, up to the deadline, if `stop` does not say that there is something better to do, and
    /// carries on; whether the engine is finished.
    pub(crate) fn turn(&mut self, deadline: Option<Instant>, stop: impl Fn() -> bool) -> bool {
        let late = || stop() || deadline.is_some_and(|deadline| deadline <= Instant::now());
        match self.carry_on(late) {
            Progress::Idle if !stop() => match self.wait(deadline) {
                Ok(()) => self.carry_on(late) == Progress::Finished,
                Err(error) => {
                    self.engine.fail(&error);
                    true
                }
            },
            progress => progress == Progress::Finished,
        }
    }

    fn fail(mut self, error: &dyn fmt::Display) {
        self.engine.fail(error);
    }

    /// Does all that takes no waiting, until `stop` is true.
    pub(crate) fn carry_on(&mut self, stop: impl Fn() -> bool) -> Progress {
        // What has come is read before the time is looked at.
        let mut has_moved = self.collect();
        loop {
            let now = sterna_client::Instant::ZERO + self.origin.elapsed();
            match self.engine.poll(now) {
                Step::Resolve { host, port } => self.resolve(host, port),
                Step::Dial { dial, target } => self.dial(dial, target),
                Step::Transfer { read, write } => {
                    // What was read is understood by now.
                    if has_moved && stop() {
                        return Progress::Stopped;
                    }
                    if !self.transfer(read, write) {
                        return Progress::Idle;
                    }
                    has_moved = true;
                }
                Step::Commit(commit) => self.helpers.commit(commit),
                Step::Shutdown => self.shut_down(),
                Step::Close => self.close(),
                Step::Finished => return Progress::Finished,
            }
        }
    }

    /// Waits for the network, the engine's deadline, an interrupt, or the caller's deadline.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        if !self.engine.sleep(&self.waker) {
            return Ok(());
        }
        let timer =
            self.engine.deadline().map(|at| self.origin + (at - sterna_client::Instant::ZERO).min(FAR));
        let until = timer.into_iter().chain(deadline).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if let Some(socket) = self.up.as_mut().filter(|socket| socket.token == event.token()) {
                socket.handle(event);
            }
        }
        Ok(())
    }

    fn transfer(&mut self, read: bool, write: bool) -> bool {
        let collected = self.collect();
        let Some(socket) = &mut self.up else { return collected };
        socket.watch(self.poll.registry(), read);
        let written = write && socket.writable && self.engine.write(socket);
        let read = read && socket.readable && self.engine.read(socket);
        collected || written || read
    }

    /// Tells the engine what has ended elsewhere; whether anything has.
    fn collect(&mut self) -> bool {
        let done: Vec<_> = self.helpers.done().collect();
        let mut moved = !done.is_empty();
        for done in done {
            match done {
                Done::Resolved(question, result) if self.resolving && question == self.questions => {
                    self.resolving = false;
                    self.engine.handle_resolved(result);
                }
                Done::Made(dial, result) => self.handle_made(dial, result),
                Done::Committed(committed) => self.engine.handle_committed(committed),
                Done::Resolved(..) => {}
            }
        }
        for at in (0..self.dials.len()).rev() {
            let Some((_, Dial::Tcp(stream, _))) = self.dials.get(at) else { continue };
            let result = sockets::is_connected(stream);
            if !matches!(result, Ok(false)) {
                let (dial, connection) = self.dials.swap_remove(at);
                let Dial::Tcp(stream, token) = connection else { continue };
                self.dialled(dial, result.map(|_| Socket::new(Box::new(stream), token)));
                moved = true;
            }
        }
        moved
    }

    fn resolve(&mut self, host: Box<str>, port: u16) {
        self.questions += 1;
        match self.helpers.resolve(self.questions, host, port) {
            Ok(()) => self.resolving = true,
            Err(error) => self.engine.handle_resolved(Err::<[SocketAddr; 0], _>(error)),
        }
    }

    fn dial(&mut self, dial: DialId, target: Target) {
        let begun = match (target, &self.make_stream) {
            (Target::Tcp(address), _) => self.dial_tcp(dial, address),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => mio::net::UnixStream::connect(path).and_then(|mut stream| {
                let token = self.register(&mut stream)?;
                self.dialled(dial, Ok(Socket::new(Box::new(stream), token)));
                Ok(())
            }),
            (Target::Stream(endpoint), Some(make)) => {
                let begun = self.helpers.make(dial, make.clone(), *endpoint);
                self.dials.push((dial, Dial::Made));
                begun
            }
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => {
                Err(io::Error::new(ErrorKind::Unsupported, format!("{other} cannot be dialled here")))
            }
        };
        if let Err(error) = begun {
            self.dialled(dial, Err(error));
        }
    }

    fn dial_tcp(&mut self, dial: DialId, address: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::from_std(sockets::connect(address, self.engine.socket_options())?);
        let token = self.register(&mut stream)?;
        self.dials.push((dial, Dial::Tcp(stream, token)));
        Ok(())
    }

    fn handle_made(&mut self, dial: DialId, result: io::Result<Box<dyn Stream>>) {
        let waiting = self.dials.len();
        self.dials.retain(|(other, _)| *other != dial);
        if self.dials.len() == waiting {
            return; // It comes too late.
        }
        let made = result.and_then(|mut stream| {
            let token = self.register(&mut stream)?;
            Ok(Socket::new(stream, token))
        });
        self.dialled(dial, made);
    }

    fn register(&mut self, source: &mut impl Source) -> io::Result<Token> {
        self.last_token += 1;
        let token = Token(self.last_token);
        self.poll.registry().register(source, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(token)
    }

    /// The first that succeeds is the connection.
    fn dialled(&mut self, dial: DialId, result: io::Result<Socket>) {
        let result = result.map(|socket| {
            self.dials.clear();
            self.up = Some(socket);
        });
        self.engine.handle_dialled(dial, result);
    }

    fn shut_down(&mut self) {
        let Some(socket) = &mut self.up else { return };
        while self.engine.write(socket) {}
        // If that fails the connection is gone, and reading will tell.
        let _ = socket.stream.shut_down();
    }

    fn close(&mut self) {
        self.resolving = false;
        self.dials.clear();
        if let Some(mut socket) = self.up.take() {
            // It is closed in any case.
            let _ = self.poll.registry().deregister(&mut socket.stream);
        }
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|it| &**it));
    format!("the client's driver panicked: {}", text.unwrap_or("it did not say why"))
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("engine", &self.engine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sterna_client::{Blocking, BlockingRuntime, ClientBuilder, ConnectError};
    use sterna_simulator::ThreadedBroker;

    use super::*;
    use crate::Client;
    use crate::waiter::Waiter;

    /// A thread that counts how often it wakes.
    struct Counting(Arc<AtomicUsize>);

    impl sterna_client::Runtime for Counting {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            let mut driver = Driver::new(engine, None).unwrap();
            std::thread::spawn(move || {
                while driver.carry_on(|| false) != Progress::Finished {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    driver.wait(None).unwrap();
                }
            });
            Ok(())
        }
    }

    impl BlockingRuntime for Counting {
        type Client = Client;

        fn on_this_thread(self) -> Self {
            self
        }

        fn build(builder: ClientBuilder<Self, Blocking>) -> Result<Client, ConnectError> {
            Ok(Client::new(builder.start()?, Waiter::new(None)))
        }

        fn connect(client: &Client) -> Result<(), ConnectError> {
            client.connect().wait()
        }
    }

    fn wakes_while_idle(keep_alive: Duration, window: Duration) -> usize {
        let broker = ThreadedBroker::start().unwrap();
        let wakes = Arc::new(AtomicUsize::new(0));
        let builder = ClientBuilder::blocking(&broker.url(), Counting(wakes.clone())).keep_alive(keep_alive);
        let client = builder.connect().unwrap();
        let mut inbox = client.subscribe("a").wait().unwrap();
        client.publish("a", "x").wait().unwrap();
        inbox.recv().unwrap();
        // Until the buffers are given back.
        std::thread::sleep(Duration::from_millis(2_500));
        wakes.store(0, Ordering::Relaxed);
        // Somebody waits all the time.
        assert!(inbox.recv_timeout(window).is_err());
        wakes.load(Ordering::Relaxed)
    }

    /// LESSONS 17: a blocking client that spins when idle.
    #[test]
    fn an_idle_client_does_not_wake_between_its_deadlines() {
        assert_eq!(wakes_while_idle(Duration::ZERO, Duration::from_secs(2)), 0);
        // For each ping: its deadline, its answer, and two looks at whether the buffers are idle.
        let wakes = wakes_while_idle(Duration::from_secs(2), Duration::from_secs(5));
        assert!((2..=3 * 6).contains(&wakes), "{wakes} wakes");
    }
}
