//! What is measured while it happens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest time that is told apart from longer ones, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;
/// How long the first intervals are.
const INTERVAL: Duration = Duration::from_millis(50);
/// When there are more, each two become one.
const INTERVALS: usize = 1_000;

/// Counts and times, from any task.
pub(super) struct Collector {
    made: Instant,
    state: Mutex<State>,
}

struct State {
    /// When the time began to run; `None` until the first one has come.
    started: Option<Instant>,
    count: u64,
    bytes: u64,
    failed: u64,
    latency: Histogram<u64>,
    series: Series,
    last: Instant,
}

/// One interval of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Point {
    pub(super) count: u64,
    /// Nanoseconds; 0 without latency. Of joined intervals: the mean by count, and the larger.
    pub(super) median: f64,
    pub(super) p99: f64,
}

struct Series {
    interval: Duration,
    points: Vec<Point>,
    current: Histogram<u64>,
    count: u64,
}

/// How it stands.
pub(super) struct Snapshot {
    pub(super) elapsed: Duration,
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) failed: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) interval: Duration,
    pub(super) points: Vec<Point>,
}

impl Collector {
    /// The time runs from now on.
    pub(super) fn start() -> Self {
        Self::new(true)
    }

    /// The time runs from the first one on.
    pub(super) fn start_at_first() -> Self {
        Self::new(false)
    }

    fn new(at_once: bool) -> Self {
        let made = Instant::now();
        let series = Series { interval: INTERVAL, points: Vec::new(), current: histogram(), count: 0 };
        let started = at_once.then_some(made);
        let state =
            State { started, count: 0, bytes: 0, failed: 0, latency: histogram(), series, last: made };
        Self { made, state: Mutex::new(state) }
    }

    /// When it was made.
    pub(super) fn made(&self) -> Instant {
        self.made
    }

    /// One more, and how long it took, if that means something.
    pub(super) fn note(&self, latency: Option<Duration>, bytes: usize) {
        let now = Instant::now();
        let mut state = self.lock();
        let started = *state.started.get_or_insert(now);
        state.count += 1;
        state.bytes += bytes as u64;
        state.last = now;
        let nanoseconds = latency.map(|latency| u64::try_from(latency.as_nanos()).unwrap_or(LONGEST));
        if let Some(nanoseconds) = nanoseconds {
            state.latency.saturating_record(nanoseconds);
        }
        state.series.note(now.duration_since(started), nanoseconds);
    }

    pub(super) fn fail(&self) {
        self.lock().failed += 1;
    }

    /// How many there are, and the 99th percentile of their latency in nanoseconds.
    pub(super) fn glance(&self) -> (u64, u64) {
        let state = self.lock();
        (state.count, state.latency.value_at_quantile(0.99))
    }

    /// The time of the last one.
    pub(super) fn last(&self) -> Instant {
        self.lock().last
    }

    /// All of it. The time ends with the last one.
    pub(super) fn finish(&self) -> Snapshot {
        let mut state = self.lock();
        state.series.close();
        Snapshot {
            elapsed: state.last.duration_since(state.started.unwrap_or(state.last)),
            count: state.count,
            bytes: state.bytes,
            failed: state.failed,
            latency: state.latency.clone(),
            interval: state.series.interval,
            points: state.series.points.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Three digits are right; it takes as much memory as what is in it needs.
fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds are lawful");
    histogram.auto(false);
    histogram
}

impl Series {
    fn note(&mut self, elapsed: Duration, nanoseconds: Option<u64>) {
        while self.interval * (self.points.len() as u32 + 1) <= elapsed {
            self.close();
        }
        self.count += 1;
        if let Some(nanoseconds) = nanoseconds {
            self.current.saturating_record(nanoseconds);
        }
    }

    /// Ends the interval.
    fn close(&mut self) {
        let mut point = Point { count: self.count, ..Point::default() };
        if !self.current.is_empty() {
            point.median = self.current.value_at_quantile(0.5) as f64;
            point.p99 = self.current.value_at_quantile(0.99) as f64;
            self.current.reset();
        }
        self.points.push(point);
        self.count = 0;
        if self.points.len() == INTERVALS {
            self.points = self.points.chunks(2).map(join).collect();
            self.interval *= 2;
        }
    }
}

fn join(points: &[Point]) -> Point {
    let count: u64 = points.iter().map(|point| point.count).sum();
    let weighted: f64 = points.iter().map(|point| point.median * point.count as f64).sum();
    let p99 = points.iter().map(|point| point.p99).fold(0.0, f64::max);
    Point { count, median: if count == 0 { 0.0 } else { weighted / count as f64 }, p99 }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-03
    #[test]
    fn a_long_run_has_no_more_points_than_a_short_one() {
        let mut series = Series { interval: INTERVAL, points: Vec::new(), current: histogram(), count: 0 };
        for minute in 0..1_440 {
            series.note(Duration::from_secs(60 * minute), Some(1_000));
        }
        series.close();
        assert!(series.points.len() < INTERVALS && series.points.len() > INTERVALS / 4);
        assert_eq!(series.points.iter().map(|point| point.count).sum::<u64>(), 1_440);
        assert!(
            series.points.iter().filter(|point| point.count > 0).all(|point| (point.p99 - 1e3).abs() < 2.0)
        );
    }
}
