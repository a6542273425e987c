//! How many scenarios passed in each cell.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sterna::ProtocolVersion;

use crate::cell::{Cell, Kind, Runtime, Transport, version_name};

/// A line: a runtime and a transport. A column: a version and a broker.
type Line = (Runtime, Transport);
type Column = (ProtocolVersion, Kind);

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    passed: usize,
    total: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<BTreeMap<Line, Vec<(Column, Count)>>>);

/// A scenario that has begun.
#[derive(Debug)]
#[must_use]
pub(crate) struct Entry<'a> {
    table: &'a Table,
    cell: Cell,
}

impl Table {
    pub(crate) fn begin(&self, cell: Cell) -> Entry<'_> {
        self.count(cell, |count| count.total += 1);
        Entry { table: self, cell }
    }

    fn count(&self, cell: Cell, change: impl FnOnce(&mut Count)) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry((cell.runtime, cell.transport)).or_default();
        let column = (cell.version, cell.kind);
        let index = line.iter().position(|(other, _)| *other == column).unwrap_or_else(|| {
            line.push((column, Count::default()));
            line.len() - 1
        });
        change(&mut line[index].1);
    }
}

impl Entry<'_> {
    pub(crate) fn passed(self) {
        self.table.count(self.cell, |count| count.passed += 1);
    }
}

/// As a table of Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut columns: Vec<Column> = lines.values().flatten().map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        write!(f, "| Runtime | Transport |")?;
        for (version, kind) in &columns {
            write!(f, " {}, {kind} |", version_name(*version))?;
        }
        write!(f, "\n|---|---|{}", "---|".repeat(columns.len()))?;
        for ((runtime, transport), counts) in &*lines {
            write!(f, "\n| {runtime} | {transport} |")?;
            for column in &columns {
                match counts.iter().find(|(other, _)| other == column) {
                    Some((_, count)) => write!(f, " {}/{} |", count.passed, count.total)?,
                    None => write!(f, " – |")?,
                }
            }
        }
        Ok(())
    }
}
