//! What the listener's tasks and the handle have in common.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time;

use crate::broker::{Broker, ConnectionId, Instant, Options};

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    started: time::Instant,
    /// Tells those who wait that the model may have changed.
    pub(super) changed: watch::Sender<()>,
    /// Tells the listener's task that the next deadline is earlier than it was.
    pub(super) earlier: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) broker: Broker,
    pub(super) wakers: BTreeMap<ConnectionId, Arc<Notify>>,
    /// The deadline that the listener's task waits for.
    timer: Option<Instant>,
    /// After how many written bytes each of the next connections is cut.
    cuts: VecDeque<usize>,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let state = State {
            broker: Broker::new(options),
            wakers: BTreeMap::new(),
            timer: None,
            cuts: VecDeque::new(),
        };
        Self {
            state: Mutex::new(state),
            started: time::Instant::now(),
            changed: watch::Sender::new(()),
            earlier: Notify::new(),
        }
    }

    pub(super) fn cut_next(&self, written: usize) {
        self.lock().cuts.push_back(written);
    }

    /// After how many written bytes the connection that was just accepted is cut.
    pub(super) fn next_cut(&self) -> Option<usize> {
        self.lock().cuts.pop_front()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics in `with` fails; the others need not.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the model, and wakes whom that concerns, apart from the connection that does it.
    pub(super) fn with<T>(&self, by: Option<ConnectionId>, f: impl FnOnce(&mut Broker, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let result = f(&mut state.broker, Instant::from_micros(now));
        for id in state.broker.ready_connections().filter(|id| Some(*id) != by) {
            if let Some(waker) = state.wakers.get(&id) {
                waker.notify_one();
            }
        }
        let next = state.broker.poll_timeout();
        if next.is_some_and(|next| state.timer.is_none_or(|timer| next < timer)) {
            self.earlier.notify_one();
        }
        drop(state);
        self.changed.send_replace(());
        result
    }

    /// Tells the model of a connection; what wakes the task that is to serve it.
    pub(super) fn connected(&self, id: ConnectionId) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.lock().wakers.insert(id, Arc::clone(&wake));
        self.with(None, |broker, now| broker.connected(now, id));
        wake
    }

    /// Completes at the model's next deadline.
    pub(super) async fn deadline(&self) {
        let next = {
            let mut state = self.lock();
            state.timer = state.broker.poll_timeout();
            state.timer
        };
        match next {
            Some(at) => time::sleep_until(self.started + Duration::from_micros(at.as_micros())).await,
            None => core::future::pending().await,
        }
    }
}
