//! Enhanced authentication: the exchange that all clients of a run go through, their part in it, and what goes wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sterna_client::{AuthError, Authenticator, OperationError, ReauthenticateError};
use sterna_core::packet::{
    Auth, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, PropertiesBuf, Property, ProtocolVersion,
    ReasonCode,
};

use super::application::Surroundings;
use super::random::Random;
use super::report::Fault;
use super::world::World;
use crate::broker::{Authentication, Fault as Rule, OnReceive, OnSend};

/// The method of all exchanges.
pub(super) const METHOD: &str = "WATCHWORD";
/// What no server says that is right.
const BOGUS: &[u8] = b"bogus";

/// What the client says at each step, and what the server answers.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    steps: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What the client does wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misstep {
    /// It says something else at this step.
    SaysWrong(usize),
    /// It has no answer at this step.
    GivesUp(usize),
    /// It does not take the server for the right one.
    Distrusts,
}

/// One thing that happens to an authentication; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthenticationEvent {
    /// The application authenticates anew.
    Again {
        client: usize,
        drop_after: Option<u64>,
    },
    Missteps {
        client: usize,
        misstep: Misstep,
    },
    /// The server sends AUTH that is of another method, or has wrong data, whether it is due or not.
    Stray {
        client: usize,
        other_method: bool,
        ends: bool,
    },
    /// An AUTH of the client or the server is discarded, delayed or the end of the connection.
    Lost {
        client: usize,
        received: bool,
        how: Loss,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Discarded,
    Closed,
    Delayed(u64),
}

const SECOND: u64 = 1_000_000;

impl Exchange {
    pub(super) fn draw(random: &mut Random) -> Self {
        let mut words = |who: &str, step: usize| {
            let length = random.pick(&[0, 6, 30]);
            format!("{who}{step}{:length$}", "").into_bytes()[..length].to_vec()
        };
        let steps = random_steps(&mut words);
        Self { steps }
    }

    pub(super) fn model(&self) -> Authentication {
        let add = |model: Authentication, (said, answer): &(Vec<u8>, Vec<u8>)| {
            model.step(said.clone(), answer.clone())
        };
        self.steps.iter().fold(Authentication::new(METHOD), add)
    }
}

fn random_steps(words: &mut impl FnMut(&str, usize) -> Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let count = 1 + words("", 0).len() % 4;
    (0..count).map(|step| (words("client", step), words("server", step))).collect()
}

pub(super) fn draw_event(random: &mut Random, clients: usize) -> AuthenticationEvent {
    use AuthenticationEvent::{Again, Lost, Missteps, Stray};
    let client = random.below(clients as u64) as usize;
    match random.below(10) {
        0..5 => Again { client, drop_after: random.percent(20).then(|| random.span(1, SECOND)) },
        5 | 6 => {
            let step = random.below(3) as usize;
            let misstep =
                random.pick(&[Misstep::SaysWrong(step), Misstep::GivesUp(step), Misstep::Distrusts]);
            Missteps { client, misstep }
        }
        7 => Stray { client, other_method: random.percent(50), ends: random.percent(30) },
        _ => {
            let delay = Loss::Delayed(random.span(SECOND / 1_000, 60 * SECOND));
            Lost {
                client,
                received: random.percent(50),
                how: random.pick(&[Loss::Discarded, Loss::Closed, delay]),
            }
        }
    }
}

/// The client's part in the exchanges, over all its processes.
#[derive(Debug)]
struct Part {
    exchange: Exchange,
    /// How many steps it has taken of the exchange under way.
    said: Option<usize>,
    missteps: VecDeque<Misstep>,
    /// It was asked something at the wrong time.
    complaint: Option<String>,
}

/// See [`Part`]. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Actor(Arc<Mutex<Part>>);

impl Actor {
    pub(super) fn new(exchange: Exchange) -> Self {
        let (said, missteps, complaint) = (None, VecDeque::new(), None);
        Self(Arc::new(Mutex::new(Part { exchange, said, missteps, complaint })))
    }

    fn part(&self) -> MutexGuard<'_, Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It makes no mistakes any more.
    fn heal(&self) {
        self.part().missteps.clear();
    }
}

impl Part {
    fn missteps(&mut self, misstep: Misstep) -> bool {
        let strikes = self.missteps.front() == Some(&misstep);
        if strikes {
            self.missteps.pop_front();
        }
        strikes
    }

    /// What it says at this step.
    fn say(&mut self, step: usize) -> Vec<u8> {
        self.said = Some(step + 1);
        let right = self.exchange.steps[step].0.clone();
        if self.missteps(Misstep::SaysWrong(step)) { b"something else".to_vec() } else { right }
    }

    /// Whether this is what the server has to say now. `last`: with its acceptance.
    fn hears(&mut self, data: Option<&[u8]>, last: bool) -> Result<usize, ReasonCode> {
        if data == Some(BOGUS) {
            return Err(ReasonCode::UNSPECIFIED_ERROR);
        }
        let count = self.exchange.steps.len();
        let due = self.said.filter(|said| (*said == count) == last);
        let expected = due.map(|said| self.exchange.steps[said - 1].1.as_slice());
        match due {
            Some(said) if expected == Some(data.unwrap_or_default()) => Ok(said),
            _ => {
                self.complaint = Some(format!("{:?} said, {data:?} heard", self.said));
                Err(ReasonCode::UNSPECIFIED_ERROR)
            }
        }
    }
}

impl Authenticator for Actor {
    fn start(&mut self) -> Option<Vec<u8>> {
        Some(self.part().say(0))
    }

    fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
        let mut part = self.part();
        let step = part.hears(challenge, false)?;
        if part.missteps(Misstep::GivesUp(step)) {
            return Err(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        }
        Ok(Some(part.say(step)))
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), ReasonCode> {
        let mut part = self.part();
        part.hears(data, true)?;
        part.said = None;
        if part.missteps(Misstep::Distrusts) { Err(ReasonCode::PROTOCOL_ERROR) } else { Ok(()) }
    }
}

/// What is known of one client's authentications.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Proof {
    /// Re-authentications that the server has accepted, and of which the application was not told.
    pub(super) accepted: u32,
    /// The client has made a mistake on purpose.
    pub(super) missteps: bool,
}

impl World {
    pub(super) fn apply_to_authentication(&mut self, event: AuthenticationEvent) {
        match event {
            AuthenticationEvent::Again { client, drop_after } => {
                let Some(mut application) = self.processes[client].application.take() else { return };
                if self.processes[client].is_frozen_until <= self.now {
                    let again = application.client.reauthenticate();
                    application.start_again(again, drop_after, &mut self.surroundings(client));
                    self.fault(Fault::AuthenticatesAgain);
                }
                self.processes[client].application = Some(application);
            }
            AuthenticationEvent::Missteps { client, misstep } => {
                if let Some(actor) = &self.actors[client] {
                    actor.part().missteps.push_back(misstep);
                    self.promises.proofs[client].missteps = true;
                    self.routes[client].disturbed();
                    self.fault(Fault::AuthenticationFails);
                }
            }
            AuthenticationEvent::Stray { client, other_method, ends } => {
                self.stray(client, other_method, ends);
            }
            AuthenticationEvent::Lost { client, received, how } => self.lose_auth(client, received, how),
        }
    }

    fn stray(&mut self, client: usize, other_method: bool, ends: bool) {
        let Some(id) = self.broker_connection(client) else { return };
        let mut properties = PropertiesBuf::new();
        let method = if other_method { "ANOTHER" } else { METHOD };
        // Both are short and come once.
        let _ = properties.push(Property::AuthenticationMethod(method));
        let _ = properties.push(Property::AuthenticationData(BOGUS));
        let reason = if ends { ReasonCode::SUCCESS } else { ReasonCode::CONTINUE_AUTHENTICATION };
        let auth = Packet::Auth(Auth { reason, properties: properties.as_properties() });
        let mut bytes = Vec::new();
        if auth.encode(ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).is_ok() {
            self.broker.send_raw(self.broker_now(), id, &bytes);
            self.promises.proofs[client].missteps = true;
            self.routes[client].disturbed();
            self.fault(Fault::AuthenticationBroken);
        }
    }

    fn lose_auth(&mut self, client: usize, received: bool, how: Loss) {
        let packet = PacketType::Auth;
        let rule = match (how, received) {
            (Loss::Discarded, true) => Rule::receiving(packet, OnReceive::Discard),
            (Loss::Closed, true) => Rule::receiving(packet, OnReceive::Close),
            (Loss::Discarded, false) => Rule::sending(packet, OnSend::Discard),
            (Loss::Closed, false) => Rule::sending(packet, OnSend::Close),
            (Loss::Delayed(delay), _) => Rule::sending(packet, OnSend::Delay(Duration::from_micros(delay))),
        };
        self.processes[client].needs_reconnect |= how == Loss::Discarded;
        self.broker.add_fault(rule.client(self.setup.clients[client].id.as_str()));
        self.fault(Fault::AuthenticationBroken);
    }

    pub(super) fn heal_authentication(&mut self) {
        self.actors.iter().flatten().for_each(Actor::heal);
    }

    /// Whether the client's part was asked for out of its turn.
    pub(super) fn check_authentication(&mut self, client: usize) {
        let complaint = self.actors[client].as_ref().and_then(|actor| actor.part().complaint.take());
        if let Some(complaint) = complaint {
            self.findings
                .violated("an authenticator was asked out of its turn", format!("c{client}: {complaint}"));
        }
    }
}

/// How a re-authentication has ended, for the application.
pub(super) fn judge(result: &Result<(), ReauthenticateError>, around: &mut Surroundings<'_>) {
    let proof = &mut around.promises.proofs[around.client];
    let is_explained = match result {
        Ok(()) => {
            let was_accepted = proof.accepted > 0;
            proof.accepted = proof.accepted.saturating_sub(1);
            was_accepted
        }
        Err(ReauthenticateError::Rejected(error)) => {
            matches!(error, AuthError::Offline | AuthError::InProgress | AuthError::Closed)
        }
        Err(ReauthenticateError::Server(_)) => proof.missteps,
        Err(ReauthenticateError::Failed(error)) => match error {
            OperationError::Lost | OperationError::Refused(_) | OperationError::Closed => true,
            OperationError::Stalled => around.promises.was_paused(around.client),
            _ => false,
        },
        Err(_) => false,
    };
    around.findings.require(is_explained, "a re-authentication ended without reason", || {
        format!("c{}: {result:?}", around.client)
    });
}
