//! Who the client is, and what is kept of it.

use std::time::Duration;

use sterna_core::{CleanStart, ClientId, SessionLoss};

use super::{ClientBuilder, Runtime};
use crate::store::Store;

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// The seed of random client identifiers and of the jitter between attempts. Default: another one each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// The client identifier. Default: the URL's `clientId`, or `sterna` and 17 random alphanumerics.
    pub fn client_id(mut self, client_id: impl Into<Box<str>>) -> Self {
        self.config.client_id = ClientId::Given(client_id.into());
        self
    }

    /// When CONNECT asks the server to forget an earlier session. Default: on the first connection.
    pub fn clean_start(mut self, clean_start: CleanStart) -> Self {
        self.config.clean_start = clean_start;
        self
    }

    /// A session that outlives this process, found again by the client identifier: [`CleanStart::Never`]. On
    /// 3.x this is Clean Session 0; on 5.0 it lasts for [`session_expiry`](Self::session_expiry).
    pub fn persistent(self) -> Self {
        self.clean_start(CleanStart::Never)
    }

    /// Keeps the session where it outlives the process: publishes of QoS 1 and 2 that were accepted and stored are
    /// sent by the next client with this store, and QoS 2 messages are handed over once, up to the hand-over itself.
    /// Default: none, the session lives as long as the client.
    ///
    /// This implies [`persistent`](Self::persistent); call [`clean_start`](Self::clean_start) after it for anything
    /// else. A random client identifier is drawn once and found again in the store. No thread of an async runtime
    /// waits for the disk, except that [`build`](Self::build) and [`connect`](Self::connect) call
    /// [`Store::load`] where they are called; `RedbStore` has read its file by then.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self.persistent()
    }

    /// Whether messages that are not acknowledged when the client closes are removed from the store instead of kept:
    /// they end as `Closed`, as without a store. Default: they are kept.
    pub fn discard_on_close(mut self, discard: bool) -> Self {
        self.config.discard_on_close = discard;
        self
    }

    /// Session Expiry Interval (5.0), rounded down to seconds; [`Duration::MAX`] never expires. Default: 1 h.
    pub fn session_expiry(mut self, session_expiry: Duration) -> Self {
        self.config.session_expiry = u32::try_from(session_expiry.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Refuse a session that the server has and this process does not know of. Default: off.
    pub fn strict_session(mut self, strict_session: bool) -> Self {
        self.config.strict_session = strict_session;
        self
    }

    /// What becomes of messages in flight when the server has lost the session. Default: QoS 1 is published again, QoS 2
    /// fails unless its PUBREC has come.
    pub fn session_loss(mut self, session_loss: SessionLoss) -> Self {
        self.config.session_loss = session_loss;
        self
    }

    /// Subscribe again to what the server's session lost. Default: on.
    pub fn resubscribe(mut self, resubscribe: bool) -> Self {
        self.config.resubscribe = resubscribe;
        self
    }
}
