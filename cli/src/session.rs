//! A client at work for a subcommand: connecting, being cut short, ending, and what failure each of them is.

use std::future::Future;
use std::time::Duration;

use sterna_client::{
    Cause, Client, ClientBuilder, ConnectError, Event, Events, PacketInfo, PropertiesBuf, ProtocolVersion,
    Refusal, VersionPolicy,
};
use tokio::task::JoinHandle;

use crate::connect::Plan;
use crate::exit::{Failure, say};
use crate::signal::{Signal, Signals};

/// Runs a subcommand on a runtime of this thread alone.
pub(crate) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run_on(tokio::runtime::Builder::new_current_thread(), work)
}

/// Runs a subcommand on a runtime of as many threads as there are processors.
pub(crate) fn block_on_threads(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run_on(tokio::runtime::Builder::new_multi_thread(), work)
}

fn run_on(
    mut builder: tokio::runtime::Builder,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let runtime =
        builder.enable_all().build().map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(work);
    // A write to a full pipe may never end: nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// Signals are caught from here on.
pub(crate) fn catch_signals() -> Result<Signals, Failure> {
    Signals::catch().map_err(|error| Failure::Failed(format!("cannot catch signals: {error}")))
}

/// How the work came to its end.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Result<(), Failure>),
    Signal(Signal),
    TimedOut { seconds: u64 },
}

/// Does `work` until it is done, a signal comes, or the time is over.
pub(crate) async fn limit(
    work: impl Future<Output = Result<(), Failure>>,
    timeout: Option<u64>,
    signals: &mut Signals,
) -> Outcome {
    let out_of_time = async {
        pause(timeout.map(Duration::from_secs)).await;
        timeout.unwrap_or_default()
    };
    tokio::select! {
        biased;
        result = work => Outcome::Done(result),
        signal = signals.next() => Outcome::Signal(signal),
        seconds = out_of_time => Outcome::TimedOut { seconds },
    }
}

/// What a signal is to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Its end, as good as any.
    End,
    /// It comes before the work is done.
    Failure,
}

/// Does `work` with a client that is not connected yet, within the time that the options give, and disconnects. The
/// first signal ends the work and disconnects, which waits some seconds for what is under way; the second does not wait.
pub(crate) fn with_client(
    mut plan: Plan,
    interruption: Interruption,
    work: impl AsyncFnOnce(&mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let farewell = plan.take_farewell()?;
    let recorder = plan.take_recorder();
    block_on(async {
        let mut signals = catch_signals()?;
        let builder = plan.builder()?;
        let builder = match recorder {
            Some(recorder) => builder.record(recorder),
            None => builder,
        };
        let mut session = Session::start(&plan, builder)?;
        let outcome = limit(work(&mut session), plan.timeout, &mut signals).await;
        let at_once = matches!(outcome, Outcome::TimedOut { .. });
        if matches!(outcome, Outcome::Signal(_)) {
            session.tell(format_args!("disconnecting; another signal does not wait for it"));
        }
        let ended = session.end(at_once, farewell, &mut signals).await;
        match (outcome, ended) {
            (_, Err(failure @ Failure::Interrupted(_))) => Err(failure),
            (Outcome::Done(Ok(())), ended) if interruption == Interruption::Failure => ended,
            (Outcome::Done(result), _) => result,
            (Outcome::Signal(signal), _) if interruption == Interruption::Failure => {
                Err(Failure::Interrupted(signal))
            }
            (Outcome::Signal(_), _) => Ok(()),
            (Outcome::TimedOut { seconds }, _) => Err(Failure::TimedOut { seconds }),
        }
    })
}

/// Waits as long as it takes, or for ever.
pub(crate) async fn pause(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// A client, and who tells of it.
pub(crate) struct Session {
    pub(crate) client: Client,
    debug: bool,
    version: VersionPolicy,
    /// Ends with the client, with the cause.
    narrator: Option<JoinHandle<Option<Cause>>>,
}

impl Session {
    /// Starts a client that is not connected yet.
    pub(crate) fn start(plan: &Plan, builder: ClientBuilder<sterna_tokio::Runtime>) -> Result<Self, Failure> {
        let client = build(builder)?;
        let narrator = Some(tokio::spawn(narrate(client.events(), plan.debug(), plan.quiet())));
        Ok(Self { client, debug: plan.debug(), version: plan.version, narrator })
    }

    pub(crate) async fn connect(&self) -> Result<(), Failure> {
        self.client.connect().await.map_err(|error| match error {
            ConnectError::Closed(cause) => self.failure(&cause),
            error => Failure::Failed(error.to_string()),
        })?;
        if let Some(server) = self.client.server() {
            let id = self.client.client_id();
            self.tell(format_args!("connected as {id} with MQTT {}", server.version));
        }
        Ok(())
    }

    /// Whether the connection is one of MQTT 5.
    pub(crate) fn is_v5(&self) -> bool {
        self.client.server().is_some_and(|server| server.version == ProtocolVersion::V5)
    }

    /// With `--debug` only.
    pub(crate) fn tell(&self, message: std::fmt::Arguments<'_>) {
        if self.debug {
            say(message);
        }
    }

    /// Why the client has closed, once it has.
    pub(crate) async fn closed(&mut self) -> Failure {
        let Some(narrator) = self.narrator.take() else {
            return Failure::Failed("the client is closed".to_owned());
        };
        match narrator.await {
            Ok(Some(cause)) => self.failure(&cause),
            _ => Failure::Failed("the client is closed".to_owned()),
        }
    }

    /// Disconnects: gracefully, or without waiting for anything but the DISCONNECT itself. A signal ends even that:
    /// [`Failure::Interrupted`].
    pub(crate) async fn end(
        self,
        at_once: bool,
        properties: PropertiesBuf,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        tokio::select! {
            biased;
            result = self.disconnect(at_once, properties) => result,
            signal = signals.next() => Err(Failure::Interrupted(signal)),
        }
    }

    /// The same, whatever signals come.
    pub(crate) async fn disconnect(
        mut self,
        at_once: bool,
        properties: PropertiesBuf,
    ) -> Result<(), Failure> {
        let mut disconnecting = self.client.disconnect();
        if at_once {
            disconnecting = disconnecting.at_once();
        }
        if self.is_v5() {
            disconnecting = disconnecting.properties(properties);
        }
        let result = disconnecting.await;
        if let Some(narrator) = self.narrator.take() {
            // It ends with the client, which has closed.
            let _ = narrator.await;
        }
        result.map_err(|error| Failure::Failed(error.to_string()))
    }

    fn failure(&self, cause: &Cause) -> Failure {
        match cause {
            Cause::Refused(refusal) => {
                Failure::Refused { message: cause.to_string(), status: self.connack_code(refusal) }
            }
            cause => Failure::Failed(cause.to_string()),
        }
    }

    /// The code as it stood in the CONNACK: on 3.x that is a return code.
    fn connack_code(&self, refusal: &Refusal) -> u8 {
        let fell_back = self.client.statistics().connection.reconnects > 0;
        let version = match (self.client.server(), self.version) {
            (Some(server), _) => server.version,
            (None, VersionPolicy::Only(version)) => version,
            // The first connection is made a second time only with the older version.
            (None, VersionPolicy::Automatic { .. }) if fell_back => ProtocolVersion::V3_1_1,
            (None, VersionPolicy::Automatic { .. }) => ProtocolVersion::V5,
        };
        let return_code = refusal.reason.connect_return_code().filter(|_| version != ProtocolVersion::V5);
        return_code.unwrap_or(refusal.reason.value())
    }
}

/// A client that is not connected yet.
pub(crate) fn build(builder: ClientBuilder<sterna_tokio::Runtime>) -> Result<Client, Failure> {
    builder.build().map_err(|error| match error {
        ConnectError::Url(_)
        | ConnectError::Config(_)
        | ConnectError::Transport(_)
        | ConnectError::Contradiction(_) => Failure::Usage(error.to_string()),
        error => Failure::Failed(error.to_string()),
    })
}

/// Tells of the client on standard error until it closes.
async fn narrate(mut events: Events, debug: bool, quiet: bool) -> Option<Cause> {
    let mut was_connected = false;
    let mut is_away = false;
    while let Some(event) = events.next().await {
        match event {
            Event::Closed { cause } => return Some(cause),
            Event::Connected { .. } => {
                if is_away && !quiet {
                    say("connected again");
                }
                (was_connected, is_away) = (true, false);
            }
            Event::Disconnected { cause, retry_in: Some(pause), .. } if was_connected => {
                is_away = true;
                if !quiet {
                    say(format_args!("{cause}; next attempt in {:.1} s", pause.as_secs_f32()));
                }
            }
            Event::Resubscribed { filter, reason } if reason.is_error() => {
                say(format_args!("the server now refuses the subscription to {filter}: {reason}"));
            }
            Event::Dropped { messages } => {
                say(format_args!("{messages} messages of QoS 0 were dropped: the output is too slow"));
            }
            event if debug => detail(&event),
            _ => {}
        }
    }
    None
}

/// What only `--debug` tells.
fn detail(event: &Event) {
    match event {
        Event::Connecting { attempt } => say(format_args!("connecting, attempt {attempt}")),
        Event::Disconnected { cause, .. } => say(format_args!("the connection ended: {cause}")),
        Event::Resubscribed { filter, reason } => say(format_args!("subscribed again to {filter}: {reason}")),
        Event::PacketSent(packet) => say(format_args!("sent {}", describe(*packet))),
        Event::PacketReceived(packet) => say(format_args!("received {}", describe(*packet))),
        Event::Lagged(events) => say(format_args!("({events} events are not shown: too many at a time)")),
        _ => {}
    }
}

fn describe(packet: PacketInfo) -> String {
    let name = format!("{:?}", packet.packet).to_uppercase();
    match packet.packet_id {
        0 => format!("{name}, {} bytes", packet.size),
        id => format!("{name} {id}, {} bytes", packet.size),
    }
}
