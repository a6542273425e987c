//! The results as tables of Markdown.

use std::fmt::Write as _;

use serde_json::Value;

use crate::clients::CLIENTS;
use crate::results::{Results, cost, median_trip, rate, slow_trip};
use crate::scenario::{Kind, SCENARIOS, Scenario};

/// Messages a second and the processor's time, or round trips.
pub(crate) fn throughput(results: &Results) -> String {
    let scenarios: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| CLIENTS.iter().any(|client| cell(results, scenario, client.name).is_some()))
        .collect();
    let mut table = String::from("| |");
    for scenario in &scenarios {
        let _ = write!(table, " {} |", scenario.title);
    }
    table += "\n|---|";
    table += &"---|".repeat(scenarios.len());
    table += "\n";
    for client in CLIENTS {
        let cells: Vec<_> = scenarios.iter().map(|scenario| cell(results, scenario, client.name)).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(table, "| {} |", client.name);
        for cell in cells {
            let _ = write!(table, " {} |", cell.as_deref().unwrap_or("–"));
        }
        table += "\n";
    }
    table
}

fn cell(results: &Results, scenario: &Scenario, client: &str) -> Option<String> {
    let middle = |number: fn(&Value) -> Option<f64>| results.middle(scenario.name, client, number);
    if matches!(scenario.kind, Kind::Trip(_)) {
        let (half, slow) = (middle(median_trip)?, middle(slow_trip)?);
        return Some(format!("{} / {}", figures(half.median), figures(slow.median)));
    }
    let (rate, cost) = (middle(rate)?, middle(cost)?);
    Some(format!(
        "{} ±{:.0} % ({})",
        figures(rate.median / 1e3),
        rate.spread() * 100.0,
        figures(cost.median)
    ))
}

/// Three figures, or all before the point.
pub(crate) fn figures(number: f64) -> String {
    let decimals = if number >= 100.0 { 0 } else if number >= 10.0 { 1 } else { 2 };
    let text = format!("{number:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}
