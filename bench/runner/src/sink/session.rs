//! What the sink makes of a connection's bytes: it counts and acknowledges. No more of MQTT than that.

use std::sync::Arc;
use std::time::Instant;

use bench_common::{PAYLOAD, TOPIC};

use super::flood::Flooding;
use super::{Counts, Plan};

/// One connection.
pub(super) struct Session {
    plan: Arc<Plan>,
    version: u8,
    /// How many bytes of a large PUBLISH are still to come, and the answer to it.
    skip: usize,
    then: Vec<u8>,
    pub(super) flooding: Option<Flooding>,
    pub(super) counts: Counts,
    pub(super) closed: bool,
}

/// A packet's first byte, the length of its fixed header, and the rest's.
fn header(input: &[u8]) -> Result<Option<(u8, usize, usize)>, String> {
    let Some((&first, lengths)) = input.split_first() else { return Ok(None) };
    let mut remaining = 0;
    for (at, byte) in lengths.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((first, at + 2, remaining)));
        }
    }
    if lengths.len() >= 4 { Err("a packet's length is malformed".into()) } else { Ok(None) }
}

fn number(input: &[u8]) -> Result<u16, String> {
    Ok(u16::from_be_bytes(*input.first_chunk().ok_or("a packet is too short")?))
}

impl Session {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let counts = Counts::default();
        Self { plan, version: 4, skip: 0, then: Vec::new(), flooding: None, counts, closed: false }
    }

    /// Takes what is complete of `input` and appends what is to be answered; how much it took.
    pub(super) fn take(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, String> {
        let mut taken = 0;
        while taken < input.len() && !self.closed {
            if self.skip > 0 {
                let skipped = self.skip.min(input.len() - taken);
                self.skip -= skipped;
                taken += skipped;
                if self.skip == 0 {
                    output.append(&mut self.then);
                }
                continue;
            }
            let Some((first, header, remaining)) = header(&input[taken..])? else { break };
            let body = taken + header;
            let end = body + remaining;
            if first >> 4 == 3 {
                // All up to the payload of a message has to be there, and all of a small one.
                let least = remaining.min(1_024);
                if input.len() < body + least {
                    break;
                }
                let there = &input[taken..input.len().min(end)];
                if input.len() < end {
                    self.skip = end - input.len();
                    let mut then = Vec::new();
                    self.publish(first, header, there, &mut then)?;
                    self.then = then;
                } else {
                    self.publish(first, header, there, output)?;
                }
                self.counts.bytes += (end - taken) as u64;
                taken = input.len().min(end);
            } else {
                let Some(rest) = input.get(body..end) else { break };
                self.packet(first, rest, output)?;
                taken = end;
            }
        }
        Ok(taken)
    }

    fn publish(
        &mut self,
        first: u8,
        header: usize,
        packet: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), String> {
        let rest = &packet[header..];
        let topic_end = 2 + usize::from(number(rest)?);
        let qos = first >> 1 & 3;
        if rest.get(2..topic_end) != Some(TOPIC.as_bytes()) {
            return Err("a message has another topic".into());
        }
        if self.plan.small && !rest.ends_with(PAYLOAD) {
            return Err("a message has another payload".into());
        }
        self.counts.published[usize::from(qos)] += 1;
        if qos == 0 {
            if self.plan.echo {
                output.extend_from_slice(packet);
            }
        } else {
            let id = number(&rest[topic_end..])?;
            let [high, low] = id.to_be_bytes();
            output.extend([if qos == 1 { 0x40 } else { 0x50 }, 2, high, low]);
        }
        Ok(())
    }

    fn packet(&mut self, first: u8, rest: &[u8], output: &mut Vec<u8>) -> Result<(), String> {
        match first >> 4 {
            1 => {
                self.version = *rest.get(6).ok_or("CONNECT is too short")?;
                if self.version == 5 {
                    output.extend([0x20, 3, 0, 0, 0]);
                } else {
                    output.extend([0x20, 2, 0, 0]);
                }
                self.counts.connected += 1;
            }
            4 => {
                self.counts.acknowledged += 1;
                let flooding = self.flooding.as_mut().ok_or("PUBACK without a PUBLISH")?;
                flooding.acknowledged(number(rest)?)?;
            }
            6 => {
                self.counts.released += 1;
                let id = number(rest)?.to_be_bytes();
                output.extend([0x70, 2, id[0], id[1]]);
            }
            8 => {
                let id = number(rest)?.to_be_bytes();
                let qos = rest.last().ok_or("SUBSCRIBE is too short")? & 3;
                if self.version == 5 {
                    output.extend([0x90, 4, id[0], id[1], 0, qos]);
                } else {
                    output.extend([0x90, 3, id[0], id[1], qos]);
                }
                if let Some(flood) = &self.plan.flood {
                    self.flooding = Some(Flooding::new(flood.clone(), self.version, Instant::now()));
                }
            }
            10 => {
                let id = number(rest)?.to_be_bytes();
                if self.version == 5 {
                    output.extend([0xb0, 4, id[0], id[1], 0, 0]);
                } else {
                    output.extend([0xb0, 2, id[0], id[1]]);
                }
            }
            12 => output.extend([0xd0, 0]),
            14 => self.closed = true,
            other => return Err(format!("a packet of type {other}")),
        }
        Ok(())
    }
}
