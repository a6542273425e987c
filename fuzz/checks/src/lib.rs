//! What the fuzz targets check: each function takes any bytes, and panics if something that must hold does not.
//!
//! `fuzz/fuzz_targets/` gives them to libFuzzer, and the test `seeds` of this crate runs them on the seeds.
#![forbid(unsafe_code)]

mod capture;
mod connection;
mod decode;
mod input;
mod pipe;
mod recording;
mod replay;
mod session;
mod store;
mod topic;
mod url;

pub use capture::capture;
pub use connection::connection;
pub use decode::decode;
pub use pipe::pipe;
pub use recording::recording;
pub use replay::replay;
pub use session::session;
pub use store::store;
pub use topic::topic;
pub use url::url;

/// A target's name, which its folder in `fuzz/seeds/` has too, and its check.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("capture", capture),
    ("connection", connection),
    ("decode", decode),
    ("pipe", pipe),
    ("recording", recording),
    ("replay", replay),
    ("session", session),
    ("store", store),
    ("topic", topic),
    ("url", url),
];
