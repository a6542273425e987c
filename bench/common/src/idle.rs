//! What clients have in memory that do nothing.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::heap::heap;
use crate::meter::resident;
use crate::work::Work;

/// After this long nothing moves any more.
pub const QUIET: Duration = Duration::from_secs(2);

/// Messages of a burst, in each direction.
pub const BURST: usize = 10_000;

/// How many of many clients connect at a time: a listener's queue is short.
pub const AT_ONCE: usize = 64;

/// Ends this program when its input ends: whoever started it watches it from outside, and is gone then.
pub fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

/// The difference that some clients more make: what the first one needs, a runtime's threads and such, is not each one's.
#[derive(Debug)]
pub struct Idle {
    clients: usize,
    left: usize,
    heap: Option<usize>,
    resident: u64,
}

impl Idle {
    /// The first client is connected.
    pub fn start(work: &Work) -> Self {
        let clients = work.clients();
        Self { clients, left: clients, heap: heap(), resident: resident().0 }
    }

    /// Whether there is to be one more.
    pub fn more(&mut self) -> bool {
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    /// What each one has now.
    pub fn finish(&self) -> Value {
        let each = |now: f64, before: f64| (now - before) / self.clients as f64;
        let heap = heap().zip(self.heap).map(|(now, before)| each(now as f64, before as f64));
        let resident = each(resident().0 as f64, self.resident as f64);
        json!({ "messages": self.clients, "heap": heap, "resident": resident })
    }
}
