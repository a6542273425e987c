//! What callgrind writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The C library's functions that allocate.
const ALLOCATE: &[&str] = &["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

/// A file's name in the folder for temporary ones; the file goes with this.
#[derive(Debug)]
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sterna-bench-{name}.{}.{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The sums of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile {
    pub(crate) instructions: f64,
    /// Calls of the C library's functions that allocate.
    pub(crate) allocations: f64,
}

impl Profile {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        Self::parse(&text).ok_or_else(|| "not a profile".into())
    }

    /// A call is a line `cfn=`, with the function's name where it is mentioned first and its number, and one `calls=`.
    fn parse(text: &str) -> Option<Self> {
        let mut allocates: HashMap<&str, bool> = HashMap::new();
        let (mut instructions, mut allocations) = (None, 0.0);
        let mut called = "";
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    allocates.insert(number, ALLOCATE.contains(&name));
                }
                called = number;
            } else if let Some(calls) = line.strip_prefix("calls=") {
                if allocates.get(called) == Some(&true) {
                    allocations += calls.split(' ').next()?.parse::<f64>().ok()?;
                }
            } else if let Some(total) = line.strip_prefix("totals: ") {
                instructions = Some(total.trim().parse().ok()?);
            }
        }
        Some(Self { instructions: instructions?, allocations })
    }
}

#[test]
fn calls_that_allocate_are_summed() {
    let text = "fn=(1) main\n5 10\ncfn=(2) malloc\ncalls=3 0\n5 30\ncfn=(3) free\ncalls=9 0\n5 9\n\
                fn=(4) other\ncfn=(2)\ncalls=2 0\n7 20\ntotals: 69\n";
    assert_eq!(Profile::parse(text), Some(Profile { instructions: 69.0, allocations: 5.0 }));
}
