//! Captures, recordings and digits as `show` reads them: any file has a time-line that can be written, or is refused.

use std::io;

use sterna_inspect::{
    Filter, HtmlOptions, TextOptions, read_any, record_connection, write_html, write_json, write_text,
};
use sterna_record::Recorder;

/// Of how many connections in a capture a recording is made: each has a thread.
const RECORDED: usize = 2;

/// The bytes of a file.
pub fn capture(input: &[u8]) {
    let Ok(timeline) = read_any(input, sterna_inspect::HexOptions::default()) else { return };
    let mut out = Vec::new();
    let options = TextOptions { color: true, width: Some(80), ..TextOptions::default() };
    write_text(&timeline, &options, &mut out).expect("memory takes all");
    write_json(&timeline, &Filter::default(), true, &mut out).expect("memory takes all");
    write_html(&timeline, &HtmlOptions::default(), &mut out).expect("memory takes all");
    for connection in 1..=timeline.connections.len().min(RECORDED) {
        // Not every connection can be a client's of ours.
        let _ = record_connection(&timeline, connection, Recorder::new(io::sink()));
    }
}
