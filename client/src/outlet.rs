//! The sending half of a socket, for those who publish.

use std::io::{self, IoSlice};

use sterna_core::Instant;

/// Writes to the socket of a connection from any thread. While the driver sleeps, whoever publishes writes through this what
/// the driver would have to be woken for; see [`Engine::set_outlet`](crate::Engine::set_outlet).
pub trait Outlet: Send + Sync {
    /// The time, as it is given to [`Engine::poll`](crate::Engine::poll).
    fn now(&self) -> Instant;

    /// Writes what the socket takes at once; how many bytes that was.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): the socket is full. The driver is woken and tries again, and has the
    /// socket wake it then. Others are left to the driver too, which meets them by itself.
    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize>;
}
