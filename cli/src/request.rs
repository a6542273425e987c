//! `sterna request`: a message, and the answer to it.

use std::time::Duration;

use clap::Args;
use sterna_client::{Message, PropertiesBuf, QoS, RequestError, Subscription};
use sterna_core::packet::{Property, PropertyOwner};
use tokio::io::AsyncWriteExt;

use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::Failure;
use crate::output::OutputOptions;
use crate::publish::{PayloadSource, is_closed, topic_name};
use crate::session::{Interruption, Session, with_client};
use crate::subscribe::{await_granted, check_filter};

/// `--timeout` is what ends a request without an answer.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

const EXAMPLES: &str = "\
Exit status: 0 answered, 1 not answered because nobody listens, something was refused or there is no connection, 2 wrong \
usage, 27 time is over, 130 or 143 interrupted; connection refused by the server: the code of its CONNACK.

With MQTT 5 the answer comes to a topic of this request's own and is told from others by its correlation data. With \
--response-topic it comes to that one, which is also how to ask with MQTT 3.1.1: then the first message there is the answer.

Examples:
  sterna request -t time/now -n -W 5
  sterna request -t calc/add -m '[1, 2]' -F '%j'
  sterna request -V 3.1.1 -t calc/add -e calc/sum -m '[1, 2]'";

/// Publish a request and print the answer to it.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct RequestArguments {
    /// The topic of the request [default: the URL's path]
    #[arg(short, long)]
    topic: Option<String>,
    #[command(flatten)]
    source: PayloadSource,
    /// Where the answer comes to [default with MQTT 5: a topic for this client alone]
    #[arg(short = 'e', long, value_name = "TOPIC")]
    response_topic: Option<String>,
    /// Quality of service of the request and of its answer: 0, 1 or 2
    #[arg(short, long, default_value = "1", value_parser = parse_qos)]
    qos: QoS,
    #[command(flatten)]
    output: OutputOptions,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
}

/// Carries out `sterna request`.
pub(crate) fn run(arguments: &RequestArguments) -> Result<(), Failure> {
    if !arguments.source.is_given() {
        return Err(Failure::Usage("a message is needed: -m, -f, -s or -n".to_owned()));
    }
    let mut plan = arguments.connect.plan()?;
    let topic = topic_name(arguments.topic.as_deref(), &mut plan)?;
    match &arguments.response_topic {
        Some(response_topic) => check_filter(response_topic)?,
        None => plan.need_v5("a request without --response-topic needs")?,
    }
    let request = Request {
        topic,
        payload: arguments.source.read()?,
        publish: plan.properties.take(PropertyOwner::PublishFromClient),
        subscribe: plan.properties.take(PropertyOwner::Subscribe),
        arguments,
    };
    let identified = request.subscribe.as_properties().subscription_identifiers().next().is_some();
    with_client(plan, Interruption::Failure, async |session| {
        let answer = request.ask(session).await?;
        let mut text = Vec::new();
        arguments.output.print(&answer, identified, &mut text);
        let mut output = tokio::io::stdout();
        let written = async {
            output.write_all(&text).await?;
            output.flush().await
        };
        written.await.map_err(|error| Failure::of_output(&error))?;
        // It is printed, whatever becomes of the connection.
        let _ = answer.ack();
        Ok(())
    })
}

struct Request<'a> {
    topic: String,
    payload: Vec<u8>,
    publish: PropertiesBuf,
    subscribe: PropertiesBuf,
    arguments: &'a RequestArguments,
}

impl Request<'_> {
    async fn ask(&self, session: &mut Session) -> Result<Message, Failure> {
        session.connect().await?;
        match &self.arguments.response_topic {
            Some(response_topic) => self.ask_at(session, response_topic).await,
            None => self.ask_anywhere(session).await,
        }
    }

    async fn ask_anywhere(&self, session: &mut Session) -> Result<Message, Failure> {
        let request =
            session.client.request(self.topic.clone(), self.payload.clone()).qos(self.arguments.qos);
        match request.properties(self.publish.clone()).timeout(FOREVER).await {
            Ok(answer) => Ok(answer),
            Err(RequestError::Publish(error)) if is_closed(&error) => Err(session.closed().await),
            Err(error) => Err(Failure::Failed(error.to_string())),
        }
    }

    async fn ask_at(&self, session: &mut Session, response_topic: &str) -> Result<Message, Failure> {
        let filters = [response_topic.to_owned()];
        let subscribing = session.client.subscribe(&filters).qos(self.arguments.qos);
        let mut answers = subscribing
            .properties(self.subscribe.clone())
            .send()
            .map_err(|error| Failure::Usage(error.to_string()))?;
        await_granted(session, &filters, &mut answers).await?;
        let is_v5 = session.is_v5();
        let mut properties = self.publish.clone();
        if is_v5 && properties.as_properties().response_topic().is_none() {
            let added = properties.push(Property::ResponseTopic(response_topic));
            added.map_err(|error| Failure::Usage(format!("--response-topic: {error}")))?;
        }
        let publishing =
            session.client.publish(self.topic.clone(), self.payload.clone()).qos(self.arguments.qos);
        match publishing.properties(properties.clone()).await {
            Ok(_) => self.first_answer(session, &mut answers, &properties).await,
            Err(error) if is_closed(&error) => Err(session.closed().await),
            Err(error) => Err(Failure::Failed(format!("the request failed: {error}"))),
        }
    }

    /// The first message that is no retained one, and has the correlation data that we gave, if we did.
    async fn first_answer(
        &self,
        session: &mut Session,
        answers: &mut Subscription,
        properties: &PropertiesBuf,
    ) -> Result<Message, Failure> {
        let ours = properties.as_properties().correlation_data();
        while let Some(message) = answers.next().await {
            let theirs = message.properties().correlation_data();
            if !message.retain() && (ours.is_none() || theirs == ours) {
                return Ok(message);
            }
            let _ = message.ack();
        }
        Err(session.closed().await)
    }
}
