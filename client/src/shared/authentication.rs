//! The steps of enhanced authentication that wait for the authenticator, and who waits for a re-authentication.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use sterna_core::packet::{PropertiesBuf, ReasonCode};
use sterna_core::{Attempt, Auth, AuthError, OperationError, Token};

use super::Inner;
use crate::authentication::{Authenticator, ReauthenticateError};
use crate::lock::{Wakers, register};

/// What the authenticator has to do, outside of the lock.
#[derive(Debug)]
pub(crate) enum Work {
    /// Answer AUTH or, `accepted`, confirm CONNACK.
    Answer { attempt: Attempt, accepted: bool, properties: PropertiesBuf },
    /// Begin the re-authentication of this request.
    Begin(u64),
    /// Check the server's last data of this one, which succeeded.
    Check { attempt: Attempt, token: Token, properties: PropertiesBuf },
}

/// What it says: the data of its step, or why it gives up.
type Verdict = Result<Option<Vec<u8>>, ReasonCode>;

impl Work {
    /// Without an authenticator there is no next step, and every server is right.
    pub(crate) fn carry_out(&self, authenticator: Option<&mut (dyn Authenticator + 'static)>) -> Verdict {
        match self {
            Self::Answer { accepted: false, properties, .. } => {
                let authenticator = authenticator.ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
                authenticator.step(properties.as_properties().authentication_data())
            }
            Self::Answer { properties, .. } | Self::Check { properties, .. } => {
                let data = properties.as_properties().authentication_data();
                authenticator.map_or(Ok(()), |authenticator| authenticator.finish(data)).map(|()| None)
            }
            Self::Begin(_) => Ok(authenticator.and_then(Authenticator::start)),
        }
    }
}

type Outcome = Result<(), ReauthenticateError>;

#[derive(Debug)]
struct Waiter {
    request: u64,
    /// `None` until it has begun.
    token: Option<Token>,
    waker: Option<Waker>,
    outcome: Option<Outcome>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Authentications {
    /// A connection challenges us once at a time.
    work: VecDeque<Work>,
    /// At most one of them is under way.
    waiters: Vec<Waiter>,
    requests: u64,
}

impl Authentications {
    /// Whether the authenticator has something to do.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.work.is_empty()
    }

    /// What belongs to the exchange under way comes before what begins the next one.
    pub(super) fn push(&mut self, work: Work) {
        let begins = |work: &Work| matches!(work, Work::Begin(_));
        let next = self.work.iter().position(begins).filter(|_| !begins(&work));
        self.work.insert(next.unwrap_or(self.work.len()), work);
    }

    pub(crate) fn poll(&mut self, request: u64, waker: &Waker) -> Poll<Outcome> {
        let Some(index) = self.waiters.iter().position(|waiter| waiter.request == request) else {
            return Poll::Ready(Err(AuthError::Closed.into()));
        };
        if self.waiters[index].outcome.is_none() {
            register(&mut self.waiters[index].waker, waker);
            return Poll::Pending;
        }
        self.waiters.remove(index).outcome.map_or(Poll::Pending, Poll::Ready)
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&mut self, request: u64) {
        self.waiters.retain(|waiter| waiter.request != request);
    }

    fn begun(&mut self, request: u64, token: Token) {
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| waiter.request == request) {
            waiter.token = Some(token);
        }
    }

    fn complete(&mut self, which: impl Fn(&Waiter) -> bool, outcome: Outcome, wakers: &mut Wakers) {
        if let Some(waiter) = self.waiters.iter_mut().find(|waiter| which(waiter)) {
            waiter.outcome = Some(outcome);
            wakers.push(waiter.waker.take());
        }
    }

    /// The client is gone.
    pub(super) fn close(&mut self, wakers: &mut Wakers) {
        self.work.clear();
        for waiter in &mut self.waiters {
            waiter.outcome.get_or_insert(Err(OperationError::Closed.into()));
            wakers.push(waiter.waker.take());
        }
    }
}

impl Inner {
    /// Asks for a re-authentication; its number.
    pub(crate) fn request_reauthentication(&mut self) -> u64 {
        let request = self.authentications.requests;
        self.authentications.requests += 1;
        // A client that is gone knows of no request.
        if !self.dead {
            let waiter = Waiter { request, token: None, waker: None, outcome: None };
            self.authentications.waiters.push(waiter);
            self.authentications.push(Work::Begin(request));
            self.touch();
        }
        request
    }

    /// What the authenticator has to do next. What belongs to a connection that is gone is left out, and what cannot
    /// begin now: the authenticator may be in the middle of another exchange.
    pub(crate) fn next_authentication(&mut self) -> Option<Work> {
        let current = self.connection.attempt();
        loop {
            let work = self.authentications.work.pop_front()?;
            match &work {
                Work::Answer { attempt, .. } if *attempt != current => {}
                Work::Begin(request) => match self.connection.check_reauthenticate() {
                    Ok(()) => return Some(work),
                    Err(error) => self.reject(*request, error),
                },
                _ => return Some(work),
            }
        }
    }

    /// What it has said.
    pub(crate) fn authenticated(&mut self, work: &Work, verdict: Verdict) {
        let auth = |data| Auth { data, ..Auth::default() };
        match (work, verdict) {
            (Work::Answer { attempt, .. }, Ok(data)) => {
                let answered = self.connection.authenticate(self.now, *attempt, auth(data.as_deref()));
                if answered.is_err_and(|error| error != AuthError::NotExpected) {
                    // It cannot be sent: nothing else can.
                    self.refuse_server(*attempt, ReasonCode::UNSPECIFIED_ERROR);
                }
            }
            (Work::Answer { attempt, .. }, Err(reason)) => self.refuse_server(*attempt, reason),
            (Work::Begin(request), verdict) => {
                let data = verdict.unwrap_or_default();
                let begun = self.connection.reauthenticate(self.now, auth(data.as_deref()));
                match begun {
                    Ok(token) => self.authentications.begun(*request, token),
                    Err(error) => self.reject(*request, error),
                }
            }
            (Work::Check { token, .. }, Ok(_)) => self.finish_reauthentication(*token, Ok(())),
            (Work::Check { token, attempt, .. }, Err(reason)) => {
                self.refuse_server(*attempt, reason);
                self.finish_reauthentication(*token, Err(ReauthenticateError::Server(reason)));
            }
        }
        self.touch();
    }

    fn reject(&mut self, request: u64, error: AuthError) {
        let which = |waiter: &Waiter| waiter.request == request;
        self.authentications.complete(which, Err(error.into()), &mut self.wakers);
    }

    fn refuse_server(&mut self, attempt: Attempt, reason: ReasonCode) {
        let refused = self.connection.refuse_authentication(self.now, attempt, reason);
        if matches!(refused, Err(AuthError::Reason(_))) {
            // Any other error: the connection is gone already.
            let _ = self.connection.refuse_authentication(self.now, attempt, ReasonCode::UNSPECIFIED_ERROR);
        }
    }

    /// The server has ended a re-authentication.
    pub(super) fn reauthenticated(&mut self, token: Token, result: Result<PropertiesBuf, OperationError>) {
        match result {
            Ok(properties) => {
                let attempt = self.connection.attempt();
                self.authentications.push(Work::Check { attempt, token, properties });
            }
            Err(error) => self.finish_reauthentication(token, Err(error.into())),
        }
    }

    fn finish_reauthentication(&mut self, token: Token, outcome: Outcome) {
        let which = |waiter: &Waiter| waiter.token == Some(token);
        self.authentications.complete(which, outcome, &mut self.wakers);
    }
}
