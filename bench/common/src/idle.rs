//! What clients have in memory that do nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::meter::{heap, resident};
use crate::work::Work;

/// After this long nothing moves any more.
pub const QUIET: Duration = Duration::from_secs(2);

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
