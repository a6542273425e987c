//! What one large payload costs in memory.

use serde_json::{Value, json};

use crate::meter::resident;

/// Begins before the payload is there.
#[derive(Debug)]
pub struct Large {
    before: u64,
    size: usize,
}

impl Large {
    pub fn start(size: usize) -> Self {
        Self { before: resident().0, size }
    }

    /// The most that was resident meanwhile, beyond the payload itself.
    pub fn finish(&self) -> Value {
        let beyond = resident().1 as f64 - self.before as f64 - self.size as f64;
        json!({ "messages": 1, "size": self.size, "beyond": beyond })
    }
}
