//! Runs one scenario under callgrind and reads what it counted.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// What one scenario costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Instructions, rounded, a message.
    pub instructions: u64,
    /// Allocations in 1,000 messages.
    pub allocations: u64,
}

/// Runs this program again, under callgrind, to have it run the scenario `name`. `profile`: where what it counted stays.
///
/// # Errors
/// Valgrind is not there, or the scenario failed.
pub fn count(name: &str, profile: &Path) -> Result<Cost, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args([
            "--quiet",
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*measured::measured*",
        ])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", name])
        .output()
        .map_err(|error| format!("valgrind cannot be started (is it installed?): {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let (messages, allocations) = text.trim().split_once(' ').ok_or("it said nothing")?;
    let messages: u64 = messages.parse()?;
    let rounded = |total: u64| (total + messages / 2) / messages;
    Ok(Cost {
        instructions: rounded(instructions(&std::fs::read_to_string(profile)?)?),
        allocations: rounded(allocations.parse::<u64>()? * 1_000),
    })
}

/// The sum of a profile.
fn instructions(profile: &str) -> Result<u64, Box<dyn Error>> {
    let total =
        profile.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("nothing was counted")?;
    Ok(total.trim().parse()?)
}
