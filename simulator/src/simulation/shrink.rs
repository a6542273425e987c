//! Fewer events that still fail in the same way.

use super::execute;
use super::plan::Plan;

/// Leaves out ever smaller blocks of events as long as the same check fails. `None` if the plan does not fail.
pub(super) fn shrink(mut plan: Plan) -> Option<Plan> {
    let check = execute(&plan, false).0.err()?.check;
    let fails = |plan: &Plan| execute(plan, false).0.err().is_some_and(|violation| violation.check == check);
    let mut block = plan.events.len().div_ceil(2);
    while block > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < plan.events.len() {
            let mut shorter = plan.clone();
            let end = (start + block).min(shorter.events.len());
            shorter.events.drain(start..end);
            if fails(&shorter) {
                plan = shorter;
                removed = true;
            } else {
                start += block;
            }
        }
        if !removed || block > 1 {
            block /= 2;
        }
    }
    simplify(&mut plan, fails);
    Some(plan)
}

/// Plainer circumstances, if it fails in them too.
fn simplify(plan: &mut Plan, fails: impl Fn(&Plan) -> bool) {
    let changes: [fn(&mut Plan); 5] = [
        |plan| plan.setup.network.splits = 0,
        |plan| plan.setup.network.refusals = 0,
        |plan| plan.setup.network.silences = 0,
        |plan| plan.setup.network.jitter = 0,
        |plan| plan.setup.network.window = 65_536,
    ];
    for change in changes {
        let mut plainer = plan.clone();
        change(&mut plainer);
        if fails(&plainer) {
            *plan = plainer;
        }
    }
}
