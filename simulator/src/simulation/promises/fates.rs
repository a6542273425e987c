//! What happened to a client, and what that excuses.

use sterna_client::QoS;

use super::{Drops, Promises, Standing};

impl Promises {
    /// The client makes a new network connection.
    pub(in super::super) fn connected(&mut self, client: usize) {
        let account = &mut self.accounts[client];
        account.sessions_known = account.sessions_ended;
        self.opens(client);
    }

    /// From now on messages may be acknowledged that the application has not seen.
    pub(in super::super) fn loosen(&mut self, client: usize) {
        self.accounts[client].is_loose = true;
    }

    /// A stream of this client's drops what there is no room for, and acknowledges it. If that is lost with its connection
    /// the message comes again, behind what was handed over meanwhile.
    pub(in super::super) fn drops(&mut self, client: usize) {
        self.accounts[client].drops_messages = true;
    }

    /// See [`drops`](Self::drops).
    pub(in super::super) fn drops_messages(&self, client: usize) -> bool {
        self.accounts[client].drops_messages
    }

    /// The broker will not take every message of this publisher in its turn.
    pub(in super::super) fn lose_order(&mut self, client: usize) {
        self.accounts[client].loses_order = true;
    }

    /// A stream is dropped: what it had goes to others.
    pub(in super::super) fn reroute(&mut self, client: usize) {
        self.accounts[client].is_loose = true;
        self.accounts[client].has_rerouted = true;
        self.accounts[client].drops.spoil();
    }

    pub(in super::super) fn paused(&mut self, client: usize) {
        self.accounts[client].was_paused = true;
    }

    /// Whether messages may have ended that were sent and not answered.
    pub(in super::super) fn may_have_given_up(&self, client: usize) -> bool {
        let account = &self.accounts[client];
        account.was_paused || account.has_closed || account.gives_up
    }

    /// The application ended the client, or it ended otherwise.
    pub(in super::super) fn has_closed(&self, client: usize) -> bool {
        self.accounts[client].has_closed
    }

    pub(in super::super) fn was_paused(&self, client: usize) -> bool {
        self.accounts[client].was_paused
    }

    pub(in super::super) fn store_failed(&mut self, client: usize) {
        self.accounts[client].store_failed = true;
    }

    pub(in super::super) fn closed(&mut self, client: usize) {
        self.accounts[client].has_closed = true;
    }

    /// The process is gone, and a new one begins.
    pub(in super::super) fn died(&mut self, client: usize, has_store: bool, keeps_session: bool) {
        let account = &mut self.accounts[client];
        account.handed.clear();
        account.latest.clear();
        account.asked.clear();
        account.drops = Drops::default();
        account.is_loose &= has_store;
        account.has_rerouted = false;
        account.store_failed = false;
        let keeps_nothing = account.has_closed && account.keeps_nothing;
        // What was sent and then discarded is not sent again, and the store keeps its identifier from being used: its
        // answer may have been lost with the connection.
        account.gives_up |= keeps_nothing && has_store;
        // Nothing of an earlier process ends in the next one.
        account.has_closed &= !has_store;
        account.has_amnesia |= keeps_session && !has_store;
        if has_store {
            account.from_earlier_lives = account.acknowledged.clone();
        } else {
            account.done.clear();
        }
        for message in self.messages.iter_mut().filter(|message| message.publisher == client) {
            let is_kept = has_store
                && !keeps_nothing
                && message.standing == Standing::Stored
                && message.qos != QoS::AtMostOnce;
            let survives = message.standing == Standing::Resolved || is_kept;
            // How far it was may be forgotten.
            message.loss = None;
            if !survives {
                message.standing = Standing::Void;
            }
        }
    }
}
