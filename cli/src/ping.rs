//! `sterna ping`: how long the server takes to answer.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use sterna_client::{Event, Events, OperationError, PublishError, QoS, State, Subscription};
use sterna_core::packet::PacketType;
use sterna_core::topic::validate_name;

use crate::args::{parse_qos, parse_seconds};
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::session::{Interruption, Session, with_client};
use crate::subscribe::await_granted;

const EXAMPLES: &str = "\
Exit status: 0 at least one answer, 1 none, or no connection, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or \
SIGTERM; connection refused by the server: the code of its CONNACK. Ctrl-C prints the summary too.

By PINGREQ the pause between two is at least a second. The other ways need the right to publish.

Examples:
  sterna ping -C 5
  sterna ping mqtts://test.example.org --by publish -q 1 -C 100 --interval 0.1
  sterna ping --by message -q 0 -C 100 --interval 0";

/// Measure round trips: of PINGREQ, of a publish and its acknowledgement, or of a message to oneself.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct PingArguments {
    /// What goes there and comes back
    #[arg(long, value_enum, default_value = "pingreq")]
    by: By,
    /// How many [default: until Ctrl-C]
    #[arg(short = 'C', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seconds from one to the next
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    interval: Duration,
    /// Seconds after which an answer is missed
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    answer_timeout: Duration,
    /// Topic of the messages [default: sterna/ping and the client identifier]
    #[arg(short, long)]
    topic: Option<String>,
    /// Quality of service of the messages: 0, 1 or 2; by publish: 1 or 2
    #[arg(short, long, default_value = "1", value_parser = parse_qos)]
    qos: QoS,
    /// Bytes of payload of the messages
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1 << 20))]
    size: u32,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// PINGREQ and PINGRESP
    Pingreq,
    /// A publish and its acknowledgement
    Publish,
    /// A message that the server sends back to us
    Message,
}

/// Carries out `sterna ping`.
pub(crate) fn run(arguments: &PingArguments) -> Result<(), Failure> {
    if arguments.by == By::Publish && arguments.qos == QoS::AtMostOnce {
        return Err(Failure::Usage(
            "a publish of QoS 0 is not acknowledged: -q 1, or --by message".to_owned(),
        ));
    }
    if let Some(topic) = &arguments.topic {
        validate_name(topic).map_err(|error| Failure::Usage(format!("topic `{topic}`: {error}")))?;
    }
    let mut plan = arguments.connect.plan()?;
    if plan.topic.take().is_some() {
        return Err(Failure::Usage("ping takes its topic by --topic, not from the URL".to_owned()));
    }
    if arguments.by == By::Pingreq {
        // The client pings when nothing was sent for so long.
        plan.ping_every(arguments.interval);
    }
    let mut round_trips = RoundTrips::default();
    let ended = with_client(plan, Interruption::End, async |session| {
        let mut pinger = Pinger::new(session, arguments).await?;
        while arguments.count.is_none_or(|count| round_trips.sent < count) {
            pinger.one(session, &mut round_trips).await?;
        }
        Ok(())
    });
    round_trips.summary()?;
    ended?;
    if round_trips.answered == 0 { Err(Failure::Failed("no answer".to_owned())) } else { Ok(()) }
}

/// What is needed beside the client.
enum Way {
    Pingreq(Events),
    Publish,
    Message(Box<Subscription>),
}

struct Pinger<'a> {
    arguments: &'a PingArguments,
    way: Way,
    topic: String,
    next: tokio::time::Interval,
}

impl<'a> Pinger<'a> {
    async fn new(session: &mut Session, arguments: &'a PingArguments) -> Result<Self, Failure> {
        let events = session.client.events();
        session.connect().await?;
        let own = || format!("sterna/ping/{}", session.client.client_id());
        let topic = arguments.topic.clone().unwrap_or_else(own);
        let way = match arguments.by {
            By::Pingreq => Way::Pingreq(events),
            By::Publish => Way::Publish,
            By::Message => {
                let filters = [topic.clone()];
                let subscribing = session.client.subscribe(&filters).qos(arguments.qos).send();
                let mut inbox = subscribing.map_err(|error| Failure::Usage(error.to_string()))?;
                await_granted(session, &filters, &mut inbox).await?;
                Way::Message(Box::new(inbox))
            }
        };
        // An interval of nothing is none.
        let interval = arguments.interval.max(Duration::from_nanos(1));
        let mut next = tokio::time::interval(interval);
        next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Ok(Self { arguments, way, topic, next })
    }

    /// One round trip, after the pause.
    async fn one(&mut self, session: &mut Session, round_trips: &mut RoundTrips) -> Result<(), Failure> {
        if !matches!(self.way, Way::Pingreq(_)) {
            self.next.tick().await;
        }
        let limit = self.arguments.answer_timeout;
        let outcome = match &mut self.way {
            Way::Pingreq(events) => pingreq(events, limit).await,
            Way::Publish => {
                let started = Instant::now();
                let publish = publish(session, &self.topic, self.arguments);
                tokio::time::timeout(limit, publish).await.map(|sent| sent.map(|()| started.elapsed()))
            }
            Way::Message(inbox) => {
                let started = Instant::now();
                let there_and_back = async {
                    publish(session, &self.topic, self.arguments).await?;
                    own_message(inbox, started).await
                };
                tokio::time::timeout(limit, there_and_back).await
            }
        };
        match outcome {
            Ok(Ok(time)) => round_trips.tell(time),
            Ok(Err(Missed::Closed)) => Err(session.closed().await),
            Ok(Err(Missed::Failed(error))) => Err(Failure::Failed(error)),
            Err(_) if session.client.state() == State::Closed => Err(session.closed().await),
            Err(_) => {
                round_trips.sent += 1;
                say(format_args!("no answer to number {}", round_trips.sent));
                Ok(())
            }
        }
    }
}

enum Missed {
    Closed,
    Failed(String),
}

impl From<PublishError> for Missed {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Failed(OperationError::Closed) => Self::Closed,
            error => Self::Failed(format!("publish failed: {error}")),
        }
    }
}

async fn publish(session: &Session, topic: &str, arguments: &PingArguments) -> Result<(), Missed> {
    let payload = vec![b'.'; arguments.size as usize];
    session.client.publish(topic, payload).qos(arguments.qos).await?;
    Ok(())
}

/// Waits for a message, which is ours: nobody else publishes to our topic, or it answers for us.
async fn own_message(inbox: &mut Subscription, started: Instant) -> Result<Duration, Missed> {
    let message = inbox.next().await.ok_or(Missed::Closed)?;
    let time = started.elapsed();
    let _ = message.ack();
    Ok(time)
}

/// Waits for the client to ping, and then for the answer.
async fn pingreq(
    events: &mut Events,
    limit: Duration,
) -> Result<Result<Duration, Missed>, tokio::time::error::Elapsed> {
    while let Some(event) = events.next().await {
        match event {
            Event::PacketSent(packet) if packet.packet == PacketType::PingReq => break,
            Event::Closed { .. } => return Ok(Err(Missed::Closed)),
            _ => {}
        }
    }
    let started = Instant::now();
    let answer = async {
        while let Some(event) = events.next().await {
            match event {
                Event::PacketReceived(packet) if packet.packet == PacketType::PingResp => {
                    return Ok(started.elapsed());
                }
                Event::Disconnected { cause, .. } => return Err(Missed::Failed(cause.to_string())),
                _ => {}
            }
        }
        Err(Missed::Closed)
    };
    tokio::time::timeout(limit, answer).await
}

/// What was measured, in milliseconds.
#[derive(Default)]
struct RoundTrips {
    /// Those that were answered or missed.
    sent: u64,
    answered: u64,
    minimum: f64,
    maximum: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl RoundTrips {
    fn tell(&mut self, time: Duration) -> Result<(), Failure> {
        let time = time.as_secs_f64() * 1e3;
        self.sent += 1;
        self.minimum = if self.answered == 0 { time } else { self.minimum.min(time) };
        self.maximum = self.maximum.max(time);
        self.sum += time;
        self.sum_of_squares += time * time;
        self.answered += 1;
        print(format_args!("answer {}: time={time:.3} ms", self.sent))
    }

    fn summary(&self) -> Result<(), Failure> {
        let Self { sent, answered, minimum, maximum, .. } = self;
        if *sent == 0 {
            return Ok(());
        }
        let missed = 100.0 * (sent - answered) as f64 / *sent as f64;
        print(format_args!("{sent} sent, {answered} answered, {missed:.0}% missed"))?;
        if *answered == 0 {
            return Ok(());
        }
        let average = self.sum / *answered as f64;
        let variance = self.sum_of_squares / *answered as f64 - average * average;
        let deviation = variance.max(0.0).sqrt();
        print(format_args!(
            "round trip min/avg/max/mdev = {minimum:.3}/{average:.3}/{maximum:.3}/{deviation:.3} ms"
        ))
    }
}

fn print(line: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|error| Failure::of_output(&error))
}
