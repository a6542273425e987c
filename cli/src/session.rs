//! A client at work for a subcommand: connecting, being cut short, ending, and what failure each of them is.

use std::future::Future;
use std::time::Duration;

use sterna_client::{
    Cause, Client, ConnectError, DisconnectError, Event, Events, PacketInfo, PropertiesBuf, ProtocolVersion,
    Refusal, VersionPolicy,
};
use tokio::task::JoinHandle;

use crate::connect::Plan;
use crate::exit::{Failure, say};
use crate::signal::{Signal, Signals};

/// Runs a subcommand on a runtime of this thread alone.
pub(crate) fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
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
        match timeout {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
        timeout.unwrap_or_default()
    };
    tokio::select! {
        biased;
        result = work => Outcome::Done(result),
        signal = signals.next() => Outcome::Signal(signal),
        seconds = out_of_time => Outcome::TimedOut { seconds },
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
    pub(crate) fn start(plan: Plan, debug: bool, quiet: bool) -> Result<Self, Failure> {
        let client = plan.builder.build().map_err(|error| match error {
            ConnectError::Url(_) | ConnectError::Config(_) => Failure::Usage(error.to_string()),
            error => Failure::Failed(error.to_string()),
        })?;
        let narrator = Some(tokio::spawn(narrate(client.events(), debug, quiet)));
        Ok(Self { client, debug, version: plan.version, narrator })
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

    /// Disconnects: gracefully, or without waiting for anything but the DISCONNECT itself. A signal ends even that.
    pub(crate) async fn end(
        mut self,
        at_once: bool,
        properties: PropertiesBuf,
        signals: &mut Signals,
    ) -> Result<(), DisconnectError> {
        let is_v5 = self.client.server().is_some_and(|server| server.version == ProtocolVersion::V5);
        let mut disconnecting = self.client.disconnect();
        if at_once {
            disconnecting = disconnecting.at_once();
        }
        if is_v5 {
            disconnecting = disconnecting.properties(properties);
        }
        tokio::select! {
            biased;
            result = disconnecting => {
                if let Some(narrator) = self.narrator.take() {
                    // It ends with the client, which has closed.
                    let _ = narrator.await;
                }
                result
            }
            _ = signals.next() => Ok(()),
        }
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
