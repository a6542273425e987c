//! The result: as text, as JSON, and as a plot.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::collector::Snapshot;
use super::options::ResultOptions;
use super::plot;
use super::tracker::Tally;
use crate::exit::Failure;

/// The percentiles that are told, and their names in JSON.
const PERCENTILES: [(f64, &str); 5] =
    [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99_9"), (0.9999, "p99_99")];

/// What a run came to.
pub(super) struct Report {
    /// `conn`, `pub` or `sub`.
    pub(super) kind: &'static str,
    /// What is counted: `connections` or `messages`.
    pub(super) unit: &'static str,
    /// What the latency is of.
    pub(super) latency_of: &'static str,
    /// How it was asked for.
    pub(super) settings: Map<String, Value>,
    pub(super) snapshot: Snapshot,
    pub(super) tally: Option<Tally>,
}

impl Report {
    /// Hands it over as it was asked for.
    pub(super) fn give(&self, options: &ResultOptions) -> Result<(), Failure> {
        if let Some(path) = &options.result {
            write(path, &format!("{:#}\n", self.json()))?;
        }
        if let Some(path) = &options.plot {
            let drawn = plot::draw(self).map_err(|error| Failure::Failed(format!("the plot: {error}")))?;
            let is_html = path.extension().is_some_and(|extension| extension == "html");
            write(path, &if is_html { plot::html(self, &drawn) } else { drawn })?;
        }
        let text = if options.json { format!("{}\n", self.json()) } else { self.text() };
        let mut output = std::io::stdout().lock();
        let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        written.map_err(|error| Failure::of_output(&error))
    }

    pub(super) fn rate(&self) -> f64 {
        let seconds = self.snapshot.elapsed.as_secs_f64();
        if seconds > 0.0 { self.snapshot.count as f64 / seconds } else { 0.0 }
    }

    pub(super) fn has_latency(&self) -> bool {
        !self.snapshot.latency.is_empty()
    }

    /// What a person reads.
    pub(super) fn text(&self) -> String {
        let Snapshot { elapsed, count, bytes, failed, latency, .. } = &self.snapshot;
        let seconds = elapsed.as_secs_f64();
        let payload = match bytes {
            0 => String::new(),
            bytes => format!(", {:.1} kB/s of payload", *bytes as f64 / 1e3 / seconds.max(1e-9)),
        };
        let mut lines = vec![format!(
            "{count} {} in {seconds:.3} s: {:.0} a second{payload}, {failed} failed",
            self.unit,
            self.rate(),
        )];
        if self.has_latency() {
            let percentiles: Vec<_> = PERCENTILES
                .map(|(quantile, name)| {
                    format!(
                        "{} {}",
                        name.replace('_', "."),
                        milliseconds(latency.value_at_quantile(quantile))
                    )
                })
                .into();
            lines.push(format!(
                "{}: min {}, mean {:.3}, {}, max {} ms",
                self.latency_of,
                milliseconds(latency.min()),
                latency.mean() / 1e6,
                percentiles.join(", "),
                milliseconds(latency.max()),
            ));
        }
        if let Some(tally) = &self.tally {
            lines.push(format!(
                "checked {}: {} lost, {} doubled, {} out of order",
                tally.checked, tally.lost, tally.duplicates, tally.out_of_order
            ));
        }
        lines.join("\n") + "\n"
    }

    fn json(&self) -> Value {
        let Snapshot { elapsed, count, bytes, failed, latency, interval, points } = &self.snapshot;
        let mut object = Map::new();
        object.insert("bench".into(), self.kind.into());
        object.insert("sterna".into(), env!("CARGO_PKG_VERSION").into());
        object.insert("settings".into(), self.settings.clone().into());
        object.insert("elapsed_seconds".into(), elapsed.as_secs_f64().into());
        object.insert(self.unit.into(), (*count).into());
        object.insert("failed".into(), (*failed).into());
        object.insert("payload_bytes".into(), (*bytes).into());
        object.insert("per_second".into(), self.rate().into());
        if self.has_latency() {
            let mut times = Map::new();
            times.insert("of".into(), self.latency_of.into());
            times.insert("min".into(), microseconds(latency.min()));
            times.insert("mean".into(), (latency.mean() / 1e3).into());
            times.insert("stdev".into(), (latency.stdev() / 1e3).into());
            for (quantile, name) in PERCENTILES {
                times.insert(name.into(), microseconds(latency.value_at_quantile(quantile)));
            }
            times.insert("max".into(), microseconds(latency.max()));
            object.insert("latency_microseconds".into(), times.into());
        }
        if let Some(tally) = &self.tally {
            object.insert(
                "check".into(),
                json!({
                    "checked": tally.checked, "lost": tally.lost, "duplicates": tally.duplicates,
                    "out_of_order": tally.out_of_order,
                }),
            );
        }
        let counts: Vec<_> = points.iter().map(|point| point.count).collect();
        let interval = Duration::as_secs_f64(interval);
        object.insert("series".into(), json!({ "interval_seconds": interval, "counts": counts }));
        object.into()
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e6)
}

fn microseconds(nanoseconds: u64) -> Value {
    (nanoseconds as f64 / 1e3).into()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}
