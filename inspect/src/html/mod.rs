//! The time-line as one HTML file, which needs nothing else: a picture of the sequence that can be zoomed, searched and
//! filtered.
//!
//! Whatever a peer sent stands in a block of JSON that no browser takes for markup or code, and the page's policy lets
//! no script run but the one written here, which is known by its hash.

use std::fmt::Write as _;
use std::io::{self, Write};

use data_encoding::BASE64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::describe;
use crate::filter::{Filter, kind_of};
use crate::timeline::{Timeline, What};
use crate::{json, text};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// How many bytes of a packet the page has.
const BYTES: usize = 512;
/// How many characters of a line.
const LINE: usize = 300;
/// How many characters of one of a packet's texts.
const TEXT: usize = 2000;

/// How a page is written.
#[derive(Debug, Clone, Default)]
pub struct HtmlOptions {
    /// What the page has.
    pub filter: Filter,
    /// What stands above the picture, such as the file's name.
    pub title: String,
}

/// Writes the page. Passwords and authentication data are not in it, and of long texts and packets the beginning only.
///
/// # Errors
/// Writing failed.
pub fn write_html(timeline: &Timeline, options: &HtmlOptions, out: &mut impl Write) -> io::Result<()> {
    // The parts come into their places from the front, so that nothing inside one is taken for a place.
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((place, behind)) = after.split_once("}}") else { break };
        out.write_all(before.as_bytes())?;
        match place {
            "title" => out.write_all(escape(&options.title).as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "script" => out.write_all(SCRIPT.as_bytes())?,
            "style-hash" => out.write_all(hash(STYLE).as_bytes())?,
            "script-hash" => out.write_all(hash(SCRIPT).as_bytes())?,
            _ => write_data(timeline, options, out)?,
        }
        rest = behind;
    }
    out.write_all(rest.as_bytes())
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text.as_bytes())))
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in describe::clean_text(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The time-line, one entry a line, in JSON that has none of the characters with which markup begins.
fn write_data(timeline: &Timeline, options: &HtmlOptions, out: &mut impl Write) -> io::Result<()> {
    let mut head = json::header(timeline);
    let connections: Vec<Value> = timeline.connections.iter().map(json::connection).collect();
    head.insert("connections".to_owned(), connections.into());
    head.insert("timed".to_owned(), timeline.is_timed.into());
    write!(out, "{{\"head\":{},\n\"entries\":[", inert(&Value::from(head)))?;
    let mut separator = "\n";
    for index in options.filter.select(timeline) {
        write!(out, "{separator}{}", inert(&entry(timeline, index)))?;
        separator = ",\n";
    }
    out.write_all(b"\n]}")
}

fn entry(timeline: &Timeline, index: usize) -> Value {
    let mut object = json::entry(timeline, index, false);
    let entry = &timeline.entries[index];
    let mut line = text::plain(entry);
    cut(&mut line, LINE);
    object.insert("line".to_owned(), line.into());
    object.insert("kind".to_owned(), kind_of(entry).into());
    if let What::Packet(packet) = &entry.what {
        let decoded = packet.packet();
        let is_error = decoded.is_some_and(|it| describe::summary(&it, packet.version).is_error);
        let has_secrets = decoded.is_some_and(|it| describe::has_secrets(&it));
        if is_error {
            object.insert("bad".to_owned(), true.into());
        }
        if !has_secrets {
            let shown = &packet.bytes[..packet.bytes.len().min(BYTES)];
            object.insert("hex".to_owned(), hex::encode(shown).into());
        }
    }
    let mut value = json!(object);
    shorten(&mut value);
    value
}

/// Cuts what is too long for a page.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => cut(text, TEXT),
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(object) => object.values_mut().for_each(shorten),
        _ => {}
    }
}

fn cut(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
}

/// JSON without the characters that mean something to HTML or, in some browsers, end a line of script.
fn inert(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing into a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text
}
