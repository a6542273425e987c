//! `sterna pub`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use sterna_client::{Delivery, OperationError, PropertiesBuf, PublishError, Publishing, QoS, Receipt};
use sterna_core::packet::PropertyOwner;
use sterna_core::topic::validate_name;

use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::input::{read_file, read_stdin, stdin_lines};
use crate::session::{Outcome, Session, block_on, catch_signals, limit};

const EXAMPLES: &str = "\
Exit status: 0 published (QoS 1 and 2: acknowledged by the server), 1 not published, or no connection, 2 wrong usage, 27 \
time is over, 130 or 143 interrupted; connection refused by the server: the code of its CONNACK.

Only the first connection must succeed. When a later one is lost, messages wait and are sent once it is there again; \
messages of QoS 2 that were on their way survive that on MQTT 3 only with -c.

Examples:
  sterna pub -t home/door -m open
  sterna pub mqtt://ann:secret@localhost/home/door -m open -q 1 -r
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
    source: Source,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// Have the server keep it for later subscribers
    #[arg(short, long)]
    retain: bool,
    #[command(flatten)]
    connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The message
    #[arg(short, long, allow_hyphen_values = true)]
    message: Option<OsString>,
    /// A file's content as one message
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Each line of standard input as a message
    #[arg(short = 'l', long)]
    stdin_line: bool,
    /// All of standard input as one message
    #[arg(short = 's', long)]
    stdin_file: bool,
    /// A message of no bytes
    #[arg(short, long)]
    null_message: bool,
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

/// Carries out `sterna pub`.
pub(crate) fn run(arguments: &PublishArguments) -> Result<(), Failure> {
    let mut plan = arguments.connect.plan()?;
    let topic = match (&arguments.topic, plan.topic.take()) {
        (Some(_), Some(_)) => return Err(Failure::Usage("the topic stands in the URL already".to_owned())),
        (Some(topic), None) => topic.clone(),
        (None, Some(topic)) => topic,
        (None, None) => {
            return Err(Failure::Usage("a topic is needed: --topic, or the URL's path".to_owned()));
        }
    };
    validate_name(&topic).map_err(|error| Failure::Usage(format!("topic `{topic}`: {error}")))?;
    let properties = plan.properties.take(PropertyOwner::PublishFromClient);
    let farewell = plan.properties.take(PropertyOwner::DisconnectFromClient);
    std::mem::take(&mut plan.properties).finish()?;
    let head = Head { topic, qos: arguments.qos, retain: arguments.retain, properties };
    // Before signals are caught: reading may wait for ever.
    let payload = arguments.source.read()?;
    block_on(async {
        let mut signals = catch_signals()?;
        let timeout = plan.timeout;
        let mut session = Session::start(plan, arguments.connect.debug, arguments.connect.quiet)?;
        let outcome = limit(publish(&mut session, &head, payload), timeout, &mut signals).await;
        let at_once = !matches!(outcome, Outcome::Done(_));
        let ended = session.end(at_once, farewell, &mut signals).await;
        match outcome {
            Outcome::Done(Ok(())) => ended.map_err(|error| Failure::Failed(error.to_string())),
            Outcome::Done(Err(failure)) => Err(failure),
            Outcome::Signal(signal) => Err(Failure::Interrupted(signal)),
            Outcome::TimedOut { seconds } => Err(Failure::TimedOut { seconds }),
        }
    })
}

impl Source {
    /// The one message; `None` where each line is one.
    fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self { stdin_line: true, .. } => Ok(None),
            Self { stdin_file: true, .. } => read_stdin().map(Some),
            Self { file: Some(path), .. } => read_file(path).map(Some),
            Self { message, .. } => Ok(Some(message.clone().unwrap_or_default().into_encoded_bytes())),
        }
    }
}

async fn publish(session: &mut Session, head: &Head, payload: Option<Vec<u8>>) -> Result<(), Failure> {
    session.connect().await?;
    let Some(payload) = payload else { return publish_lines(session, head).await };
    match head.publish(session, payload).await {
        Ok(receipt) => {
            session.tell(format_args!("published: {}", receipt.reason));
            Ok(())
        }
        Err(error) if is_closed(&error) => Err(session.closed().await),
        Err(error) => Err(Failure::Failed(format!("publish failed: {error}"))),
    }
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
fn is_closed(error: &PublishError) -> bool {
    matches!(
        error,
        PublishError::Failed(OperationError::Closed)
            | PublishError::Rejected(sterna_core::PublishError::Closed)
    )
}
