//! QoS 0 that an application hands over without asking for its outcome, or before it does.

use sterna_client::QoS;

use super::choices::Extras;
use super::plan::{Event, How, Patience, Plan};
use super::random::Random;

/// When the application asks for the outcome of a message that the client has accepted; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Asking {
    #[default]
    AtOnce,
    /// So much later.
    After(u64),
    /// It cancels it then, without having asked before.
    CancelAfter(u64),
    /// It lets go of it.
    Never,
}

const SECOND: u64 = 1_000_000;

/// Half of what is published at QoS 0 is like that, and some of it comes in bursts that wait for the transport.
pub(super) fn add(plan: &mut Plan, random: &mut Random) {
    for (_, event) in &mut plan.events {
        let Event::Publish { qos: QoS::AtMostOnce, size, how, count, patience, extras, .. } = event else {
            continue;
        };
        if random.percent(50) {
            continue;
        }
        *how = random.pick(&[How::Send, How::Send, How::Send, How::Enqueue]);
        *patience = Patience::Endless;
        *extras = Extras { asking: draw(random), typed: extras.typed, ..Extras::default() };
        if random.percent(30) {
            *count = random.within(10, 60) as usize;
            *size = random.pick(&[1, 10, 50, 200, 800]);
        }
    }
}

fn draw(random: &mut Random) -> Asking {
    let after = random.span(1, 20 * SECOND);
    match random.below(10) {
        0 => Asking::AtOnce,
        1..6 => Asking::After(after),
        6 | 7 => Asking::CancelAfter(after),
        _ => Asking::Never,
    }
}
