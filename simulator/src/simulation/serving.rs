//! The broker's side of the network, and its ledger.

use super::report::Fault;
use super::wire::number_of;
use super::world::World;
use crate::broker::{ConnectionId, Entry, Instant, Output};

impl World {
    /// Has the network and the broker do what is due; whether anything moved.
    pub(super) fn serve(&mut self) -> bool {
        let now = self.now;
        let at = Instant::from_micros(now);
        self.hear_again();
        if self.broker.poll_timeout().is_some_and(|due| due <= at) {
            self.broker.handle_timeout(at);
        }
        let mut moved = false;
        let ids: Vec<u64> = self.links.keys().copied().collect();
        for id in ids {
            moved |= self.serve_link(id);
        }
        self.links.retain(|_, link| !link.is_over());
        self.read_ledger();
        moved
    }

    fn serve_link(&mut self, id: u64) -> bool {
        let now = self.now;
        let at = Instant::from_micros(now);
        let connection = ConnectionId(id);
        let redirect = self.links.get(&id).and_then(|link| self.redirect_of(link.server));
        let Some(link) = self.links.get_mut(&id) else { return false };
        let mut moved = link.down.advance(now);
        if !link.broker_is_there {
            return moved;
        }
        moved |= link.up.advance(now);
        if link.up.is_reset(now) {
            self.broker.disconnected(at, connection);
            link.broker_closes(now);
            return true;
        }
        let is_reading = self.broker.is_reading(connection);
        if is_reading {
            moved |= link.broker_reads();
            let before = link.broker_input.len();
            if before > 0 {
                self.broker.options_mut().redirect = redirect;
                self.broker.input(at, connection, &mut link.broker_input);
                moved |= link.broker_input.len() != before;
            }
            if link.up.is_at_end(now) {
                self.broker.disconnected(at, connection);
                link.broker_closes(now);
                return true;
            }
        }
        while link.broker_has_room() {
            match self.broker.poll_connection(connection) {
                Some(Output::Send(bytes)) => link.broker_writes(bytes, now),
                Some(Output::Close) => link.broker_closes(now),
                None => break,
            }
            moved = true;
        }
        moved
    }

    /// The broker reads what it had left unread.
    fn hear_again(&mut self) {
        let now = self.now;
        let due: Vec<u64> = self.deaf.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.deaf.remove(&id);
            self.broker.set_reading(Instant::from_micros(now), ConnectionId(id), true);
        }
    }

    pub(super) fn read_ledger(&mut self) {
        while let Some(entry) = self.broker.poll_entry() {
            match entry {
                Entry::Taken { publisher, payload, qos } => {
                    if let (Some(client), Some(number)) = (index_of(&publisher), number_of(&payload)) {
                        self.trace.note(self.now, "broker takes", client as u64, || number.to_string());
                        self.promises.taken(client, number, qos, &mut self.findings);
                    }
                }
                Entry::Queued { client, payload, qos } => {
                    if let (Some(client), Some(number)) = (index_of(&client), number_of(&payload)) {
                        self.promises.queued(client, number, qos);
                    }
                }
                Entry::SessionEnded { client } => {
                    if let Some(client) = index_of(&client) {
                        self.trace.note(self.now, "session ends", client as u64, String::new);
                        self.promises.session_ended(client);
                        self.fault(Fault::SessionEnds);
                    }
                }
                Entry::SessionBegan { client } => {
                    if let Some(client) = index_of(&client) {
                        self.trace.note(self.now, "session begins", client as u64, String::new);
                    }
                }
            }
        }
    }
}

fn index_of(client_id: &str) -> Option<usize> {
    client_id.strip_prefix('c')?.parse().ok()
}
