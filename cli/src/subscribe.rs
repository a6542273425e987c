//! `sterna sub`.

use clap::Args;
use sterna_client::{Message, Messages, PropertiesBuf, QoS, State, Subscription};
use sterna_core::packet::PropertyOwner;
use sterna_core::topic::{matches, validate_filter};
use tokio::io::{AsyncWriteExt, Stdout};

use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::session::{Outcome, Session, block_on, catch_signals, limit};

/// Up to how many messages and bytes are written at once, if so many are there.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 256 << 10;

const EXAMPLES: &str = "\
Exit status: 0 ended by --count, --retained-only, Ctrl-C or SIGTERM, or because nobody reads the output any more, 1 \
subscription refused, or no connection, 2 wrong usage, 27 time is over; connection refused by the server: the code of \
its CONNACK.

Only the first connection must succeed. When a later one is lost it is made again, and the topics are subscribed \
again. A message of QoS 1 or 2 is acknowledged when it was written.

Examples:
  sterna sub -t 'home/#' -v
  sterna sub mqtt://ann:secret@localhost/home/# -q 1
  sterna sub -t home/door -C 1 -W 5               one message, or exit status 27 after five seconds
  sterna sub -t 'home/#' -c -i logger -q 1        what came while it was away comes first";

/// Subscribe to topics and print the messages, one a line.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct SubscribeArguments {
    /// Topic filter; repeatable [default: the URL's path]
    #[arg(short, long, value_name = "FILTER")]
    topic: Vec<String>,
    /// The highest quality of service to receive with: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = parse_qos)]
    qos: QoS,
    /// End after this many messages were printed
    #[arg(short = 'C', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Unsubscribe from this topic filter, after subscribing; repeatable
    #[arg(short = 'U', long, value_name = "FILTER")]
    unsubscribe: Vec<String>,
    #[command(flatten)]
    print: PrintOptions,
    #[command(flatten)]
    connect: ConnectArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
#[allow(clippy::struct_excessive_bools)] // Independent switches.
struct PrintOptions {
    /// Print the topic before the payload
    #[arg(short, long)]
    verbose: bool,
    /// Put no line end behind a message
    #[arg(short = 'N', long = "no-newline")]
    no_newline: bool,
    /// Do not print messages whose topic this filter matches; repeatable
    #[arg(short = 'T', long, value_name = "FILTER")]
    filter_out: Vec<String>,
    /// Do not print retained messages
    #[arg(short = 'R', long = "no-retained", conflicts_with = "retained_only")]
    no_retained: bool,
    /// Print retained messages only, and end at the first other one
    #[arg(long)]
    retained_only: bool,
}

/// What becomes of a message.
enum Fate {
    Print,
    Skip,
    End,
}

impl PrintOptions {
    fn judge(&self, message: &Message) -> Fate {
        if self.retained_only && !message.retain() {
            return Fate::End;
        }
        let stale = self.no_retained && message.retain();
        if stale || self.filter_out.iter().any(|filter| matches(filter, message.topic())) {
            return Fate::Skip;
        }
        Fate::Print
    }

    fn print(&self, message: &Message, output: &mut Vec<u8>) {
        if self.verbose {
            output.extend_from_slice(message.topic().as_bytes());
            output.push(b' ');
        }
        output.extend_from_slice(message.payload());
        if !self.no_newline {
            output.push(b'\n');
        }
    }
}

/// Carries out `sterna sub`.
pub(crate) fn run(arguments: &SubscribeArguments) -> Result<(), Failure> {
    let mut plan = arguments.connect.plan()?;
    let filters: Vec<String> = arguments.topic.iter().cloned().chain(plan.topic.take()).collect();
    if filters.is_empty() && arguments.unsubscribe.is_empty() {
        return Err(Failure::Usage("a topic filter is needed: --topic, or the URL's path".to_owned()));
    }
    for filter in filters.iter().chain(&arguments.unsubscribe).chain(&arguments.print.filter_out) {
        validate_filter(filter)
            .map_err(|error| Failure::Usage(format!("topic filter `{filter}`: {error}")))?;
    }
    let mut subscriber = Subscriber {
        arguments,
        filters,
        subscribe: plan.properties.take(PropertyOwner::Subscribe),
        unsubscribe: plan.properties.take(PropertyOwner::Unsubscribe),
        printed: 0,
        output: tokio::io::stdout(),
    };
    let farewell = plan.properties.take(PropertyOwner::DisconnectFromClient);
    std::mem::take(&mut plan.properties).finish()?;
    block_on(async {
        let mut signals = catch_signals()?;
        let timeout = plan.timeout;
        let mut session = Session::start(plan, arguments.connect.debug, arguments.connect.quiet)?;
        let outcome = limit(subscriber.run(&mut session), timeout, &mut signals).await;
        let at_once = !matches!(outcome, Outcome::Done(_));
        // All that was to be printed is printed, whatever becomes of the connection now.
        let _ = session.end(at_once, farewell, &mut signals).await;
        match outcome {
            Outcome::Done(result) => result,
            Outcome::Signal(_) => Ok(()),
            Outcome::TimedOut { seconds } => Err(Failure::TimedOut { seconds }),
        }
    })
}

struct Subscriber<'a> {
    arguments: &'a SubscribeArguments,
    filters: Vec<String>,
    subscribe: PropertiesBuf,
    unsubscribe: PropertiesBuf,
    printed: u64,
    output: Stdout,
}

impl Subscriber<'_> {
    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        // Both are there before the connection, so that nothing of an earlier session is missed.
        let mut rest = session.client.messages();
        let mut subscription = None;
        if !self.filters.is_empty() {
            let subscribing = session.client.subscribe(&self.filters).qos(self.arguments.qos);
            let subscribing = subscribing.properties(std::mem::take(&mut self.subscribe));
            subscription = Some(subscribing.send().map_err(|error| Failure::Usage(error.to_string()))?);
        }
        session.connect().await?;
        if let Some(subscription) = &mut subscription {
            self.await_granted(session, subscription).await?;
        }
        if !self.arguments.unsubscribe.is_empty() {
            let unsubscribing = session.client.unsubscribe(&self.arguments.unsubscribe);
            let unsubscribing = unsubscribing.properties(std::mem::take(&mut self.unsubscribe));
            unsubscribing.await.map_err(|error| Failure::Failed(format!("cannot unsubscribe: {error}")))?;
        }
        while let Some(first) = self.next(&mut subscription, &mut rest).await {
            if self.print(first, &mut subscription, &mut rest).await? {
                return Ok(());
            }
        }
        if session.client.state() == State::Closed {
            return Err(session.closed().await);
        }
        Err(Failure::Failed("no subscription is left".to_owned()))
    }

    /// The next message; `None` when no more can come. Cancel safe.
    async fn next(&self, subscription: &mut Option<Subscription>, rest: &mut Messages) -> Option<Message> {
        if let Some(stream) = subscription {
            tokio::select! {
                biased;
                message = stream.next() => {
                    // It may end because it was to be unsubscribed: there may be others in the session.
                    if message.is_some() || self.arguments.unsubscribe.is_empty() {
                        return message;
                    }
                }
                message = rest.next() => return message,
            }
            *subscription = None;
        }
        rest.next().await
    }

    async fn await_granted(
        &self,
        session: &mut Session,
        subscription: &mut Subscription,
    ) -> Result<(), Failure> {
        use sterna_client::{OperationError, SubscribeError};
        let granted = match subscription.granted().await {
            Ok(granted) => granted,
            Err(SubscribeError::Failed(OperationError::Closed)) => return Err(session.closed().await),
            Err(error @ SubscribeError::Refused(_)) => return Err(Failure::Failed(error.to_string())),
            Err(error) => return Err(Failure::Failed(format!("cannot subscribe: {error}"))),
        };
        for (filter, reason) in self.filters.iter().zip(granted.reasons) {
            if reason.is_error() {
                say(format_args!("the server refused the subscription to {filter}: {reason}"));
            } else {
                session.tell(format_args!("subscribed to {filter}: granted QoS {}", reason.value()));
            }
        }
        Ok(())
    }

    /// Prints a message and what is there behind it, and then acknowledges them. Whether that was all.
    async fn print(
        &mut self,
        first: Message,
        subscription: &mut Option<Subscription>,
        rest: &mut Messages,
    ) -> Result<bool, Failure> {
        let mut batch = Vec::new();
        let mut text = Vec::new();
        let mut next = Some(first);
        let mut is_end = false;
        while let Some(message) = next.take() {
            match self.arguments.print.judge(&message) {
                Fate::Print => {
                    self.arguments.print.print(&message, &mut text);
                    self.printed += 1;
                    is_end = self.arguments.count == Some(self.printed);
                }
                Fate::Skip => {}
                Fate::End => is_end = true,
            }
            batch.push(message);
            if is_end || batch.len() >= BATCH || text.len() >= BATCH_BYTES {
                break;
            }
            next = subscription.as_mut().and_then(Subscription::try_next).or_else(|| rest.try_next());
        }
        if !text.is_empty() {
            self.output.write_all(&text).await.map_err(|error| Failure::of_output(&error))?;
            self.output.flush().await.map_err(|error| Failure::of_output(&error))?;
        }
        for message in batch {
            // A message of a connection that is lost is owed no more: it comes again.
            let _ = message.ack();
        }
        Ok(is_end)
    }
}
