//! `sterna bench sub`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde_json::{Map, json};
use sterna_client::{QoS, Subscription};
use sterna_core::packet::PropertyOwner;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::collector::Collector;
use super::header::Header;
use super::load::{Load, Stop, end, joined, run as run_load};
use super::options::{LoadOptions, ResultOptions, parse_duration};
use super::progress::{Goal, Progress};
use super::report::Report;
use super::template::Template;
use super::tracker::{Tally, Tracker};
use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::session::{Session, pause};
use crate::subscribe::{await_granted, check_filter};

const EXAMPLES: &str = "\
Exit status: 0 done, 1 a subscription was refused, a connection ended, or with --check something was lost, doubled or out of \
order, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or SIGTERM; connection refused by the server: the code of \
its CONNACK. Ctrl-C ends it and prints what there is.

It says `subscribed` on standard error when all clients are. The messages of `sterna bench pub` say who sent them, when, and \
which they are: so it tells latency, loss, doubles and order. The latency is that of the two clocks: measure it on one machine.

Examples:
  sterna bench sub -t 'bench/#' -q 1 -C 100000 --check
  sterna bench sub -t 'bench/{client}' -n 100 --duration 60 --json";

/// Receive with many clients, and measure rate, latency, loss and order.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct SubscribersArguments {
    #[command(flatten)]
    load: LoadOptions,
    /// Topic filter; {client} is a client's number; repeatable [default: the URL's path]
    #[arg(short, long, value_name = "FILTER")]
    topic: Vec<String>,
    /// The highest quality of service to receive with: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// End after so many messages, of all clients together
    #[arg(short = 'C', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds to receive for [default: until Ctrl-C]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// End when nothing came for so many seconds, after the first message
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    idle: Option<Duration>,
    /// Exit with status 1 if something was lost, doubled or out of order
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    result: ResultOptions,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// What all clients have in common.
struct Work {
    collector: Arc<Collector>,
    count: Option<u64>,
    received: AtomicU64,
    enough: Notify,
}

/// Carries out `sterna bench sub`.
pub(super) fn run(arguments: &SubscribersArguments) -> Result<(), Failure> {
    arguments.result.check()?;
    let mut plan = arguments.connect.plan()?;
    let filters: Vec<String> = arguments.topic.iter().cloned().chain(plan.topic.take()).collect();
    if filters.is_empty() {
        return Err(Failure::Usage("a topic filter is needed: --topic, or the URL's path".to_owned()));
    }
    let templates = filters.iter().map(|filter| Template::parse(filter)).collect::<Result<Vec<_>, _>>();
    let templates = templates.map_err(|error| Failure::Usage(format!("--topic: {error}")))?;
    filters_of(&templates, 0).iter().try_for_each(|filter| check_filter(filter))?;
    let properties = plan.properties.take(PropertyOwner::Subscribe);
    let (timeout, quiet, farewell) = (plan.timeout, plan.quiet(), plan.take_farewell()?);
    let load = Arc::new(Load::new(plan, &arguments.load));
    run_load(timeout, async |mut stop| {
        let connecting = load.connect(|_| {});
        let mut sessions = tokio::select! {
            sessions = connecting => sessions?,
            () = stop.stopped() => return Ok(()),
        };
        let mut subscriptions = Vec::new();
        for (session, client) in sessions.iter_mut().zip(0..) {
            let filters = filters_of(&templates, client);
            let subscribing =
                session.client.subscribe(&filters).qos(arguments.qos).properties(properties.clone());
            let mut subscription = subscribing.send().map_err(|error| Failure::Usage(error.to_string()))?;
            await_granted(session, &filters, &mut subscription).await?;
            subscriptions.push(subscription);
        }
        if !quiet {
            say("subscribed");
        }
        let (sessions, work, tally) = receive(arguments, sessions, subscriptions, stop, quiet).await?;
        let perfect = tally.is_perfect();
        arguments.report(&work.collector, tally).give(&arguments.result)?;
        end(sessions, &farewell).await;
        if arguments.check && !perfect {
            return Err(Failure::Failed("something was lost, doubled or out of order".to_owned()));
        }
        Ok(())
    })
}

fn filters_of(templates: &[Template], client: u32) -> Vec<String> {
    let header = Header { run: 0, client, sequence: 0, total: 0, time: 0 };
    templates.iter().map(|template| template.fill(&header)).collect()
}

/// Receives until it is enough.
async fn receive(
    arguments: &SubscribersArguments,
    sessions: Vec<Session>,
    subscriptions: Vec<Subscription>,
    mut stop: Stop,
    quiet: bool,
) -> Result<(Vec<Session>, Arc<Work>, Tally), Failure> {
    let work = Arc::new(Work {
        collector: Arc::new(Collector::start_at_first()),
        count: arguments.count,
        received: AtomicU64::new(0),
        enough: Notify::new(),
    });
    let goal = match (arguments.count, arguments.duration) {
        (Some(count), _) => Goal::Count(count),
        (None, Some(duration)) => Goal::Time(duration),
        (None, None) => Goal::None,
    };
    let progress = Progress::start(work.collector.clone(), goal, quiet);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let mut subscribers = JoinSet::new();
    for (session, subscription) in sessions.into_iter().zip(subscriptions) {
        let mut finished = finished.clone();
        let end = async move {
            // Whoever would say it has ended: then it is time too.
            let _ = finished.wait_for(|finished| *finished).await;
        };
        subscribers.spawn(subscriber(work.clone(), session, subscription, end));
    }
    let mut failed = None;
    tokio::select! {
        () = work.enough.notified() => {}
        () = stop.stopped() => {}
        () = pause(arguments.duration) => {}
        () = idle(&work, arguments.idle) => {}
        Some(outcome) = subscribers.join_next() => failed = joined(outcome).err(),
    }
    finish.send_replace(true);
    if let Some(failure) = failed {
        return Err(failure);
    }
    let (mut sessions, mut tally) = (Vec::new(), Tally::default());
    while let Some(outcome) = subscribers.join_next().await {
        let (session, tracker) = joined(outcome)?;
        sessions.push(session);
        tally.add(tracker.tally());
    }
    drop(progress);
    Ok((sessions, work, tally))
}

/// One client, until it is the end.
async fn subscriber(
    work: Arc<Work>,
    mut session: Session,
    mut subscription: Subscription,
    end: impl Future<Output = ()>,
) -> Result<(Session, Tracker), Failure> {
    let mut tracker = Tracker::default();
    let mut end = std::pin::pin!(end);
    loop {
        let message = tokio::select! {
            biased;
            () = &mut end => return Ok((session, tracker)),
            message = subscription.next() => message,
        };
        let Some(message) = message else { return Err(session.closed().await) };
        let header = Header::find(message.payload());
        if let Some(header) = &header {
            tracker.note(header);
        }
        work.collector.note(header.map(latency), message.payload().len());
        let received = work.received.fetch_add(1, Ordering::Relaxed) + 1;
        if work.count == Some(received) {
            work.enough.notify_one();
        }
    }
}

/// From publishing to now. Clocks of two machines may say that it came before it was sent.
fn latency(header: Header) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_nanos(header.time))
}

/// Waits until nothing came for so long, after the first message.
async fn idle(work: &Work, limit: Option<Duration>) {
    let Some(limit) = limit else { return pause(None).await };
    loop {
        let quiet_since = work.collector.last();
        if work.received.load(Ordering::Relaxed) > 0 && quiet_since.elapsed() >= limit {
            return;
        }
        let next = (quiet_since + limit).max(Instant::now() + limit / 10);
        tokio::time::sleep_until(next.into()).await;
    }
}

impl SubscribersArguments {
    fn report(&self, collector: &Collector, tally: Tally) -> Report {
        let mut settings = Map::new();
        settings.insert("clients".into(), self.load.clients.into());
        settings.insert("qos".into(), (self.qos as u8).into());
        settings.insert("count".into(), json!(self.count));
        settings.insert("duration_seconds".into(), json!(self.duration.map(|time| time.as_secs_f64())));
        Report {
            kind: "sub",
            unit: "messages",
            latency_of: "time from publishing to receiving",
            settings,
            snapshot: collector.finish(),
            tally: Some(tally),
        }
    }
}
