//! Many clients of one set of options.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sterna_client::{AckMode, ClientBuilder, PropertiesBuf};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::options::LoadOptions;
use crate::connect::Plan;
use crate::exit::Failure;
use crate::session::{Outcome, Session, block_on_threads, catch_signals, limit};

/// The plan, and how its clients come.
pub(super) struct Load {
    pub(super) plan: Plan,
    clients: u32,
    interval: Option<Duration>,
    parallel: usize,
}

impl Load {
    pub(super) fn new(plan: Plan, options: &LoadOptions) -> Self {
        let interval = options.connect_rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { plan, clients: options.clients, interval, parallel: options.connect_parallel as usize }
    }

    fn builder(&self, number: u32) -> Result<ClientBuilder<sterna_tokio::Runtime>, Failure> {
        let builder = self.plan.builder()?.ack(AckMode::OnReceipt);
        Ok(match self.plan.id() {
            Some(id) => builder.client_id(format!("{id}-{number}")),
            None => builder,
        })
    }

    /// Connects all of them, as fast as the options allow. `connected` learns of each how long it took.
    ///
    /// # Errors
    /// The first failure ends it.
    pub(super) async fn connect(
        self: &Arc<Self>,
        connected: impl Fn(Duration) + Clone + Send + 'static,
    ) -> Result<Vec<Session>, Failure> {
        let places = Arc::new(Semaphore::new(self.parallel));
        let mut ticks = self.interval.map(tokio::time::interval);
        if let Some(ticks) = &mut ticks {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        }
        let mut attempts: JoinSet<Result<(u32, Session), Failure>> = JoinSet::new();
        let mut sessions = Vec::new();
        for number in 0..self.clients {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let place = places.clone().acquire_owned().await;
            let (load, connected) = (self.clone(), connected.clone());
            attempts.spawn(async move {
                let _place = place;
                let started = Instant::now();
                let session = Session::start(&load.plan, load.builder(number)?)?;
                session.connect().await?;
                connected(started.elapsed());
                Ok((number, session))
            });
            while let Some(attempt) = attempts.try_join_next() {
                sessions.push(joined(attempt)?);
            }
        }
        while let Some(attempt) = attempts.join_next().await {
            sessions.push(joined(attempt)?);
        }
        sessions.sort_by_key(|(number, _)| *number);
        Ok(sessions.into_iter().map(|(_, session)| session).collect())
    }
}

/// What a task came to; one that panicked is a defect of ours.
pub(super) fn joined<T>(outcome: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<T, Failure> {
    outcome.unwrap_or_else(|error| Err(Failure::Failed(error.to_string())))
}

/// Tells tasks to come to an end.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is time. Cancel safe.
    pub(super) async fn stopped(&mut self) {
        // Whoever would say it has ended: then it is time too.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Does `work` on all processors, within the time that the options give. A signal tells it to stop and to say what it
/// has; a second one ends the program.
pub(super) fn run(
    timeout: Option<u64>,
    work: impl AsyncFnOnce(Stop) -> Result<(), Failure>,
) -> Result<(), Failure> {
    block_on_threads(async {
        let mut signals = catch_signals()?;
        let (stop, stopped) = watch::channel(false);
        let mut work = std::pin::pin!(work(Stop(stopped)));
        match limit(&mut work, timeout, &mut signals).await {
            Outcome::Done(result) => return result,
            Outcome::TimedOut { seconds } => return Err(Failure::TimedOut { seconds }),
            Outcome::Signal(_) => stop.send_replace(true),
        };
        match limit(work, None, &mut signals).await {
            Outcome::Signal(signal) => Err(Failure::Interrupted(signal)),
            Outcome::TimedOut { seconds } => Err(Failure::TimedOut { seconds }),
            Outcome::Done(result) => result,
        }
    })
}

/// Disconnects all of them. What was measured is measured: it does not matter how they end.
pub(super) async fn end(sessions: Vec<Session>, farewell: &PropertiesBuf) {
    let mut endings = JoinSet::new();
    for session in sessions {
        endings.spawn(session.disconnect(false, farewell.clone()));
    }
    while endings.join_next().await.is_some() {}
}
