//! Programs that the tests start.

use std::path::PathBuf;

/// Where system programs are that not every user's PATH has.
const ELSEWHERE: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];

/// Finds a program, also where Debian puts Mosquitto and not every user's PATH looks.
///
/// # Panics
/// If it is not installed.
pub(crate) fn find(name: &str) -> PathBuf {
    look_for(name).unwrap_or_else(|| {
        panic!("{name} is not installed; these tests need it: apt-get install mosquitto iproute2 util-linux")
    })
}

/// As [`find`], but without a panic.
pub(crate) fn look_for(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ELSEWHERE.map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}
