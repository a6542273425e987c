//! The runtimes behind one face: a client on any of them, and tasks.
//!
//! The brokers and the clock of the tests are tokio's; the scenarios, their tasks and the clients belong to the runtime of
//! the cell.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use sterna::Engine;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::cell::Runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The runtime did not start the client.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct StartError(Error);

impl sterna::Runtime for Runtime {
    type Error = StartError;

    fn start(self, engine: Engine) -> Result<(), StartError> {
        let started = match self {
            Self::Tokio => sterna::tokio::Runtime::default().start(engine).map_err(Error::from),
            Self::Smol => sterna::smol::runtime().start(engine).map_err(Error::from),
            Self::AsyncStd => sterna::async_std::runtime().start(engine).map_err(Error::from),
            Self::Blocking => sterna::blocking::Runtime::default().start(engine).map_err(Error::from),
        };
        started.map_err(StartError)
    }
}

impl Runtime {
    /// Runs a scenario to its end, in the context of the tokio runtime `harness`.
    pub(crate) fn block_on<T>(
        self,
        harness: &tokio::runtime::Runtime,
        scenario: impl Future<Output = T>,
    ) -> T {
        let _entered = (self != Self::Tokio).then(|| harness.enter());
        match self {
            Self::Tokio => harness.block_on(scenario),
            Self::Smol => smol::block_on(scenario),
            Self::AsyncStd => async_std::task::block_on(scenario),
            Self::Blocking => wait_for(scenario),
        }
    }

    /// Starts a task.
    pub(crate) fn spawn<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (abort, aborted) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let task = async move {
            tokio::select! {
                Ok(()) = aborted => {}
                result = Caught(Box::pin(work)) => drop(done.send(result)),
            }
        };
        let task = InContext(Handle::current(), Box::pin(task));
        match self {
            Self::Tokio => drop(tokio::spawn(task)),
            Self::Smol => smol::spawn(task).detach(),
            Self::AsyncStd => drop(async_std::task::spawn(task)),
            Self::Blocking => drop(thread::spawn(|| wait_for(task))),
        }
        Task { outcome, abort: Some(abort) }
    }
}

/// Parks the thread until the future is ready: no runtime at all.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// A task; its end can be awaited. Dropped, it goes on.
#[derive(Debug)]
pub(crate) struct Task<T> {
    outcome: oneshot::Receiver<thread::Result<T>>,
    abort: Option<oneshot::Sender<()>>,
}

impl<T> Task<T> {
    /// Ends it wherever it is.
    pub(crate) fn abort(mut self) {
        if let Some(abort) = self.abort.take() {
            let _ = abort.send(()); // it may have ended
        }
    }
}

/// Panics if the task did.
impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| match outcome {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(gone) => panic!("the task went with its runtime: {gone}"),
        })
    }
}

/// A future whose panic is a value.
struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Future for Caught<F> {
    type Output = thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// A future that finds tokio's clock and tasks wherever it is polled.
struct InContext<F>(Handle, Pin<Box<F>>);

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self(handle, future) = &mut *self;
        let _entered = handle.enter();
        future.as_mut().poll(cx)
    }
}
