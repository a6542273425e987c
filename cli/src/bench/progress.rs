//! What is shown while it runs, if standard error is a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::collector::Collector;

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// Where it ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    Count(u64),
    Time(Duration),
    None,
}

/// Draws until it is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

impl Progress {
    pub(super) fn start(collector: Arc<Collector>, goal: Goal, quiet: bool) -> Self {
        let (length, template) = match goal {
            Goal::Count(count) => (Some(count), "{wide_bar} {pos}/{len} {msg}"),
            Goal::Time(time) => (u64::try_from(time.as_millis()).ok(), "{wide_bar} {msg}"),
            Goal::None => (None, "{spinner} {msg}"),
        };
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(length, target);
        // One that cannot be read is not drawn with.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let task = tokio::spawn(draw(bar.clone(), collector, goal));
        Self { bar, task }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

async fn draw(bar: ProgressBar, collector: Arc<Collector>, goal: Goal) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut before, mut rate) = (0, 0.0);
    loop {
        ticks.tick().await;
        let (count, p99) = collector.glance();
        // The mean of about the last second.
        rate += 0.1 * ((count - before) as f64 / EVERY.as_secs_f64() - rate);
        before = count;
        let elapsed = collector.made().elapsed();
        match goal {
            Goal::Count(_) => bar.set_position(count),
            Goal::Time(_) => bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)),
            Goal::None => bar.tick(),
        }
        let latency = if p99 > 0 { format!(", p99 {:.2} ms", p99 as f64 / 1e6) } else { String::new() };
        bar.set_message(format!("{count}, {rate:.0} a second{latency}"));
    }
}
