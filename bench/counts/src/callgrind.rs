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

const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// Runs this program again, under callgrind, to have it run the scenario `name`. `profile`: where what it counted stays.
///
/// # Errors
/// Valgrind is not there, or the scenario failed.
pub fn count(name: &str, profile: &Path) -> Result<Cost, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*measured::measured*"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(std::env::current_exe()?)
        .args(["--run", name])
        .output()
        .map_err(|error| format!("valgrind cannot be started (is it installed?): {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let messages: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let counted = Counted::parse(&std::fs::read_to_string(profile)?)?;
    let rounded = |total: u64| (total + messages / 2) / messages;
    Ok(Cost {
        instructions: rounded(counted.instructions),
        allocations: rounded(counted.allocations * 1_000),
    })
}

/// The sums of one profile.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    instructions: u64,
    allocations: u64,
}

impl Counted {
    fn parse(profile: &str) -> Result<Self, Box<dyn Error>> {
        let mut counted = Self { instructions: 0, allocations: 0 };
        let (mut caller, mut callee) = ("", "");
        for line in profile.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                caller = name;
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = name;
            } else if let Some(calls) = line.strip_prefix("calls=") {
                // One allocator may call another.
                if ALLOCATORS.contains(&callee) && !ALLOCATORS.contains(&caller) {
                    let count = calls.split(' ').next().unwrap_or_default();
                    counted.allocations += count.parse::<u64>()?;
                }
            } else if let Some(total) = line.strip_prefix("totals: ") {
                counted.instructions = total.trim().parse()?;
            }
        }
        if counted.instructions == 0 { Err("nothing was counted".into()) } else { Ok(counted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_summed_up() {
        let profile = "fn=a\n1 5\ncfn=malloc\ncalls=3 0\n1 60\nfn=realloc\ncfn=malloc\ncalls=9 0\ntotals: 74\n";
        assert_eq!(Counted::parse(profile).unwrap(), Counted { instructions: 74, allocations: 3 });
        assert!(Counted::parse("fn=a\n").is_err());
    }
}
