//! What the processes do: have clients, and say when nothing is left to do.

use std::io::{BufRead, Write};
use std::thread;
use std::time::Duration;

use sterna::{Client, TlsOptions};

use crate::bare::Bare;
use crate::process::{AUTHORITY, URL};

/// Whose idle clients are watched.
pub(crate) const ADAPTERS: &[&str] = &["tokio", "smol", "async_std", "blocking"];

/// How long a client may take to give its buffers back once nothing moves any more: it looks once a second.
const QUIET: Duration = Duration::from_secs(3);
/// How many connect at a time: a listener's queue is short.
const AT_ONCE: usize = 64;

pub(crate) fn live(role: &str) {
    let url = std::env::var(URL).expect("a URL");
    let mut words = role.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("idle"), Some("tokio"), None) => runtime().block_on(async {
            let client = sterna::tokio::connect(&url).await.expect("connected");
            publish(&client).await;
            // The client's task needs this thread.
            tokio::time::sleep(QUIET).await;
            say("idle");
            std::future::pending::<()>().await;
        }),
        (Some("idle"), Some("smol"), None) => {
            let client = smol::block_on(sterna::smol::connect(&url)).expect("connected");
            smol::block_on(publish(&client));
            idle();
        }
        (Some("idle"), Some("async_std"), None) => {
            let client = async_std::task::block_on(sterna::async_std::connect(&url)).expect("connected");
            async_std::task::block_on(publish(&client));
            idle();
        }
        (Some("idle"), Some("blocking"), None) => {
            let client = sterna::blocking::connect(&url).expect("connected");
            client.publish("a", "x").wait().expect("published");
            idle();
        }
        (Some("resident"), Some("bare"), Some(clients)) => bare(&url, clients.parse().expect("a number")),
        (Some("resident"), Some(_), Some(clients)) => {
            runtime().block_on(resident(&url, clients.parse().expect("a number")));
        }
        _ => panic!("no such role: {role}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

async fn publish(client: &Client) {
    client.publish("a", "x").await.expect("published");
}

/// Leaves everything to the client's own thread, or its runtime's.
fn idle() {
    thread::sleep(QUIET);
    say("idle");
    loop {
        thread::park();
    }
}

async fn resident(url: &str, clients: usize) {
    let tls = tls();
    let builder = move |url: &str| {
        let builder = sterna::tokio::builder(url);
        // One configuration for all of them.
        if let Some(tls) = &tls { builder.tls(tls.clone()) } else { builder }
    };
    // What the first one needs, the runtime's threads and such, is not each one's.
    let mut all = vec![builder(url).connect().await.expect("connected")];
    all.reserve(clients);
    tokio::time::sleep(QUIET).await;
    begin();
    while all.len() <= clients {
        let count = AT_ONCE.min(clients + 1 - all.len());
        let connecting: Vec<_> = (0..count).map(|_| tokio::spawn(builder(url).connect())).collect();
        for client in connecting {
            let client: Client = client.await.expect("no panic").expect("connected");
            all.push(client);
        }
    }
    tokio::time::sleep(QUIET).await;
    say("idle");
    std::future::pending::<()>().await;
}

/// The same without a client.
fn bare(url: &str, clients: usize) {
    let config = tls().expect("an authority").client_config().expect("it can be trusted");
    let mut all = vec![Bare::connect(url, &config, "first")];
    all.reserve(clients);
    begin();
    while all.len() <= clients {
        all.push(Bare::connect(url, &config, &format!("bare{}", all.len())));
    }
    say("idle");
    loop {
        thread::park();
    }
}

/// Whom to trust, if the server speaks TLS.
fn tls() -> Option<TlsOptions> {
    Some(TlsOptions::new().ca_pem(std::env::var(AUTHORITY).ok()?))
}

/// What all need is there: from now on it counts.
fn begin() {
    say("begun");
    std::io::stdin().lock().read_line(&mut String::new()).expect("told to go on");
}

fn say(word: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{word}").and_then(|()| output.flush()).expect("somebody listens");
}
