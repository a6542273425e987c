//! `sterna bench pub`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde_json::{Map, json};
use sterna_client::{Delivery, PropertiesBuf, QoS};
use sterna_core::packet::PropertyOwner;
use sterna_core::topic::validate_name;
use tokio::task::JoinSet;

use super::collector::Collector;
use super::header::{Header, LENGTH};
use super::load::{Load, Stop, end, joined, run as run_load};
use super::options::{LoadOptions, ResultOptions, parse_duration, parse_rate};
use super::progress::{Goal, Progress};
use super::report::Report;
use super::template::Template;
use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::input::read_file;
use crate::publish::is_closed;
use crate::session::{Session, pause};

/// How long it lasts if neither messages nor time are said.
const DURATION: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Exit status: 0 done, 1 a message failed or a connection ended, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or \
SIGTERM; connection refused by the server: the code of its CONNACK. Ctrl-C ends it and prints what there is.

The latency is that of the acknowledgement, so it is for QoS 1 and 2: PUBACK or PUBCOMP. With --rate it counts from the \
time at which a message was due, so that a server that stalls is seen for all the messages that had to wait.

A topic and a payload may have places: {client} its number, {message} its number, {random:N} a number below N, {time} \
nanoseconds since 1970, {header} what `sterna bench sub` checks order and loss by; {{ is a brace. Without --payload a \
payload is that header in 36 bytes, filled up to --size.

Examples:
  sterna bench pub -t 'bench/{client}' -n 10 -q 1 --messages 10000
  sterna bench pub -t bench -q 1 --rate 100 --duration 60 --plot latency.html
  sterna bench pub -t 'room/{random:50}' --payload '{\"celsius\": {random:40}, \"id\": \"{header}\"}'";

/// Publish from many clients, and measure rate and latency.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct PublishersArguments {
    #[command(flatten)]
    load: LoadOptions,
    /// Topic, which may have places [default: the URL's path]
    #[arg(short, long)]
    topic: Option<String>,
    /// Payload, which may have places [default: the header]
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["payload_file", "size"])]
    payload: Option<String>,
    /// The payload, with its places, from a file
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "size")]
    payload_file: Option<PathBuf>,
    /// Bytes of a payload; below 36 they have no header
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(..=64 << 20))]
    size: u32,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Have the server keep the last message of each topic
    #[arg(short, long)]
    retain: bool,
    /// How many messages each client publishes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Seconds to publish for [default: 10, or until all --messages are published]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// How many messages each client publishes in a second [default: as many as it can]
    #[arg(long, value_name = "NUMBER", value_parser = parse_rate)]
    rate: Option<f64>,
    /// How many messages of a client may be unacknowledged
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    #[command(flatten)]
    result: ResultOptions,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// What all clients have in common.
struct Work {
    topic: Template,
    payload: Option<Template>,
    size: usize,
    qos: QoS,
    retain: bool,
    properties: PropertiesBuf,
    run: u32,
    messages: Option<u64>,
    duration: Option<Duration>,
    /// From one message of a client to its next.
    interval: Option<Duration>,
    in_flight: usize,
}

/// Carries out `sterna bench pub`.
pub(super) fn run(arguments: &PublishersArguments) -> Result<(), Failure> {
    arguments.result.check()?;
    let mut plan = arguments.connect.plan()?;
    let topic = arguments.topic.clone().or(plan.topic.take());
    let properties = plan.properties.take(PropertyOwner::PublishFromClient);
    let work = Arc::new(arguments.work(topic, properties)?);
    let (timeout, quiet, farewell) = (plan.timeout, plan.quiet(), plan.take_farewell()?);
    let load = Arc::new(Load::new(plan, &arguments.load));
    run_load(timeout, async |mut stop| {
        let sessions = tokio::select! {
            sessions = load.connect(|_| {}) => sessions?,
            () = stop.stopped() => return Ok(()),
        };
        let collector = Arc::new(Collector::start());
        let goal = match (work.messages, work.duration) {
            (Some(messages), _) => Goal::Count(messages.saturating_mul(arguments.load.clients.into())),
            (None, Some(duration)) => Goal::Time(duration),
            (None, None) => Goal::None,
        };
        let progress = Progress::start(collector.clone(), goal, quiet);
        let mut publishers = JoinSet::new();
        for (session, client) in sessions.into_iter().zip(0..) {
            let publisher = Publisher { work: work.clone(), client, collector: collector.clone(), failed: 0 };
            publishers.spawn(publisher.run(session, stop.clone()));
        }
        let mut sessions = Vec::new();
        let mut failed = 0;
        while let Some(outcome) = publishers.join_next().await {
            let (session, failures) = joined(outcome)?;
            sessions.push(session);
            failed += failures;
        }
        drop(progress);
        arguments.report(&collector).give(&arguments.result)?;
        end(sessions, &farewell).await;
        if failed > 0 { Err(Failure::Failed(format!("{failed} messages failed"))) } else { Ok(()) }
    })
}

impl PublishersArguments {
    fn work(&self, topic: Option<String>, properties: PropertiesBuf) -> Result<Work, Failure> {
        let topic = topic
            .ok_or_else(|| Failure::Usage("a topic is needed: --topic, or the URL's path".to_owned()))?;
        let wrong = |what: &str, error: String| Failure::Usage(format!("{what}: {error}"));
        let payload = match &self.payload_file {
            Some(path) => Some(
                String::from_utf8(read_file(path)?)
                    .map_err(|_| wrong("--payload-file", "it is not UTF-8".to_owned()))?,
            ),
            None => self.payload.clone(),
        };
        let payload = payload.map(|text| Template::parse(&text)).transpose();
        let template = Template::parse(&topic).map_err(|error| wrong("--topic", error))?;
        let example = template.fill(&Header { run: 0, client: 0, sequence: 0, total: 0, time: 0 });
        validate_name(&example).map_err(|error| wrong("--topic", error.to_string()))?;
        let duration = self.duration.or(self.messages.is_none().then_some(DURATION));
        Ok(Work {
            topic: template,
            payload: payload.map_err(|error| wrong("--payload", error))?,
            size: self.size as usize,
            qos: self.qos,
            retain: self.retain,
            properties,
            run: rand::random(),
            messages: self.messages,
            duration,
            interval: self.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            in_flight: self.in_flight.into(),
        })
    }

    fn report(&self, collector: &Collector) -> Report {
        let mut settings = Map::new();
        settings.insert("clients".into(), self.load.clients.into());
        settings.insert("qos".into(), (self.qos as u8).into());
        settings.insert("size".into(), if self.payload.is_none() { json!(self.size) } else { json!(null) });
        settings.insert("messages_per_client".into(), json!(self.messages));
        settings.insert("duration_seconds".into(), json!(self.duration.map(|time| time.as_secs_f64())));
        settings.insert("rate_per_client".into(), json!(self.rate));
        settings.insert("in_flight".into(), self.in_flight.into());
        Report {
            kind: "pub",
            unit: "messages",
            latency_of: "time to the acknowledgement",
            settings,
            snapshot: collector.finish(),
            tally: None,
        }
    }
}

/// One client.
struct Publisher {
    work: Arc<Work>,
    client: u32,
    collector: Arc<Collector>,
    failed: u64,
}

/// A message that is under way.
struct UnderWay {
    delivery: Delivery,
    since: Instant,
    bytes: usize,
}

impl Publisher {
    /// Publishes until it is done or told to stop, and gives how many failed.
    async fn run(mut self, mut session: Session, mut stop: Stop) -> Result<(Session, u64), Failure> {
        let mut under_way: VecDeque<UnderWay> = VecDeque::new();
        let started = self.collector.made();
        let end = self.work.duration.map(|duration| tokio::time::Instant::from_std(started + duration));
        let mut time_is_over = std::pin::pin!(sleep_until(end));
        let (mut sequence, mut is_over) = (0, false);
        loop {
            is_over |= self.work.messages == Some(sequence);
            if is_over && under_way.is_empty() {
                return Ok((session, self.failed));
            }
            let due = self.work.interval.map(|interval| started + interval.mul_f64(sequence as f64));
            tokio::select! {
                biased;
                () = stop.stopped(), if !is_over => is_over = true,
                () = &mut time_is_over, if !is_over => is_over = true,
                is_closed = self.acknowledge(&mut under_way), if !under_way.is_empty() => {
                    if is_closed {
                        return Err(session.closed().await);
                    }
                }
                () = sleep_until_due(due), if !is_over && under_way.len() < self.work.in_flight => {
                    let Some(message) = self.publish(&session, sequence, due).await else {
                        return Err(session.closed().await);
                    };
                    under_way.extend(message);
                    sequence += 1;
                }
            }
        }
    }

    /// `None` if the client has closed, and `Some(None)` if the message failed.
    async fn publish(
        &mut self,
        session: &Session,
        sequence: u64,
        due: Option<Instant>,
    ) -> Option<Option<UnderWay>> {
        let now = Instant::now();
        let since = due.unwrap_or(now);
        let wall = SystemTime::now() - now.duration_since(since);
        let time = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let header = Header {
            run: self.work.run,
            client: self.client,
            sequence,
            total: self.work.messages.unwrap_or(0),
            time: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        };
        let payload = self.payload(&header);
        let bytes = payload.len();
        let publishing = session.client.publish(self.work.topic.fill(&header), payload);
        let publishing =
            publishing.qos(self.work.qos).retain(self.work.retain).properties(self.work.properties.clone());
        match publishing.enqueue().await {
            Ok(delivery) => Some(Some(UnderWay { delivery, since, bytes })),
            Err(error) if is_closed(&error) => None,
            Err(error) => {
                self.fail(&error);
                Some(None)
            }
        }
    }

    fn payload(&self, header: &Header) -> Vec<u8> {
        if let Some(template) = &self.work.payload {
            return template.fill(header).into_bytes();
        }
        let mut payload = if self.work.size < LENGTH { Vec::new() } else { header.encode().to_vec() };
        payload.resize(self.work.size, b'.');
        payload
    }

    /// Waits for the oldest; whether the client has closed. Cancel safe.
    async fn acknowledge(&mut self, under_way: &mut VecDeque<UnderWay>) -> bool {
        let Some(oldest) = under_way.front_mut() else { return std::future::pending().await };
        let outcome = (&mut oldest.delivery).await;
        let (since, bytes) = (oldest.since, oldest.bytes);
        under_way.pop_front();
        match outcome {
            Ok(_) => {
                let latency = (self.work.qos != QoS::AtMostOnce).then(|| since.elapsed());
                self.collector.note(latency, bytes);
                false
            }
            Err(error) if is_closed(&error) => true,
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.collector.fail();
        self.failed += 1;
        // Once is enough.
        if self.failed == 1 {
            say(format_args!("client {}: {error}", self.client));
        }
    }
}

async fn sleep_until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pause(None).await,
    }
}

/// At once where there is no rate.
async fn sleep_until_due(due: Option<Instant>) {
    if let Some(due) = due.filter(|due| *due > Instant::now()) {
        tokio::time::sleep_until(due.into()).await;
    }
}
