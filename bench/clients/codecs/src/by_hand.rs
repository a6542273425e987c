//! The least there is to it: a few lines that know what comes, and no more.

use std::hint::black_box;

use bench_common::{PAYLOAD, publish_into};
use bytes::Bytes;

use crate::measured::{count, repeat};
use crate::{DECODE, DECODE_OWNED, ENCODE, Run, message};

pub(crate) const SCENARIOS: &[(&str, Run)] =
    &[(ENCODE, encode), (DECODE, decode), (DECODE_OWNED, decode_owned)];

fn encode() -> u64 {
    let mut out = Vec::with_capacity(4_096);
    repeat(1, |counts| {
        out.clear();
        count(counts, || publish_into(&mut out, 0, 0, black_box(PAYLOAD), 4));
    })
}

/// The topic, which is valid, and the payload.
fn parse(packet: &[u8]) -> (&str, &[u8]) {
    assert_eq!(packet[0] >> 4, 3, "a PUBLISH");
    let (mut remaining, mut at) = (0, 1);
    loop {
        let byte = packet[at];
        remaining |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = &packet[at..at + remaining];
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = std::str::from_utf8(&body[2..topic_end]).expect("valid");
    assert!(!topic.as_bytes().contains(&0), "a topic");
    (topic, &body[topic_end..])
}

fn decode() -> u64 {
    let packet = message::plain(0, 0);
    repeat(1, |counts| {
        count(counts, || {
            black_box(parse(black_box(&packet)));
        });
    })
}

fn decode_owned() -> u64 {
    let packet = Bytes::from(message::plain(0, 0));
    let other = packet.clone();
    let messages = repeat(1, |counts| {
        count(counts, || {
            let (topic, payload) = parse(black_box(&packet));
            black_box((packet.slice_ref(topic.as_bytes()), packet.slice_ref(payload)));
        });
    });
    drop(other);
    messages
}
