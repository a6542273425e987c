//! What packets cost without a socket.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{figures, heading};
use crate::packets::Packet;
use crate::results::Results;

/// Instructions, and allocations in brackets.
fn cell(packet: Option<&Packet>) -> String {
    match packet {
        None => "–".into(),
        Some(packet) if packet.allocations == 0.0 => figures(packet.instructions),
        Some(packet) => format!("{} ({})", figures(packet.instructions), figures(packet.allocations)),
    }
}

/// One row for each who has something in one of the columns.
fn by_name(results: &Results, columns: &[(&str, &str)]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for packet in &results.packets {
        if !names.contains(&&*packet.who) && columns.iter().any(|(_, what)| *what == packet.what) {
            names.push(&packet.who);
        }
    }
    let mut rows = String::new();
    for name in &names {
        let cells: Vec<_> = columns.iter().map(|(_, what)| cell(results.packet(name, what))).collect();
        let _ = writeln!(rows, "| {name} | {} |", cells.join(" | "));
    }
    (!names.is_empty()).then(|| heading(columns.iter().map(|(title, _)| *title)) + &rows)
}

pub(super) fn codec(results: &Results) -> Option<String> {
    by_name(
        results,
        &[
            ("encode", "encode PUBLISH 3.1.1, 88 bytes"),
            ("decode, borrowed", "decode PUBLISH 3.1.1, 88 bytes"),
            ("decode, owned", "decode PUBLISH 3.1.1, 88 bytes, owned"),
            ("encode, 5.0, five properties", "encode PUBLISH 5.0, five properties, 256 bytes"),
            ("decode, 5.0, borrowed", "decode PUBLISH 5.0, five properties, 256 bytes"),
            ("decode, 5.0, owned", "decode PUBLISH 5.0, five properties, 256 bytes, owned"),
        ],
    )
}

pub(super) fn core(results: &Results) -> Option<String> {
    by_name(
        results,
        &[
            ("publish to bytes, 256 at once", "send QoS 0, 3.1.1, batch of 256"),
            ("one at once", "send QoS 0, 3.1.1, singly"),
            ("bytes to message, 186 at once", "receive QoS 0, 3.1.1, 186 a read"),
            ("one at once", "receive QoS 0, 3.1.1, one a read"),
        ],
    )
}

/// The cost of a step with more and more around it.
#[derive(Debug)]
pub(crate) struct Curve<'a> {
    pub(crate) who: &'a str,
    pub(crate) what: &'a str,
    /// How much, and instructions.
    pub(crate) points: Vec<(u64, f64)>,
}

impl Curve<'_> {
    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.who, self.what)
    }

    /// How many times the cost with the least the highest is.
    pub(crate) fn growth(&self) -> f64 {
        let most = self.points.iter().map(|(_, instructions)| *instructions).fold(0.0, f64::max);
        most / self.points[0].1
    }
}

/// Steps whose names end with a colon and a number, as far as there are several.
pub(crate) fn curves(results: &Results) -> Vec<Curve<'_>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for packet in &results.packets {
        let Some((what, size)) = packet.what.rsplit_once(": ") else { continue };
        let Ok(size) = size.parse::<u64>() else { continue };
        let point = (size, packet.instructions);
        match curves.iter_mut().find(|curve| curve.who == packet.who && curve.what == what) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve { who: &packet.who, what, points: vec![point] }),
        }
    }
    curves.retain(|curve| curve.points.len() > 1);
    curves
}

pub(super) fn scaling(results: &Results) -> Option<String> {
    let curves = curves(results);
    let sizes: BTreeSet<u64> = curves.iter().flat_map(|curve| &curve.points).map(|(size, _)| *size).collect();
    let titles: Vec<String> = sizes.iter().map(|size| figures(*size as f64)).collect();
    let mut rows = String::new();
    for curve in &curves {
        let _ = write!(rows, "| {} |", curve.title());
        for size in &sizes {
            let point = curve.points.iter().find(|(other, _)| other == size);
            let _ = write!(rows, " {} |", point.map_or_else(|| "–".into(), |(_, cost)| figures(*cost)));
        }
        rows += "\n";
    }
    (!rows.is_empty()).then(|| heading(titles.iter().map(|title| &**title)) + &rows)
}
