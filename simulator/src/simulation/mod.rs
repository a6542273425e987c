//! Many clients against the model broker, over a network that breaks, under virtual time: one seed is one run.
//!
//! The seed draws a plan: the clients with all their options, the broker's limits, the network, and a list of
//! events, each at its time: what applications do, and what goes wrong. The run carries the plan out with real
//! [`Engine`](sterna_client::Engine)s and [`Client`](sterna_client::Client)s; only sockets, clocks, disks and
//! schedulers are simulated. There is no thread and no clock in it, so that the same seed does the same to the byte.
//!
//! After every step it is judged by two parties that do not trust the client:
//! - the *wire*, which sits at each client's socket and knows the protocol: what is sent must be lawful given what had
//!   been read by then, and no deadline may be missed;
//! - the *promises*, a small book of messages: what the application was told of them, what the broker's ledger says,
//!   what other applications got.
//!
//! At the end all trouble ceases, and everything that was asked for must come to its end; see the package's README.

// Seconds and hours are told to people.
#![allow(clippy::cast_precision_loss)]

mod application;
mod authentication;
mod choices;
mod describe;
mod disk;
mod findings;
mod flood;
mod network;
mod plan;
mod process;
mod promises;
mod random;
mod report;
mod route;
mod servers;
mod serving;
mod settling;
mod setup;
mod shrink;
mod socket;
mod stream;
#[cfg(feature = "record")]
mod tapes;
mod trace;
mod troubles;
mod unasked;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use findings::Violation;
pub use report::{FAULTS, Report};
#[cfg(feature = "planted-bugs")]
pub use sterna_core::Bug;
#[cfg(feature = "record")]
pub use tapes::Replayed;

use plan::Plan;
use world::World;

/// A run that found something wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What was wrong.
    pub violation: Violation,
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that did not hold.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    let plan = Plan::draw(seed);
    let result = execute(&plan, false).0;
    result.map_err(|violation| Box::new(Failure { seed, violation }))
}

/// Runs one seed with clients that have a fault.
///
/// # Errors
/// The first invariant that did not hold.
#[cfg(feature = "planted-bugs")]
pub fn run_with(bug: Bug, seed: u64) -> Result<Report, Box<Failure>> {
    let mut plan = Plan::draw(seed);
    plan.setup.bug = Some(bug);
    execute(&plan, false).0.map_err(|violation| Box::new(Failure { seed, violation }))
}

/// Runs one seed with a recorder beside every client, and replays what was recorded.
///
/// # Errors
/// The first invariant that did not hold, or the first difference.
#[cfg(feature = "record")]
pub fn run_recorded(seed: u64) -> Result<Replayed, String> {
    let mut plan = Plan::draw(seed);
    let tapes = tapes::Tapes::default();
    plan.setup.tapes = Some(tapes.clone());
    execute(&plan, false).0.map_err(|violation| violation.to_string())?;
    tapes.replay()
}

/// Runs one seed and gives what happened, a line for each thing, for people.
pub fn explain(seed: u64) -> (Result<Report, Box<Failure>>, Vec<String>) {
    let plan = Plan::draw(seed);
    let mut lines = plan.describe();
    let (result, story) = execute(&plan, true);
    lines.extend(story);
    (result.map_err(|violation| Box::new(Failure { seed, violation })), lines)
}

/// Leaves out of a failing run what it does not need to fail; what is left, for people. Nothing, if it does not fail.
pub fn shrink(seed: u64) -> Option<Vec<String>> {
    let plan = Plan::draw(seed);
    let plan = shrink::shrink(plan)?;
    let (result, story) = execute(&plan, true);
    let mut lines = plan.describe();
    lines.extend(story);
    lines.push(result.err().map_or_else(String::new, |violation| violation.to_string()));
    Some(lines)
}

/// A run of a plan. A panic is a violation like any other.
fn execute(plan: &Plan, verbose: bool) -> (Result<Report, Violation>, Vec<String>) {
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(plan, verbose).run(plan)));
    match outcome {
        Ok((result, trace)) => (result, trace.lines.unwrap_or_default()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let detail = text.unwrap_or_default();
            (Err(Violation { check: "a panic", detail, at: 0 }), Vec::new())
        }
    }
}
