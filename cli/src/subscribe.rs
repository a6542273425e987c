//! `sterna sub`.

mod choice;

use std::collections::VecDeque;

use clap::{Args, ValueEnum};
use sterna_client::{
    Delivery, Message, Messages, PropertiesBuf, PublishError, QoS, RetainHandling, State, Subscription,
};
use sterna_core::packet::PropertyOwner;
use sterna_core::topic::validate_filter;
use tokio::io::{AsyncWriteExt, Stdout};

use self::choice::{Choice, ChoiceOptions, Fate};
use crate::args::parse_qos;
use crate::connect::{ConnectArguments, Plan};
use crate::exit::{Failure, say};
use crate::output::OutputOptions;
use crate::session::{Interruption, Session, with_client};

/// Up to how many messages and bytes are written at once, if so many are there.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 256 << 10;

const EXAMPLES: &str = "\
Exit status: 0 ended by --count, --subscribe-only, --retained-only, Ctrl-C or SIGTERM, or because nobody reads the \
output any more, 1 subscription refused, or no connection, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or \
SIGTERM; connection refused by the server: the code of its CONNACK.

Only the first connection must succeed. When a later one is lost it is made again, and the topics are subscribed \
again. A message of QoS 1 or 2 is acknowledged when it was written.

Examples:
  sterna sub -t 'home/#' -v
  sterna sub mqtt://ann:secret@localhost/home/# -q 1
  sterna sub -t home/door -C 1 -W 5               one message, or exit status 27 after five seconds
  sterna sub -t 'home/#' -c -i logger -q 1        what came while it was away comes first
  sterna sub -t 'home/#' -F '%I %-20t %p'         the time, the topic, the payload
  sterna sub -t '#' --remove-retained --retained-only";

/// Subscribe to topics and print the messages, one a line.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
#[allow(clippy::struct_excessive_bools)] // Independent switches.
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
    /// End as soon as the server has subscribed: with -c it keeps messages from then on
    #[arg(short = 'E', long)]
    subscribe_only: bool,
    /// Unsubscribe from this topic filter, after subscribing; repeatable
    #[arg(short = 'U', long, value_name = "FILTER")]
    unsubscribe: Vec<String>,
    /// Leave the retained flag as it was when the message was published (MQTT 5)
    #[arg(long)]
    retain_as_published: bool,
    /// When the server sends its retained messages (MQTT 5)
    #[arg(long, value_name = "WHEN", value_enum, default_value = "always")]
    retain_handling: WhenRetained,
    /// Do not receive what this client publishes itself (MQTT 5)
    #[arg(long)]
    no_local: bool,
    #[command(flatten)]
    choice: ChoiceOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Retain Handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WhenRetained {
    /// At every subscription
    Always,
    /// If the subscription is new to the session
    New,
    Never,
}

impl From<WhenRetained> for RetainHandling {
    fn from(when: WhenRetained) -> Self {
        match when {
            WhenRetained::Always => Self::SendAtSubscribe,
            WhenRetained::New => Self::SendIfNew,
            WhenRetained::Never => Self::DoNotSend,
        }
    }
}

/// Checks a topic filter.
pub(crate) fn check_filter(filter: &str) -> Result<(), Failure> {
    validate_filter(filter).map_err(|error| Failure::Usage(format!("topic filter `{filter}`: {error}")))
}

/// Carries out `sterna sub`.
pub(crate) fn run(arguments: &SubscribeArguments) -> Result<(), Failure> {
    let mut plan = arguments.connect.plan()?;
    let filters: Vec<String> = arguments.topic.iter().cloned().chain(plan.topic.take()).collect();
    if filters.is_empty() && arguments.unsubscribe.is_empty() {
        return Err(Failure::Usage("a topic filter is needed: --topic, or the URL's path".to_owned()));
    }
    filters.iter().chain(&arguments.unsubscribe).try_for_each(|filter| check_filter(filter))?;
    let mut subscriber = Subscriber::new(arguments, filters, &mut plan)?;
    with_client(plan, Interruption::End, async |session| subscriber.run(session).await)
}

struct Subscriber<'a> {
    arguments: &'a SubscribeArguments,
    filters: Vec<String>,
    subscribe: PropertiesBuf,
    unsubscribe: PropertiesBuf,
    /// The user gave the subscription an identifier.
    identified: bool,
    choice: Choice<'a>,
    /// Retained messages that are being removed, the oldest first.
    removals: VecDeque<Delivery>,
    printed: u64,
    output: Stdout,
}

impl<'a> Subscriber<'a> {
    fn new(
        arguments: &'a SubscribeArguments,
        filters: Vec<String>,
        plan: &mut Plan,
    ) -> Result<Self, Failure> {
        let subscribe = plan.properties.take(PropertyOwner::Subscribe);
        let identified = subscribe.as_properties().subscription_identifiers().next().is_some();
        Ok(Self {
            arguments,
            filters,
            identified,
            subscribe,
            unsubscribe: plan.properties.take(PropertyOwner::Unsubscribe),
            choice: arguments.choice.choice()?,
            removals: VecDeque::new(),
            printed: 0,
            output: tokio::io::stdout(),
        })
    }

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        // Both are there before the connection, so that nothing of an earlier session is missed.
        let mut rest = session.client.messages();
        let mut subscription = None;
        if !self.filters.is_empty() {
            subscription = Some(self.subscribe(session)?);
        }
        session.connect().await?;
        if let Some(subscription) = &mut subscription {
            await_granted(session, &self.filters, subscription).await?;
        }
        if !self.arguments.unsubscribe.is_empty() {
            let unsubscribing = session.client.unsubscribe(&self.arguments.unsubscribe);
            let unsubscribing = unsubscribing.properties(std::mem::take(&mut self.unsubscribe));
            unsubscribing.await.map_err(|error| Failure::Failed(format!("cannot unsubscribe: {error}")))?;
        }
        if self.arguments.subscribe_only {
            return Ok(());
        }
        while let Some(first) = self.next(&mut subscription, &mut rest).await {
            if self.print(session, first, &mut subscription, &mut rest).await? {
                return self.await_removals(0).await;
            }
        }
        if session.client.state() == State::Closed {
            return Err(session.closed().await);
        }
        Err(Failure::Failed("no subscription is left".to_owned()))
    }

    fn subscribe(&mut self, session: &Session) -> Result<Subscription, Failure> {
        let subscribing = session
            .client
            .subscribe(&self.filters)
            .qos(self.arguments.qos)
            .no_local(self.arguments.no_local)
            .retain_as_published(self.arguments.retain_as_published)
            .retain_handling(self.arguments.retain_handling.into());
        let subscribing = subscribing.properties(std::mem::take(&mut self.subscribe));
        subscribing.send().map_err(|error| Failure::Usage(error.to_string()))
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

    /// Prints a message and what is there behind it, and then acknowledges them. Whether that was all.
    async fn print(
        &mut self,
        session: &Session,
        first: Message,
        subscription: &mut Option<Subscription>,
        rest: &mut Messages,
    ) -> Result<bool, Failure> {
        let mut batch = Vec::new();
        let mut text = Vec::new();
        let mut next = Some(first);
        let mut is_end = false;
        while let Some(message) = next.take() {
            if self.choice.is_to_be_removed(&message) {
                self.remove(session, message.topic()).await?;
            }
            match self.choice.judge(&message) {
                Fate::Print => {
                    self.arguments.output.print(&message, self.identified, &mut text);
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

    /// Has the server forget its retained message of this topic.
    async fn remove(&mut self, session: &Session, topic: &str) -> Result<(), Failure> {
        let removal = session.client.publish(topic.to_owned(), "").qos(QoS::AtLeastOnce).retain(true);
        let delivery = removal.enqueue().await.map_err(|error| cannot_remove(&error))?;
        self.removals.push_back(delivery);
        self.await_removals(BATCH).await
    }

    /// Waits until no more than so many are under way.
    async fn await_removals(&mut self, under_way: usize) -> Result<(), Failure> {
        while self.removals.len() > under_way {
            let Some(oldest) = self.removals.front_mut() else { break };
            let outcome = oldest.await;
            self.removals.pop_front();
            outcome.map_err(|error| cannot_remove(&error))?;
        }
        Ok(())
    }
}

fn cannot_remove(error: &PublishError) -> Failure {
    Failure::Failed(format!("a retained message cannot be removed: {error}"))
}

/// Waits for the server's answer; at least one of the filters has to be granted.
pub(crate) async fn await_granted(
    session: &mut Session,
    filters: &[String],
    subscription: &mut Subscription,
) -> Result<(), Failure> {
    use sterna_client::{OperationError, SubscribeError};
    let granted = match subscription.granted().await {
        Ok(granted) => granted,
        Err(SubscribeError::Failed(OperationError::Closed)) => return Err(session.closed().await),
        Err(error @ SubscribeError::Refused(_)) => return Err(Failure::Failed(error.to_string())),
        Err(error) => return Err(Failure::Failed(format!("cannot subscribe: {error}"))),
    };
    for (filter, reason) in filters.iter().zip(granted.reasons) {
        if reason.is_error() {
            say(format_args!("the server refused the subscription to {filter}: {reason}"));
        } else {
            session.tell(format_args!("subscribed to {filter}: granted QoS {}", reason.value()));
        }
    }
    Ok(())
}
