//! Each fault that can be planted into the client is found by the simulation within 1,000 fixed seeds.
#![cfg(feature = "planted-bugs")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sterna_simulator::simulation::{Bug, run, run_with};

const SEEDS: u64 = 1_000;

const BUGS: [Bug; 32] = [
    Bug::NoDuplicateFlag,
    Bug::ReleaseBeforeReceived,
    Bug::IdReusedWhileLive,
    Bug::AliasKeptOverReconnect,
    Bug::ReceivedForgottenOnReconnect,
    Bug::ReceivedForgottenOnRestart,
    Bug::OrderSwappedOnResend,
    Bug::StoredAfterSending,
    Bug::SlotLeakedOnRefusal,
    Bug::PingTimerNotArmedAgain,
    Bug::SessionPresentIgnored,
    Bug::AckOutOfOrder,
    Bug::CompletedBeforeStored,
    Bug::ReleasedBeforeStored,
    Bug::ReceivedBeforeStored,
    Bug::AbandonedIdFreed,
    Bug::WindowTooLarge,
    Bug::SubscriptionsForgotten,
    Bug::InFlightLostOnReconnect,
    Bug::AtMostOnceTwice,
    Bug::AcknowledgedOnArrival,
    Bug::KeepAliveLate,
    Bug::AckTimerNotArmed,
    Bug::ReleasesOutOfOrder,
    Bug::WindowNotRefilled,
    Bug::LossChoiceIgnored,
    Bug::RequeueForgotten,
    Bug::ServerNotAdvanced,
    Bug::AuthMethodChanged,
    Bug::StoreFailureIgnored,
    Bug::AheadSentAgain,
    Bug::UnreportedLossForgotten,
];

// R: DET-02
#[test]
fn every_planted_bug_is_found() {
    // A panic in a run is one way to be found.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(bug) = BUGS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // What fails without the fault as well does not show it.
                    let found = (0..SEEDS).find_map(|seed| {
                        let failure = run_with(*bug, seed).err()?;
                        run(seed).is_ok().then_some(failure)
                    });
                    rows.lock().unwrap().push((*bug, found));
                }
            });
        }
    });
    drop(std::panic::take_hook());
    let rows = rows.into_inner().unwrap();
    for bug in BUGS {
        let found = rows.iter().find(|(other, _)| *other == bug).and_then(|(_, found)| found.as_ref());
        match found {
            Some(failure) => println!("{bug:?}: {} seeds: {}", failure.seed + 1, failure.violation.check),
            None => println!("{bug:?}: NOT FOUND"),
        }
    }
    let missed: Vec<_> = rows.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}
