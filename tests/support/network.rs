//! A network for the tests alone.
//!
//! Mosquitto's WebSocket listener binds all interfaces whatever it is told, and nothing that a test starts may be reached
//! from another machine. So the process of the tests runs in a network namespace of its own, which has nothing but a
//! loopback device. Linux gives that to root, and on most systems to everybody within a user namespace.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::program;

/// Says to the restarted process where it is.
const MARK: &str = "STERNA_TEST_NETWORK";
const PRIVATE: &str = "private";
const SHARED: &str = "shared";

/// Whether this process has a network of its own.
pub(crate) fn is_private() -> bool {
    env::var_os(MARK).is_some_and(|mark| mark == PRIVATE)
}

/// Restarts this process with the same arguments in a network of its own. Where that is not to be had it says so and
/// returns, and whatever needs such a network fails later. To be called first of all.
pub(crate) fn isolate() {
    if env::var_os(MARK).is_some() {
        return;
    }
    let reason = match restart() {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    eprintln!("WARNING: no network of its own for these tests ({reason}).");
    eprintln!(
        "WARNING: every test of WebSocket on Mosquitto will fail; run them as root, or allow user namespaces."
    );
    let error = restarting(&[]).env(MARK, SHARED).exec();
    panic!("cannot restart the tests: {error}");
}

/// Comes back only with the reason why it could not be done.
fn restart() -> Result<std::convert::Infallible, String> {
    let (Some(unshare), Some(ip)) = (program::look_for("unshare"), program::look_for("ip")) else {
        return Err("unshare or ip is not installed".to_owned());
    };
    let mut reasons = Vec::new();
    for options in [&["-n"][..], &["-r", "-n"]] {
        let mut prefix = vec![unshare.as_os_str()];
        prefix.extend(options.iter().map(std::ffi::OsStr::new));
        let mut trial = Command::new(prefix[0]);
        trial.args(&prefix[1..]).arg(&ip).args(["link", "set", "lo", "up"]).stdin(Stdio::null());
        let output = trial.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            prefix.extend(["sh", "-c", "\"$0\" link set lo up && exec \"$@\""].map(std::ffi::OsStr::new));
            prefix.push(ip.as_os_str());
            return Err(restarting(&prefix).env(MARK, PRIVATE).exec().to_string());
        }
        reasons.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Err(reasons.join("; "))
}

fn restarting(prefix: &[&std::ffi::OsStr]) -> Command {
    let this = env::current_exe().expect("the test knows its own program");
    let mut command = match prefix {
        [] => Command::new(&this),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&this);
            command
        }
    };
    command.args(env::args_os().skip(1));
    command
}
