//! `sterna respond`: answers requests.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;

use clap::Args;
use sterna_client::{Client, Message, Publishing, QoS, State, Subscription};
use sterna_core::packet::{MAXIMUM_REMAINING_LENGTH, PropertyOwner};
use sterna_core::topic::validate_name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::args::parse_qos;
use crate::connect::ConnectArguments;
use crate::exit::{Failure, say};
use crate::publish::PayloadSource;
use crate::session::{Interruption, Session, with_client};
use crate::subscribe::{await_granted, check_filter};

const EXAMPLES: &str = "\
Exit status: 0 ended by --count, Ctrl-C or SIGTERM, 1 subscription refused, no connection, or with --count: some were not \
answered, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or SIGTERM; connection refused by the server: the \
code of its CONNACK.

A command gets the request on standard input; what it writes on standard output is the response, if its exit status is \
0. MQTT_TOPIC in its environment is the request's topic. A request is acknowledged when it was answered, or could not \
be. With MQTT 5 a request says where its answer belongs; with MQTT 3.1.1 --response-topic does.

Examples:
  sterna respond -t time/now -- date
  sterna respond -t text/upper --parallel 8 -- tr a-z A-Z
  sterna respond -t are/you/there -m yes
  sterna respond -V 3.1.1 -t calc/add -e calc/sum -- jq add";

/// Answer requests: with a fixed payload, or with what a command makes of each.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct RespondArguments {
    /// Topic filter of the requests; repeatable [default: the URL's path]
    #[arg(short, long, value_name = "FILTER")]
    topic: Vec<String>,
    #[command(flatten)]
    source: PayloadSource,
    /// Where the answers go to, for requests that do not say it
    #[arg(short = 'e', long, value_name = "TOPIC")]
    response_topic: Option<String>,
    /// The highest quality of service of requests; an answer has that of its request: 0, 1 or 2
    #[arg(short, long, default_value = "1", value_parser = parse_qos)]
    qos: QoS,
    /// How many requests are answered at a time; the others wait
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// End after this many requests
    #[arg(short = 'C', long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: ConnectArguments,
    /// The command that answers a request, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// How an answer is made.
enum Answer {
    Fixed(Vec<u8>),
    Command(Vec<OsString>),
}

/// Carries out `sterna respond`.
pub(crate) fn run(arguments: &RespondArguments) -> Result<(), Failure> {
    if arguments.source.is_given() != arguments.command.is_empty() {
        return Err(Failure::Usage(
            "one answer is needed: -m, -f, -s, -n, or a command behind --".to_owned(),
        ));
    }
    let mut plan = arguments.connect.plan()?;
    let filters: Vec<String> = arguments.topic.iter().cloned().chain(plan.topic.take()).collect();
    if filters.is_empty() {
        return Err(Failure::Usage("a topic filter is needed: --topic, or the URL's path".to_owned()));
    }
    filters.iter().try_for_each(|filter| check_filter(filter))?;
    if let Some(topic) = &arguments.response_topic {
        validate_name(topic).map_err(|error| Failure::Usage(format!("--response-topic: {error}")))?;
    }
    let answer = if arguments.command.is_empty() {
        Answer::Fixed(arguments.source.read()?)
    } else {
        Answer::Command(arguments.command.clone())
    };
    let subscribe = plan.properties.take(PropertyOwner::Subscribe);
    with_client(plan, Interruption::End, async |session| {
        let subscribing = session.client.subscribe(&filters).qos(arguments.qos).properties(subscribe);
        let mut requests = subscribing.send().map_err(|error| Failure::Usage(error.to_string()))?;
        session.connect().await?;
        await_granted(session, &filters, &mut requests).await?;
        let responder = Responder { answer, response_topic: arguments.response_topic.clone() };
        serve(session, &mut requests, Arc::new(responder), arguments).await
    })
}

/// Answers until there are enough, or nothing can come any more.
async fn serve(
    session: &mut Session,
    requests: &mut Subscription,
    responder: Arc<Responder>,
    arguments: &RespondArguments,
) -> Result<(), Failure> {
    let mut work = JoinSet::new();
    let (mut taken, mut failed) = (0, 0_u64);
    loop {
        let is_enough = arguments.count == Some(taken);
        if is_enough && work.is_empty() {
            break;
        }
        tokio::select! {
            Some(outcome) = work.join_next(), if !work.is_empty() => {
                if let Err(error) = outcome.unwrap_or_else(|error| Err(error.to_string())) {
                    failed += 1;
                    say(error);
                }
            }
            request = requests.next(), if !is_enough && work.len() < usize::from(arguments.parallel) => {
                let Some(request) = request else { return Err(closed(session).await) };
                taken += 1;
                let (client, responder) = (session.client.clone(), responder.clone());
                work.spawn(async move { responder.respond(&client, &request).await });
            }
        }
    }
    if failed > 0 {
        return Err(Failure::Failed(format!("{failed} of {taken} requests were not answered")));
    }
    Ok(())
}

async fn closed(session: &mut Session) -> Failure {
    if session.client.state() == State::Closed {
        return session.closed().await;
    }
    Failure::Failed("no subscription is left".to_owned())
}

struct Responder {
    answer: Answer,
    response_topic: Option<String>,
}

impl Responder {
    async fn respond(&self, client: &Client, request: &Message) -> Result<(), String> {
        let outcome = self.try_respond(client, request).await;
        // It would fail a second time too.
        let _ = request.ack();
        outcome.map_err(|error| format!("the request at {} is not answered: {error}", request.topic()))
    }

    async fn try_respond(&self, client: &Client, request: &Message) -> Result<(), String> {
        // Whether it can be answered is known before any work is done.
        drop(self.address(client, request, Vec::new())?);
        let payload = match &self.answer {
            Answer::Fixed(payload) => payload.clone(),
            Answer::Command(words) => carry_out(words, request).await?,
        };
        self.address(client, request, payload)?.await.map(drop).map_err(|error| error.to_string())
    }

    fn address(
        &self,
        client: &Client,
        request: &Message,
        payload: Vec<u8>,
    ) -> Result<Publishing<'static>, String> {
        match &self.response_topic {
            Some(topic) if request.properties().response_topic().is_none() => {
                Ok(client.publish(topic.clone(), payload).qos(request.qos()))
            }
            _ => request.respond(payload).map_err(|error| error.to_string()),
        }
    }
}

/// Runs the command with the request's payload; what it writes is the answer.
async fn carry_out(words: &[OsString], request: &Message) -> Result<Vec<u8>, String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(Vec::new()) };
    let fail = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut child = Command::new(program)
        .args(arguments)
        .env("MQTT_TOPIC", request.topic())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(fail)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read all of it has its reasons.
            let _ = stdin.write_all(request.payload()).await;
        }
    };
    let read = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            // One byte more than could be sent: then it is too much.
            let limit = u64::from(MAXIMUM_REMAINING_LENGTH) + 1;
            stdout.take(limit).read_to_end(&mut answer).await?;
        }
        Ok(answer)
    };
    let ((), answer) = tokio::join!(write, read);
    let status = child.wait().await.map_err(fail)?;
    if !status.success() {
        return Err(format!("{}: {status}", program.display()));
    }
    answer.map_err(fail)
}
