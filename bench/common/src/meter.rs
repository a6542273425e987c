//! What a scenario took: time, time of the processor, memory.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use serde_json::{Value, json};

use crate::work::Work;

/// How often the clock is read: not for each message, which would be measured too.
const LOOK_EVERY: u64 = 256;

/// Counts messages until the time is over, and says what they took.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    cpu: Duration,
    time: Duration,
    most: u64,
    look_every: u64,
    count: u64,
    /// How many messages there are, once the one has come that says so.
    expected: Option<u64>,
}

impl Meter {
    pub fn start(work: &Work) -> Self {
        Self::with(work.time(), work.messages(), LOOK_EVERY)
    }

    /// For so many messages.
    pub fn start_messages(messages: u64) -> Self {
        Self::with(None, Some(messages), LOOK_EVERY)
    }

    /// For messages that come: until they end.
    pub fn start_unlimited() -> Self {
        Self::with(None, None, LOOK_EVERY)
    }

    /// For work whose single steps take long.
    pub fn start_slow(work: &Work) -> Self {
        Self::with(work.time(), work.messages(), 1)
    }

    fn with(time: Option<Duration>, most: Option<u64>, look_every: u64) -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_time(),
            time: time.unwrap_or(Duration::MAX),
            most: most.unwrap_or(u64::MAX),
            look_every,
            count: 0,
            expected: None,
        }
    }

    /// Counts one more, if there is to be one more.
    #[inline]
    pub fn more(&mut self) -> bool {
        let look = self.count.is_multiple_of(self.look_every);
        if self.count >= self.most || look && self.started.elapsed() >= self.time {
            return false;
        }
        self.count += 1;
        true
    }

    /// Counts `messages` that were received.
    #[inline]
    pub fn add(&mut self, messages: u64) {
        self.count += messages;
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Counts a message that was received; whether it was the last one. That one is not counted.
    ///
    /// # Panics
    /// Other than the announced number came.
    #[inline]
    pub fn received(&mut self, payload: &[u8]) -> bool {
        if let Some(count) = crate::flood_end(payload) {
            assert_eq!(self.count, count, "messages received");
            return true;
        }
        assert_eq!(payload.len(), crate::PAYLOAD.len(), "the payload's length");
        self.count += 1;
        false
    }

    /// The same for clients that hand messages over in another order than they came; whether all are there.
    #[inline]
    pub fn received_in_any_order(&mut self, payload: &[u8]) -> bool {
        if let Some(count) = crate::flood_end(payload) {
            self.expected = Some(count);
        } else {
            assert_eq!(payload.len(), crate::PAYLOAD.len(), "the payload's length");
            self.count += 1;
        }
        self.expected == Some(self.count)
    }

    /// What it took, until now.
    pub fn finish(self) -> Value {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu = cpu_time().saturating_sub(self.cpu).as_secs_f64();
        json!({ "messages": self.count, "seconds": seconds, "cpu": cpu })
    }
}

/// Round trips, and how long each took.
#[derive(Debug)]
pub struct Trips {
    meter: Meter,
    began: Instant,
    nanoseconds: Vec<u32>,
}

impl Trips {
    pub fn start(work: &Work) -> Self {
        Self {
            meter: Meter::start_slow(work),
            began: Instant::now(),
            nanoseconds: Vec::with_capacity(1 << 20),
        }
    }

    /// Begins one more, if there is to be one more.
    #[inline]
    pub fn more(&mut self) -> bool {
        let more = self.meter.more();
        self.began = Instant::now();
        more
    }

    /// It has ended.
    #[inline]
    pub fn arrived(&mut self) {
        let elapsed = self.began.elapsed().as_nanos();
        self.nanoseconds.push(u32::try_from(elapsed).unwrap_or(u32::MAX));
    }

    pub fn finish(mut self) -> Value {
        let mut outcome = self.meter.finish();
        assert_eq!(outcome["messages"], self.nanoseconds.len(), "round trips that ended");
        self.nanoseconds.sort_unstable();
        let at = |share: f64| {
            let index = (share * self.nanoseconds.len() as f64) as usize;
            f64::from(self.nanoseconds[index.min(self.nanoseconds.len() - 1)]) / 1e9
        };
        outcome["p50"] = json!(at(0.5));
        outcome["p99"] = json!(at(0.99));
        outcome
    }
}

/// What this process has used of the processors' time.
pub fn cpu_time() -> Duration {
    ProcessTime::now().as_duration()
}

/// Bytes resident now, and the most that there were.
pub fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Says it to whoever started this program.
pub fn print(outcome: &Value) {
    println!("{outcome}");
}
