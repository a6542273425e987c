//! What the measured clients have in common: the message, what a client is asked to do, and how it says what that took.
//!
//! A client is a program that is started with words such as `variant=tokio scenario=pub1 port=1883 time=600` and prints
//! one line of JSON. It connects to the sink at 127.0.0.1, does the scenario and ends; a failure of any kind is a panic.

mod heap;
mod idle;
mod large;
mod meter;
mod packets;
mod work;

pub use heap::{Heap, heap, new_heap, with_heap};
pub use idle::{AT_ONCE, BURST, Idle, QUIET, end_with_input};
pub use large::Large;
pub use meter::{Meter, Trips, cpu_time, print, resident};
pub use packets::{CONNECT, PUBACK_LENGTH, publish, publish_into};
pub use work::Work;

/// 20 bytes.
pub const TOPIC: &str = "bench/measured/topic";

/// How many messages of QoS 1 and 2 are under way at most.
pub const WINDOW: usize = 1_000;

/// 64 bytes.
pub const PAYLOAD: &[u8; 64] = b"{\"measured\":true,\"celsius\":21.50,\"at\":\"2024-02-29T12:00:00.00Z\"}";

/// With this a payload begins that ends a flood; the number of messages before it follows, eight bytes, big-endian.
pub const END: &[u8; 8] = b"the end:";

/// How many messages came before this one, if it is the last one of a flood.
#[inline]
pub fn flood_end(payload: &[u8]) -> Option<u64> {
    let count = payload.strip_prefix(END)?.first_chunk()?;
    Some(u64::from_be_bytes(*count))
}
