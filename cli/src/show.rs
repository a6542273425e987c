//! `sterna show`: a recording, a capture or hexadecimal digits as a readable time-line.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use sterna_core::topic;
use sterna_inspect::{
    Filter, HexOptions, HtmlOptions, TextOptions, Timeline, read_any, write_html, write_json, write_text,
};

use crate::args::{Protocol, Side, parse_seconds};
use crate::exit::Failure;

const EXAMPLES: &str = "\
The first bytes of the file tell what it is. A capture has the packets of all MQTT connections over TCP and WebSocket \
(TLS cannot be read); a recording also what went on inside the client. Arrows from the client point to the right; \
↳ #7 says which entry an answer belongs to, and how long it took. Passwords and authentication data are not shown.

Exit status: 0 shown, 1 the file cannot be read or is nothing of all that, 2 wrong usage. Bytes that are no packets are \
shown as such.

Examples:
  sterna show session.jsonl
  sterna show capture.pcap --topic 'home/#' --type publish,puback
  tcpdump -i lo -c 1000 -w - port 1883 | sterna show -
  sterna show capture.pcapng --output html --out capture.html
  echo '> c000 < d000' | sterna show -";

/// Show a recording, a packet capture (pcap, pcapng) or hexadecimal digits as a time-line.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArguments {
    /// The file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Lines for people, JSON lines, or an HTML page with a picture of the sequence that can be zoomed and searched
    #[arg(long, value_enum, default_value = "text")]
    output: Form,
    /// Write into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value = "auto")]
    color: Color,
    /// JSON with passwords and authentication data
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    filter: FilterOptions,
    /// Hexadecimal digits: protocol version before the first CONNECT [default: what fits the packets]
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Hexadecimal digits: who sent the packets where no > or < says it [default: whichever side may send them]
    #[arg(long, value_enum)]
    sender: Option<Side>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is shown")]
struct FilterOptions {
    /// Messages whose topic matches this topic filter, subscriptions to exactly it, and their acknowledgements
    #[arg(long, value_name = "FILTER", value_parser = parse_filter)]
    topic: Option<String>,
    /// Entries of these types, separated by commas: names of packets, or malformed, note, command, event, driver, timer,
    /// store
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = parse_kind)]
    kinds: Vec<String>,
    /// Entries of these connections, by their numbers, separated by commas
    #[arg(long, value_name = "N", value_delimiter = ',')]
    session: Vec<usize>,
    /// From so many seconds after the beginning on
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    since: Option<Duration>,
    /// Up to so many seconds after the beginning
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    until: Option<Duration>,
}

/// What the time-line is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Html,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Carries out `sterna show`.
pub(crate) fn run(arguments: &ShowArguments) -> Result<(), Failure> {
    let options =
        HexOptions { version: arguments.protocol.map(Into::into), sender: arguments.sender.map(Into::into) };
    let timeline = read(&arguments.file, options)?;
    if let Some(path) = &arguments.out {
        let fail = |error: io::Error| Failure::Failed(format!("{}: {error}", path.display()));
        let mut file = BufWriter::new(File::create(path).map_err(fail)?);
        let color = matches!(arguments.color, Color::Always);
        let written = write(arguments, &timeline, color, None, &mut file);
        return written.and_then(|()| file.flush()).map_err(fail);
    }
    let stdout = io::stdout();
    let choice = match arguments.color {
        Color::Auto => AutoStream::choice(&stdout),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let width = stdout.is_terminal().then(terminal_size::terminal_size).flatten();
    let width = width.map(|(width, _)| usize::from(width.0));
    let mut stdout = BufWriter::new(AutoStream::new(stdout.lock(), choice));
    let written = write(arguments, &timeline, choice != ColorChoice::Never, width, &mut stdout);
    written.and_then(|()| stdout.flush()).map_err(|error| Failure::of_output(&error))
}

/// The time-line of a file, or of standard input.
pub(crate) fn read(path: &Path, options: HexOptions) -> Result<Timeline, Failure> {
    let fail = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", name(path)));
    if path.as_os_str() == "-" {
        return read_any(io::stdin(), options).map_err(|error| fail(&error));
    }
    let file = File::open(path).map_err(|error| fail(&error))?;
    read_any(file, options).map_err(|error| fail(&error))
}

/// What a file is called.
fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

fn write(
    arguments: &ShowArguments,
    timeline: &Timeline,
    color: bool,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    let filter = arguments.filter.filter();
    match arguments.output {
        Form::Text => write_text(timeline, &TextOptions { filter, color, width }, out),
        Form::Json => write_json(timeline, &filter, arguments.secrets, out),
        Form::Html => {
            let path = &arguments.file;
            // The folders are nobody's business with whom the page is shared.
            let title = path.file_name().filter(|_| path.as_os_str() != "-");
            let title = title.map_or_else(|| name(path), |title| title.to_string_lossy().into_owned());
            write_html(timeline, &HtmlOptions { filter, title }, out)
        }
    }
}

impl FilterOptions {
    fn filter(&self) -> Filter {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Filter {
            topic: self.topic.clone(),
            kinds: self.kinds.clone(),
            connections: self.session.clone(),
            since: self.since.map(micros),
            until: self.until.map(micros),
        }
    }
}

fn parse_filter(text: &str) -> Result<String, String> {
    topic::validate_filter(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn parse_kind(text: &str) -> Result<String, String> {
    let known = Filter::KINDS.iter().find(|kind| kind.eq_ignore_ascii_case(text));
    known.map(|kind| (*kind).to_owned()).ok_or_else(|| format!("it is one of {}", Filter::KINDS.join(", ")))
}
