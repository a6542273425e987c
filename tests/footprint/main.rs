//! What clients cost that do nothing: memory, wake-ups and processor time, measured from outside, in processes of
//! their own.
//!
//! `STERNA_CLIENTS=n` and `STERNA_IDLE_SECONDS=n` change how many clients there are, and for how long they are watched.

mod bare;
mod client;
mod process;

use libtest_mimic::{Arguments, Failed, Trial};
use sterna_simulator::{TestBroker, TestCertificates};

use crate::process::Process;

/// Clients in one process, and for how many seconds an idle one is watched.
const CLIENTS: u64 = 5_000;
/// A hand-shake takes its time.
const CLIENTS_OVER_TLS: u64 = 500;
const IDLE_SECONDS: u64 = 5;
/// What a process has open besides its sockets.
const OTHER_FILES: u64 = 100;
/// What one idle client may have resident, in bytes.
const RESIDENT: u64 = 8 * 1_024;
/// What one over TLS may have beyond what rustls has without a client: as much as over TCP, and a little.
const BEYOND_RUSTLS: u64 = 10 * 1_024;

fn main() {
    if let Some(role) = std::env::var_os(process::ROLE) {
        return client::live(&role.to_string_lossy());
    }
    let mut arguments = Arguments::from_args();
    // They measure: one at a time.
    arguments.test_threads = Some(1);
    let idle = client::ADAPTERS
        .iter()
        .map(|adapter| Trial::test(format!("idle::{adapter}"), || idle(adapter)))
        .collect::<Vec<_>>();
    let resident = [Trial::test("resident::tcp", over_tcp), Trial::test("resident::tls", over_tls)];
    libtest_mimic::run(&arguments, idle.into_iter().chain(resident).collect()).exit();
}

/// A connected client makes no system call between its deadlines: nothing that waits in the kernel wakes up.
// R: LESSONS 17
fn idle(adapter: &str) -> Result<(), Failed> {
    let seconds = process::number("STERNA_IDLE_SECONDS").unwrap_or(IDLE_SECONDS);
    let broker = Broker::start(None);
    let mut process = Process::start(&format!("idle {adapter}"), &broker.url, None);
    process.line("idle");
    let before = process.usage_at_rest();
    std::thread::sleep(std::time::Duration::from_secs(seconds));
    let after = process.usage();
    println!(
        "{adapter}: in {seconds} s {} context switches and {} ticks of the processor",
        after.switches - before.switches,
        after.ticks - before.ticks
    );
    if after.switches != before.switches || after.ticks != before.ticks {
        return Err(format!("an idle client of {adapter} was at work").into());
    }
    Ok(())
}

fn over_tcp() -> Result<(), Failed> {
    let each = resident("tcp", CLIENTS, None);
    if each > RESIDENT {
        return Err(format!("{each} bytes are more than {RESIDENT}").into());
    }
    Ok(())
}

/// A client's own memory over TLS, beside that of bare connections to the same server after the same hand-shake.
fn over_tls() -> Result<(), Failed> {
    let certificates = TestCertificates::new();
    let least = resident("bare", CLIENTS_OVER_TLS, Some(&certificates));
    let each = resident("tls", CLIENTS_OVER_TLS, Some(&certificates));
    if each > least + BEYOND_RUSTLS {
        return Err(format!("{each} bytes are more than {least} and {BEYOND_RUSTLS}").into());
    }
    Ok(())
}

/// What one of many idle clients has resident; `kind`: how it is connected.
fn resident(kind: &str, clients: u64, certificates: Option<&TestCertificates>) -> u64 {
    // Each has a socket, and the broker has as many; where that is not allowed fewer are measured.
    let most = process::raise_file_limit().saturating_sub(OTHER_FILES);
    let clients = process::number("STERNA_CLIENTS").unwrap_or(clients).min(most);
    let broker = Broker::start(certificates);
    let authority = certificates.map(|certificates| &*certificates.authority);
    let mut process = Process::start(&format!("resident {kind} {clients}"), &broker.url, authority);
    process.line("begun");
    let before = process.usage();
    process.go_on();
    process.line("idle");
    let each = (process.usage().resident - before.resident) / clients;
    println!("{kind}: {clients} idle connections have {each} bytes resident each");
    each
}

/// A test broker on threads of its own.
struct Broker {
    url: String,
    _serves: TestBroker,
    _runtime: tokio::runtime::Runtime,
}

impl Broker {
    /// Over TLS, if there are certificates for that.
    fn start(certificates: Option<&TestCertificates>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let mut builder = TestBroker::builder();
        if let Some(certificates) = certificates {
            builder = builder.tls(&certificates.server, None);
        }
        let broker = runtime.block_on(builder.start()).expect("a free port");
        Self { url: broker.url(), _serves: broker, _runtime: runtime }
    }
}
