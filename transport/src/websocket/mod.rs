//! WebSocket by tungstenite, over memory.
//!
//! The hand-shake is tungstenite's. Of the frames it reads and writes the headers only: the payload of a frame is handed on
//! as it comes, so that nothing waits for the end of a frame or message, and no frame is too large.

mod error;
mod frames;
mod handshake;
mod layer;
mod options;

pub use error::WebSocketError;
pub(crate) use layer::WebSocketLayer;
pub use options::WebSocketOptions;
