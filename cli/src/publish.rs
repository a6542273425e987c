//! `sterna pub`.

mod source;

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use sterna_client::{Delivery, OperationError, PropertiesBuf, PublishError, Publishing, QoS, Receipt};
use sterna_core::packet::PropertyOwner;
use sterna_core::topic::validate_name;

pub(crate) use self::source::PayloadSource;
use crate::args::{parse_qos, parse_seconds};
use crate::connect::{ConnectArguments, Plan};
use crate::exit::{Failure, say};
use crate::input::stdin_lines;
use crate::session::{Interruption, Session, with_client};

const EXAMPLES: &str = "\
Exit status: 0 published (QoS 1 and 2: acknowledged by the server), 1 not published, or no connection, 2 wrong usage, 27 \
time is over, 130 or 143 interrupted; connection refused by the server: the code of its CONNACK.

Only the first connection must succeed. When a later one is lost, messages wait and are sent once it is there again; \
messages of QoS 2 that were on their way survive that on MQTT 3 only with -c.

Examples:
  sterna pub -t home/door -m open
  sterna pub mqtts://ann@localhost/home/door --ask-password -m open -q 1 -r
  sterna pub -t home/door -r -n                   remove the retained message
  sensor | sterna pub -t home/temperature -l -q 1 one message a line";

/// Publish messages: one, or one for each line of standard input.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct PublishArguments {
    /// The topic [default: the URL's path]
    #[arg(short, long)]
    topic: Option<String>,
    #[command(flatten)]
    source: PayloadSource,
    /// Each line of standard input as a message
    #[arg(
        short = 'l',
        long,
        visible_short_alias = 'M',
        visible_alias = "multiline",
        conflicts_with_all = ["message", "file", "stdin_file", "null_message", "repeat"]
    )]
    stdin_line: bool,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Have the server keep it for later subscribers
    #[arg(short, long)]
    retain: bool,
    /// Publish the message so many times
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Seconds between two times
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    repeat_delay: Duration,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// What each message has besides its payload.
struct Head {
    topic: String,
    qos: QoS,
    retain: bool,
    properties: PropertiesBuf,
}

impl Head {
    fn publish(&self, session: &Session, payload: Vec<u8>) -> Publishing<'static> {
        let publishing =
            session.client.publish(self.topic.clone(), payload).qos(self.qos).retain(self.retain);
        publishing.properties(self.properties.clone())
    }
}

/// The one topic to publish to: the option's or the URL's.
pub(crate) fn topic_name(option: Option<&str>, plan: &mut Plan) -> Result<String, Failure> {
    let topic = match (option, plan.topic.take()) {
        (Some(_), Some(_)) => return Err(Failure::Usage("the topic stands in the URL already".to_owned())),
        (Some(topic), None) => topic.to_owned(),
        (None, Some(topic)) => topic,
        (None, None) => {
            return Err(Failure::Usage("a topic is needed: --topic, or the URL's path".to_owned()));
        }
    };
    validate_name(&topic).map_err(|error| Failure::Usage(format!("topic `{topic}`: {error}")))?;
    Ok(topic)
}

/// Carries out `sterna pub`.
pub(crate) fn run(arguments: &PublishArguments) -> Result<(), Failure> {
    if arguments.stdin_line == arguments.source.is_given() {
        return Err(Failure::Usage("one message is needed: -m, -f, -s, -n, or -l for lines".to_owned()));
    }
    let mut plan = arguments.connect.plan()?;
    let topic = topic_name(arguments.topic.as_deref(), &mut plan)?;
    let properties = plan.properties.take(PropertyOwner::PublishFromClient);
    let head = Head { topic, qos: arguments.qos, retain: arguments.retain, properties };
    // Before signals are caught: reading may wait for ever.
    let payload = if arguments.stdin_line { None } else { Some(arguments.source.read()?) };
    with_client(plan, Interruption::Failure, async |session| {
        session.connect().await?;
        match payload {
            None => publish_lines(session, &head).await,
            Some(payload) => publish(session, &head, payload, arguments).await,
        }
    })
}

async fn publish(
    session: &mut Session,
    head: &Head,
    payload: Vec<u8>,
    arguments: &PublishArguments,
) -> Result<(), Failure> {
    for time in 0..arguments.repeat {
        if time > 0 {
            tokio::time::sleep(arguments.repeat_delay).await;
        }
        match head.publish(session, payload.clone()).await {
            Ok(receipt) => session.tell(format_args!("published: {}", receipt.reason)),
            Err(error) if is_closed(&error) => return Err(session.closed().await),
            Err(error) => return Err(Failure::Failed(format!("publish failed: {error}"))),
        }
    }
    Ok(())
}

/// One message for each line. What is on its way is bounded by the client's queue: where that is full, no more lines
/// are read.
async fn publish_lines(session: &mut Session, head: &Head) -> Result<(), Failure> {
    let mut lines = stdin_lines();
    let mut deliveries: VecDeque<(u64, Delivery)> = VecDeque::new();
    let (mut count, mut failed, mut at_end) = (0, 0, false);
    while !at_end || !deliveries.is_empty() {
        let (number, error) = tokio::select! {
            biased;
            (number, result) = next_result(&mut deliveries), if !deliveries.is_empty() => match result {
                Ok(_) => continue,
                Err(error) => (number, error),
            },
            line = lines.recv(), if !at_end => {
                let Some(line) = line else {
                    at_end = true;
                    continue;
                };
                let line = line.map_err(|error| Failure::Failed(format!("standard input: {error}")))?;
                count += 1;
                match head.publish(session, line).enqueue().await {
                    Ok(delivery) => {
                        deliveries.push_back((count, delivery));
                        continue;
                    }
                    Err(error) => (count, error),
                }
            }
        };
        if is_closed(&error) {
            return Err(session.closed().await);
        }
        failed += 1;
        say(format_args!("line {number}: {error}"));
    }
    if failed > 0 {
        return Err(Failure::Failed(format!("{failed} of {count} lines failed")));
    }
    Ok(())
}

/// Waits for the oldest of the deliveries. Cancel safe.
async fn next_result(deliveries: &mut VecDeque<(u64, Delivery)>) -> (u64, Result<Receipt, PublishError>) {
    let Some((number, delivery)) = deliveries.front_mut() else { return std::future::pending().await };
    let outcome = (*number, delivery.await);
    deliveries.pop_front();
    outcome
}

/// Whether the client's end, and not the message, is the reason.
pub(crate) fn is_closed(error: &PublishError) -> bool {
    matches!(
        error,
        PublishError::Failed(OperationError::Closed)
            | PublishError::Rejected(sterna_core::PublishError::Closed)
    )
}
