//! What each scenario cost when it was last accepted: `baseline.tsv`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::callgrind::Cost;

/// Beyond this many percent a change counts.
pub const TOLERANCE: f64 = 3.0;

/// The file, and what it was made with.
#[derive(Debug, Default)]
pub struct Baseline {
    made_with: String,
    pub costs: BTreeMap<String, Cost>,
}

impl Baseline {
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut baseline = Self::default();
        for line in std::fs::read_to_string(path)?.lines() {
            if let Some(made_with) = line.strip_prefix("# Made with ") {
                baseline.made_with = made_with.into();
            } else if !line.starts_with('#') {
                let damaged = || format!("not a line of a baseline: {line}");
                let mut fields = line.split('\t');
                let name = fields.next().ok_or_else(damaged)?;
                let mut number = || fields.next().ok_or_else(damaged).map(str::parse);
                let (instructions, allocations) = (number()??, number()??);
                baseline.costs.insert(name.into(), Cost { instructions, allocations });
            }
        }
        Ok(baseline)
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(path: &Path, costs: &[(&str, Cost)]) -> Result<(), Box<dyn Error>> {
        let mut text = String::from("# Scenario, instructions a message, allocations in 1,000 messages.\n");
        writeln!(text, "# Made with {}", tools())?;
        for (name, Cost { instructions, allocations }) in costs {
            writeln!(text, "{name}\t{instructions}\t{allocations}")?;
        }
        Ok(std::fs::write(path, text)?)
    }

    /// What makes counts differ without any change of the code, if it is not what it was.
    pub fn differing_tools(&self) -> Option<String> {
        let tools = tools();
        (tools != self.made_with)
            .then(|| format!("The baseline was made with {}; here is {tools}.", self.made_with))
    }
}

/// Compiler, valgrind and C library: counts are comparable where these are the same.
fn tools() -> String {
    let first_line = |program: &str, argument: &str| {
        let output =
            Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
    };
    let [rustc, valgrind, libc] =
        [("rustc", "--version"), ("valgrind", "--version"), ("getconf", "GNU_LIBC_VERSION")]
            .map(|(program, argument)| first_line(program, argument));
    format!("{rustc}, {valgrind}, {libc}")
}
