//! The results as tables of Markdown.

mod packets;

use std::fmt::Write as _;

use serde_json::Value;

use crate::clients::{BARE, CLIENTS, LAYERS, NOTES, SECURED};
use crate::results::{Results, beside_socket, cost, field, herd, median_trip, rate, slow_trip};
use crate::scenario::{SCENARIOS, Scenario};
use crate::sink::Transport;
use crate::targets;

pub(crate) use packets::{Curve, curves};

/// A table's name in the document, and its text.
pub(crate) type Table = (&'static str, String);

/// Those for which there are results.
pub(crate) fn all(results: &Results) -> Vec<Table> {
    let tables = [
        ("throughput", throughput(results)),
        ("trips", trips(results)),
        ("memory", memory(results)),
        ("large", large(results)),
        ("many", many(results)),
        ("secured", layers(results)),
        ("secured-counts", layer_counts(results)),
        ("calls", counts(results, "calls", "calls_each")),
        ("instructions", counts(results, "instructions", "instructions_each")),
        ("allocations", counts(results, "instructions", "allocations_each")),
        ("codec", packets::codec(results)),
        ("core", packets::core(results)),
        ("scaling", packets::scaling(results)),
        ("absent", Some(absent(results))),
        ("targets", wanted(results)),
    ];
    tables.into_iter().filter_map(|(name, table)| Some((name, table?))).collect()
}

/// A cell of each client's row.
type Cell<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// One row for each client that has something in one of the columns; none at all: no table.
fn by_client(columns: &[(String, Cell<'_>)]) -> Option<String> {
    let mut rows = String::new();
    for client in CLIENTS {
        let cells: Vec<_> = columns.iter().map(|(_, cell)| cell(client.name)).collect();
        if cells.iter().any(Option::is_some) {
            let _ = write!(rows, "| {} |", client.name);
            for cell in cells {
                let _ = write!(rows, " {} |", cell.as_deref().unwrap_or("–"));
            }
            rows += "\n";
        }
    }
    let titles = columns.iter().map(|(title, _)| &**title);
    (!rows.is_empty()).then(|| heading(titles) + &rows)
}

fn heading<'a>(titles: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut heading = String::from("| |");
    for title in titles.clone() {
        let _ = write!(heading, " {title} |");
    }
    heading + "\n|---|" + &"---|".repeat(titles.count()) + "\n"
}

/// The scenarios of all clients that have this.
fn scenarios(wanted: fn(&Scenario) -> bool) -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().filter(move |scenario| !scenario.layered && wanted(scenario))
}

/// Thousands of messages a second, and the processor's time.
fn throughput(results: &Results) -> Option<String> {
    let columns: Vec<_> = scenarios(Scenario::flows)
        .map(|scenario| {
            let cell: Cell<'_> = Box::new(|client| {
                let rate = results.middle(scenario.name, client, rate)?;
                let cost = results.middle(scenario.name, client, cost)?;
                let spread = rate.spread() * 100.0;
                Some(format!("{} ±{spread:.0} % ({})", figures(rate.median / 1e3), figures(cost.median)))
            });
            (scenario.title.to_owned(), cell)
        })
        .collect();
    by_client(&columns)
}

/// Microseconds, and times the raw socket's.
fn trips(results: &Results) -> Option<String> {
    let mut columns: Vec<(String, Cell<'_>)> = Vec::new();
    for scenario in scenarios(Scenario::is_trip) {
        for (name, number) in [("p50", median_trip as fn(&Value) -> Option<f64>), ("p99", slow_trip)] {
            let cell = Box::new(move |client: &str| {
                let middle = results.middle(scenario.name, client, number)?;
                let ratio = results.middle(scenario.name, client, |sample| beside_socket(sample, number));
                let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({:.2} ×)", ratio.median));
                Some(figures(middle.median) + &ratio)
            });
            columns.push((format!("{}, {name}", scenario.title), cell));
        }
    }
    by_client(&columns)
}

/// What is wanted, what was measured, and the distance.
fn wanted(results: &Results) -> Option<String> {
    let mut rows = String::new();
    for target in targets::all(results) {
        let measured = target.measured;
        let range = if measured.least < measured.most {
            format!("{}–{}", figures(measured.least), figures(measured.most))
        } else {
            String::new()
        };
        let _ = writeln!(
            rows,
            "| {} | {} | {} | {range} | {} | {} |",
            target.number,
            target.what,
            figures(measured.median),
            target.wanted(),
            target.distance(),
        );
    }
    let heading = "| | | measured | from – to | target | distance |\n|---|---|---|---|---|---|\n";
    (!rows.is_empty()).then(|| heading.to_owned() + &rows)
}

/// What is not measured as it is of others, and what failed.
fn absent(results: &Results) -> String {
    let mut list = String::new();
    for (who, what, why) in NOTES {
        let _ = writeln!(list, "- **{who}**, {what}: {why}");
    }
    for failure in &results.failures {
        let _ = writeln!(list, "- Failed in this run: {failure}");
    }
    list
}

fn kibibytes(results: &Results, scenario: &str, client: &str, name: &'static str) -> Option<String> {
    Some(figures(results.middle(scenario, client, field(name))?.median / 1_024.0))
}

/// KiB of each idle client.
fn memory(results: &Results) -> Option<String> {
    let column = |title: &str, scenario: &'static str, name: &'static str| {
        let cell: Cell<'_> = Box::new(move |client| kibibytes(results, scenario, client, name));
        (title.to_owned(), cell)
    };
    by_client(&[
        column("idle, heap, KiB", "idle", "heap"),
        column("idle, resident, KiB", "idle", "resident"),
        column("2 s after a burst, heap, KiB", "burst", "heap"),
        column("2 s after a burst, resident, KiB", "burst", "resident"),
    ])
}

/// KiB beyond the payload.
fn large(results: &Results) -> Option<String> {
    let column = |title: &str, scenario: &'static str| {
        let cell: Cell<'_> = Box::new(move |client| kibibytes(results, scenario, client, "beyond"));
        (title.to_owned(), cell)
    };
    by_client(&[
        column("publish 64 MiB, KiB beyond the payload", "large-pub"),
        column("receive 64 MiB, KiB beyond the payload", "large-recv"),
    ])
}

/// Ten thousand clients in one process, whose server goes away for a second.
fn many(results: &Results) -> Option<String> {
    let column = |title: &str, number: fn(&Value) -> Option<f64>| {
        let cell: Cell<'_> =
            Box::new(move |client| Some(figures(results.middle("many", client, number)?.median)));
        (title.to_owned(), cell)
    };
    by_client(&[
        column("clients", |sample| sample["clients"].as_f64()),
        column("started and connected, 64 at a time, s", |sample| sample["connecting"].as_f64()),
        column("resident, each, KiB", |sample| Some(sample["resident"].as_f64()? / 1_024.0)),
        column("all back after the server came back, s", |sample| sample["reconnecting"].as_f64()),
        column("the most in a tenth of a second", herd),
        column("processor's time of being away and coming back, s", |sample| {
            sample["reconnecting_cpu"].as_f64()
        }),
    ])
}

/// The processor's time a message: the layers of others, ours, and the whole client with what its layers add.
fn layers(results: &Results) -> Option<String> {
    let mut rows = String::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.layered) {
        let middle = |name, client| results.middle(name, client, cost).map(|middle| middle.median);
        let (Some(bare), Some(client)) = (middle(scenario.name, BARE), middle(scenario.name, SECURED)) else {
            continue;
        };
        let ratio = results.ratio(scenario.name, LAYERS, BARE, cost);
        let ratio = ratio.map_or_else(
            || "–".to_owned(),
            |ratio| format!("{:.2} ({:.2}–{:.2})", ratio.median, ratio.least, ratio.most),
        );
        let ours = middle(scenario.name, LAYERS).map_or_else(|| "–".to_owned(), figures);
        // The same work over TCP.
        let work = scenario.name.split_once('-').map_or("", |(_, work)| work);
        let plain = middle(&format!("tcp-{work}"), SECURED).filter(|_| scenario.transport != Transport::Tcp);
        let added = plain.map_or_else(|| "–".to_owned(), |plain| figures(client - plain));
        let (bare, client) = (figures(bare), figures(client));
        let _ = writeln!(rows, "| {} | {bare} | {ours} | {ratio} | {client} | {added} |", scenario.title);
    }
    let titles = ["bare, µs", "Sterna's layers, µs", "ratio", "whole client, µs", "of it added to TCP, µs"];
    (!rows.is_empty()).then(|| heading(titles.into_iter()) + &rows)
}

/// What the layers take that does not depend on how busy the machine is.
fn layer_counts(results: &Results) -> Option<String> {
    let mut rows = String::new();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.layered) {
        let count = |suffix: &str, client, name| {
            let scenario = format!("{}-{suffix}", scenario.name);
            Some(results.middle(&scenario, client, field(name))?.median)
        };
        let [bare, ours, whole] =
            [BARE, LAYERS, SECURED].map(|client| count("instructions", client, "instructions_each"));
        let ratio = bare.zip(ours).map(|(bare, ours)| format!("{:.2}", ours / bare));
        let system = [BARE, LAYERS, SECURED].map(|client| count("calls", client, "calls_each").map(figures));
        let cells = [bare.map(figures), ours.map(figures), ratio, whole.map(figures)];
        let cells: Vec<_> = cells.into_iter().chain(system).collect();
        if cells.iter().any(Option::is_some) {
            let cells: Vec<_> = cells.iter().map(|cell| cell.as_deref().unwrap_or("–")).collect();
            let _ = writeln!(rows, "| {} | {} |", scenario.title, cells.join(" | "));
        }
    }
    let titles = [
        "bare, instructions",
        "Sterna's layers",
        "ratio",
        "whole client",
        "bare, system calls",
        "Sterna's layers",
        "whole client",
    ];
    (!rows.is_empty()).then(|| heading(titles.into_iter()) + &rows)
}

/// System calls or instructions a message.
fn counts(results: &Results, suffix: &'static str, name: &'static str) -> Option<String> {
    let columns: Vec<_> = scenarios(Scenario::flows)
        .map(|scenario| {
            let cell: Cell<'_> = Box::new(move |client| {
                let middle = results.middle(&format!("{}-{suffix}", scenario.name), client, field(name))?;
                Some(figures(middle.median))
            });
            (scenario.title.to_owned(), cell)
        })
        .collect();
    by_client(&columns)
}

/// For a line below all tables.
pub(crate) fn summary(results: &Results) -> Option<String> {
    let targets = targets::all(results);
    let met = targets.iter().filter(|target| target.is_met()).count();
    (!targets.is_empty()).then(|| format!("{met} of {} targets met", targets.len()))
}

/// Three figures, or all before the point.
pub(crate) fn figures(number: f64) -> String {
    let decimals = match number.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{number:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    // Of what is whole there is no more to tell.
    let rest = if number.fract() == 0.0 { "" } else { rest };
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

#[test]
fn numbers_have_three_figures() {
    let written: Vec<_> = [0.0371, 1.0, 1.234, 12.34, 123.4, 12_345.6, -1_234.0].map(figures).into();
    assert_eq!(written, ["0.037", "1", "1.23", "12.3", "123", "12,346", "-1,234"]);
}
