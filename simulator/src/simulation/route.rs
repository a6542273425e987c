//! Whether a client goes from one server to the next as it should, judged by what it dials.

use super::findings::Findings;
use super::servers::{Cluster, server_of};

/// See the module. One for each client.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
pub(super) struct Route {
    servers: usize,
    redirects: u32,
    /// How long a connection must hold until it counts, in microseconds.
    stable_after: u64,
    /// It may try the same server again at once, with an older version.
    falls_back: bool,
    /// The servers that were tried in vain since the last pause, one right after the other.
    tried: Vec<u8>,
    /// Where the attempt under way goes.
    current: Option<u8>,
    /// When this connection was accepted, and when the last attempt or connection ended.
    accepted_at: Option<u64>,
    ended_at: Option<u64>,
    /// The server says so: the client goes elsewhere once this connection has ended.
    redirect: Option<String>,
    /// The server that it has to go to next.
    sent_to: Option<u8>,
    /// How often it was sent on since the last connection that held; not known after a disturbance.
    hops: Option<u32>,
    /// Places besides the servers themselves may be next.
    is_on_detour: bool,
    /// A server has moved for good.
    has_moved: bool,
    /// The application, or the server, did something that ends the connection or the round by itself.
    is_disturbed: bool,
}

impl Route {
    pub(super) fn new(cluster: &Cluster, falls_back: bool, stable_after: u64) -> Self {
        let (servers, redirects) = (usize::from(cluster.servers), u32::from(cluster.redirects));
        Self { servers, redirects, stable_after, falls_back, hops: Some(0), ..Self::default() }
    }

    /// The client begins anew, in this process or another.
    pub(super) fn restarted(&mut self, new_process: bool) {
        let (servers, redirects, falls_back) = (self.servers, self.redirects, self.falls_back);
        let has_moved = self.has_moved && !new_process;
        let stable_after = self.stable_after;
        *self = Self {
            servers,
            redirects,
            stable_after,
            falls_back,
            has_moved,
            hops: Some(0),
            ..Self::default()
        };
    }

    /// What follows cannot be foretold until the next pause or connection.
    pub(super) fn disturbed(&mut self) {
        self.is_disturbed = true;
        self.sent_to = None;
        self.tried.clear();
    }

    /// A name is looked up, or an address dialled.
    pub(super) fn dials(&mut self, server: u8, now: u64, findings: &mut Findings, client: usize) {
        if self.current == Some(server) {
            return; // another address of the same name
        }
        self.current = Some(server);
        let at_once = self.ended_at == Some(now);
        let expected = self.sent_to.take();
        let is_known = self.is_on_detour || self.has_moved || usize::from(server) < self.servers;
        let is_judged = !(self.is_on_detour || self.has_moved || self.is_disturbed || self.falls_back);
        let detail = || format!("c{client}: {server} after {self:?}");
        if let Some(expected) = expected {
            findings.require(at_once && server == expected, "a redirection is not followed", detail);
        } else if is_judged && at_once {
            findings.require(!self.tried.contains(&server), "a server is tried twice in a round", detail);
        } else if is_judged && !self.tried.is_empty() {
            let is_complete = self.tried.len() == self.servers;
            findings.require(is_complete, "a pause before every server was tried", detail);
        }
        findings.require(is_known, "nobody sent the client there", detail);
        if !at_once {
            self.tried.clear();
            self.is_on_detour = false;
            self.is_disturbed = false;
        }
        self.tried.push(server);
    }

    /// The attempt failed, or the network connection is closed.
    pub(super) fn ended(&mut self, now: u64) {
        self.current = None;
        self.ended_at = Some(now);
        let lived = self.accepted_at.take().map(|since| now.saturating_sub(since));
        if lived.is_some_and(|lived| lived >= self.stable_after) {
            self.hops = Some(0);
        }
        let Some(reference) = self.redirect.take() else { return };
        if self.is_disturbed {
            self.hops = None;
        }
        let Some(hops) = self.hops.filter(|hops| *hops < self.redirects) else {
            self.is_on_detour |= self.hops.is_none() && self.redirects > 0;
            return;
        };
        self.hops = Some(hops + 1);
        self.is_on_detour = true;
        // What cannot be dialled has failed already.
        let first = reference.split(' ').next().filter(|first| !first.contains("::"));
        self.sent_to = first.map(server_of);
    }

    /// CONNACK accepts.
    pub(super) fn accepted(&mut self, now: u64) {
        self.tried.clear();
        self.accepted_at = Some(now);
        self.is_disturbed = false;
    }

    /// CONNACK accepts, and the application may not.
    pub(super) fn perhaps_accepted(&mut self) {
        self.disturbed();
        // Nor is it known whether this connection holds, from which on hops are counted anew.
        self.hops = self.hops.filter(|hops| *hops == 0);
    }

    /// The client read that it is to go elsewhere.
    pub(super) fn sent_on(&mut self, permanent: bool, reference: String) {
        self.has_moved |= permanent && self.redirects > 0;
        self.redirect = Some(reference);
    }
}
