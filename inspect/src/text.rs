//! The time-line as lines for a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use sterna_core::packet::{ProtocolVersion, Sender};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::filter::{Filter, kind_of};
use crate::timeline::{Connection, Entry, MalformedBytes, PacketEntry, Timeline, What};
use crate::{describe, json};

/// How text is written.
#[derive(Debug, Clone, Default)]
pub struct TextOptions {
    /// What is shown.
    pub filter: Filter,
    /// With the colours of ANSI's escape sequences.
    pub color: bool,
    /// The columns of the terminal, beyond which a line is cut; without it none is.
    pub width: Option<usize>,
}

const CLIENT: Style = AnsiColor::Cyan.on_default();
const SERVER: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();
const LOCAL: Style = AnsiColor::Magenta.on_default();
const PLAIN: Style = Style::new();

/// Writes the connections, then a line for each entry but [routine](crate::Local::is_routine) ones, which are shown where
/// the filter names kinds. Passwords and authentication data are not shown; characters that
/// could do something to a terminal are escaped.
///
/// # Errors
/// Writing failed.
pub fn write_text(timeline: &Timeline, options: &TextOptions, out: &mut impl Write) -> io::Result<()> {
    let columns = Columns::of(timeline);
    for line in head(timeline) {
        line.write(options, out)?;
    }
    for index in options.filter.select(timeline) {
        let is_routine = matches!(&timeline.entries[index].what, What::Local(local) if local.is_routine);
        if is_routine && options.filter.kinds.is_empty() {
            continue;
        }
        columns.line(timeline, index).write(options, out)?;
    }
    Ok(())
}

/// A line in pieces, each with its style.
#[derive(Debug, Default)]
struct Line(Vec<(Style, String)>);

impl Line {
    fn add(&mut self, style: Style, text: impl Into<String>) -> &mut Self {
        self.0.push((style, text.into()));
        self
    }

    /// Takes the white space from the end.
    fn trim(mut self) -> Self {
        while let Some((_, text)) = self.0.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            self.0.pop();
        }
        self
    }

    fn write(&self, options: &TextOptions, out: &mut impl Write) -> io::Result<()> {
        let whole: usize = self.0.iter().map(|(_, text)| text.width()).sum();
        let limit = options.width.filter(|&width| whole > width).map(|width| width.saturating_sub(1));
        let mut column = 0;
        for (style, text) in &self.0 {
            let text = match limit {
                Some(limit) => fitting(text, limit - column),
                None => text,
            };
            column += text.width();
            if options.color && !text.is_empty() {
                write!(out, "{style}{text}{style:#}")?;
            } else {
                write!(out, "{text}")?;
            }
        }
        writeln!(out, "{}", if limit.is_some() { "…" } else { "" })
    }
}

/// The beginning of a text that takes so many columns.
fn fitting(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > columns
    });
    end.map_or(text, |(end, _)| &text[..end])
}

fn head(timeline: &Timeline) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Line::default();
    let count =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    line.add(STRONG, count(timeline.connections.len(), "connection", "connections"));
    line.add(PLAIN, format!(", {}", count(timeline.entries.len(), "entry", "entries")));
    if let Some(started) = timeline.started {
        line.add(PLAIN, format!(", from {}", describe::date(started)));
    }
    if let (true, Some(last)) = (timeline.is_timed, timeline.entries.last()) {
        line.add(PLAIN, format!(", {}", describe::span(last.time)));
    }
    lines.push(line);
    for (index, connection) in timeline.connections.iter().enumerate() {
        lines.push(connection_line(index, connection));
    }
    lines
}

fn connection_line(index: usize, connection: &Connection) -> Line {
    let mut line = Line::default();
    line.add(STRONG, format!("c{:<3} ", index + 1));
    line.add(CLIENT, connection.client.clone()).add(FAINT, " → ").add(SERVER, connection.server.clone());
    line.add(PLAIN, format!("  {}", connection.carrier));
    if let Some(version) = connection.version {
        let guessed = if connection.is_version_guessed { " (guessed)" } else { "" };
        line.add(PLAIN, format!("  MQTT {version}{guessed}"));
    }
    if let Some(client_id) = &connection.client_id {
        line.add(PLAIN, "  ").add(STRONG, describe::clean_text(client_id));
    }
    line
}

/// What all lines have in common.
struct Columns {
    number: usize,
    seconds: usize,
    connection: usize,
}

impl Columns {
    fn of(timeline: &Timeline) -> Self {
        let last = timeline.entries.last().map_or(0, |entry| entry.time / 1_000_000);
        let several = timeline.connections.len() > 1;
        Self {
            number: timeline.entries.len().to_string().len(),
            seconds: if timeline.is_timed { last.to_string().len() } else { 0 },
            connection: if several { timeline.connections.len().to_string().len() } else { 0 },
        }
    }

    fn line(&self, timeline: &Timeline, index: usize) -> Line {
        let entry = &timeline.entries[index];
        let mut line = Line::default();
        line.add(FAINT, format!("{:>width$} ", index + 1, width = self.number));
        if self.seconds > 0 {
            let (seconds, micros) = (entry.time / 1_000_000, entry.time % 1_000_000);
            line.add(PLAIN, format!("{seconds:>width$}.{micros:06} ", width = self.seconds));
        }
        if self.connection > 0 {
            let name = entry.connection.map(|index| format!("c{}", index + 1)).unwrap_or_default();
            line.add(FAINT, format!("{name:<width$} ", width = self.connection + 1));
        }
        match &entry.what {
            What::Packet(packet) => packet_pieces(&mut line, packet),
            What::Malformed(malformed) => malformed_pieces(&mut line, malformed),
            What::Note(text) => {
                line.add(FAINT, format!("·  {}", describe::clean_text(text)));
            }
            What::Local(local) => {
                line.add(LOCAL, format!("∘  {:<11} ", kind_of(entry)));
                line.add(PLAIN, describe::clean_text(&local.text));
                if let Some(queued) = local.queued.filter(|&queued| queued > 0) {
                    line.add(FAINT, format!("  queued {queued}"));
                }
            }
        }
        line.trim()
    }
}

fn arrow(line: &mut Line, sender: Sender) -> Style {
    let (style, arrow) = match sender {
        Sender::Client => (CLIENT, "→"),
        Sender::Server => (SERVER, "←"),
    };
    line.add(style, format!("{arrow}  "));
    style
}

fn packet_pieces(line: &mut Line, entry: &PacketEntry) {
    let style = arrow(line, entry.sender);
    line.add(style, format!("{:<11} ", describe::name(entry.packet_type)));
    let Some(packet) = entry.packet() else { return };
    let summary = describe::summary(&packet, entry.version);
    if !summary.subject.is_empty() {
        line.add(STRONG, summary.subject).add(PLAIN, " ");
    }
    if !summary.payload.is_empty() {
        line.add(PLAIN, summary.payload).add(PLAIN, " ");
    }
    line.add(if summary.is_error { BAD } else { FAINT }, summary.facts.join(", "));
    let joined = &entry.joined;
    if let Some(answered) = joined.answers {
        line.add(PLAIN, format!("  ↳ #{}", answered + 1));
        if let Some(latency) = joined.latency {
            line.add(PLAIN, format!(" {}", describe::span(latency)));
        }
    }
    if let Some(repeated) = joined.repeats {
        line.add(BAD, format!("  again #{}", repeated + 1));
    }
    let in_flight = match entry.sender {
        _ if joined.in_flight + joined.in_flight_to_client == 0 => return,
        _ if joined.in_flight_to_client == 0 => format!("  in flight →{}", joined.in_flight),
        _ if joined.in_flight == 0 => format!("  in flight ←{}", joined.in_flight_to_client),
        _ => format!("  in flight →{} ←{}", joined.in_flight, joined.in_flight_to_client),
    };
    line.add(FAINT, in_flight);
}

fn malformed_pieces(line: &mut Line, malformed: &MalformedBytes) {
    arrow(line, malformed.sender);
    line.add(BAD, format!("{:<11} ", "malformed"));
    line.add(BAD, malformed.error.clone());
    if let Some(statement) = malformed.statement {
        line.add(PLAIN, format!(" [{statement}]"));
    }
    let shown = &malformed.bytes[..malformed.bytes.len().min(24)];
    let more = if shown.len() < malformed.bytes.len() { "…" } else { "" };
    line.add(FAINT, format!("  {}{more}", hex::encode(shown)));
}

/// A line about an entry, for the picture: without number, time and links.
pub(crate) fn plain(entry: &Entry) -> String {
    match &entry.what {
        What::Packet(packet) => {
            let version: ProtocolVersion = packet.version;
            let Some(decoded) = packet.packet() else { return String::new() };
            let summary = describe::summary(&decoded, version);
            let parts = [summary.subject, summary.payload, summary.facts.join(", ")];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        }
        What::Malformed(malformed) => {
            format!("{} from the {}", malformed.error, json::sender_name(malformed.sender))
        }
        What::Note(text) => text.clone(),
        What::Local(local) => local.text.clone(),
    }
}
