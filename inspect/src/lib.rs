//! MQTT traffic as a [`Timeline`]: every packet in both directions, decoded, and joined to what answers it.
//!
//! It comes from a packet capture ([`read_capture`]), a recording ([`read_recording`]) or hexadecimal digits
//! ([`read_hex`]); [`read_any`] tells them apart. It becomes text for a terminal ([`write_text`]), JSON lines
//! ([`write_json`]) or one HTML file with a picture of the sequence ([`write_html`]). [`record_connection`] makes a
//! recording of a captured connection. `docs/show.md` in the repository describes all of it.
//!
//! ```
//! let timeline = sterna_inspect::read_hex("> 100c00044d5154540402003c0000 < 20020000", Default::default())?;
//! let mut text = Vec::new();
//! sterna_inspect::write_text(&timeline, &Default::default(), &mut text)?;
//! let text = String::from_utf8(text)?;
//! assert!(text.contains("CONNECT") && text.contains("CONNACK"), "{text}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod capture;
mod describe;
mod digits;
mod filter;
mod html;
mod import;
mod json;
mod recording;
mod source;
mod splitter;
mod text;
mod timeline;

pub use capture::{CaptureError, read_capture};
pub use digits::{HexError, HexOptions, read_hex};
pub use filter::Filter;
pub use html::{HtmlOptions, write_html};
pub use import::{ImportError, Imported, record_connection};
pub use json::{FORMAT_VERSION, write_json};
pub use recording::read_recording;
pub use source::{SourceError, read_any};
pub use sterna_record::ReadError;
pub use text::{TextOptions, write_text};
pub use timeline::{
    Carrier, Connection, Entry, Joined, Local, LocalKind, MalformedBytes, PacketEntry, Timeline, What,
};
