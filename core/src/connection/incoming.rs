//! A PUBLISH that came becomes a message.

use bytes::BytesMut;

use super::backlog::Room;
use super::inbound::Refused;
use super::received::Arrival;
use super::unread::Taken;
use super::window::Since;
use super::{Connection, Sharing};
use crate::bug::Bug;
use crate::error::ProtocolError;
use crate::message::{MessageId, Parts};
use crate::packet::publish::{Plain, Received};
use crate::packet::{FixedHeader, PacketType, ProtocolVersion, QoS, ReasonCode, Sender};

/// While this many messages of earlier reads wait, a new one that would pin much more memory than it has is copied out.
const COPY_FROM_BACKLOG: usize = 32;
/// How many times its own size a waiting message may pin.
const PINNED_FACTOR: usize = 8;
/// With [`Sharing::Never`], what is smaller is copied out.
const SHARED_FROM: usize = 8 << 10;

impl Connection {
    /// Takes the messages that `input` goes on with, as long as they are [`Plain`] and there is room for them: the quick
    /// way of most messages. Whether it has stopped since something was answered: that may be more than the server reads.
    #[inline]
    pub(super) fn take_plain(&mut self, input: &BytesMut, taken: &mut Taken) -> Result<bool, ProtocolError> {
        let begins = input.get(taken.bytes).is_some_and(|first| Plain::begins(*first));
        if !begins || !self.phase.is_up() || !self.shares_small() {
            return Ok(false);
        }
        let (messages, bytes) = self.incoming_bounds();
        let (version, limit) = (self.version, self.config.maximum_packet_size);
        let mut unread = &mut **self.unread.get_or_insert_default();
        while unread.len() < messages
            && unread.bytes() < bytes
            && let rest = &input[taken.bytes..]
            && let Some(plain) = Plain::read(rest, version)
            && plain.size <= limit
        {
            let (size, mut parts) = (plain.size as usize, parts_of_plain(plain));
            self.count_packet(PacketType::Publish, plain.packet_id, size);
            if plain.qos != QoS::AtMostOnce {
                let topic = &rest[plain.topic as usize..][..usize::from(plain.topic_length)];
                let id = self.take_owed(plain.qos, plain.duplicate, plain.packet_id, topic)?;
                let Some(id) = id else {
                    taken.bytes += size;
                    return Ok(true);
                };
                parts.sequence = id.sequence;
            }
            let skip = taken.share(size);
            unread = self.unread.get_or_insert_default();
            unread.push(parts, size, skip);
        }
        Ok(false)
    }

    /// Takes the PUBLISH that is whole and next in `input`.
    pub(super) fn take_publish(
        &mut self,
        header: FixedHeader,
        input: &mut BytesMut,
        taken: &mut Taken,
    ) -> Result<(), Refused> {
        let size = header.packet_size();
        let body = &input[taken.bytes + usize::from(header.header_length)..taken.bytes + size];
        let publish =
            Received::decode(header, body, self.version, Sender::Server).map_err(ProtocolError::Decode)?;
        let room = self.room_for(size, publish.qos);
        if room == Room::Pause {
            return Err(Refused::Paused);
        }
        self.count_packet(PacketType::Publish, publish.packet_id, size);
        let mut parts = parts_of(&publish, header);
        if let Some(alias) = publish.alias {
            parts.aliased = self.aliases.resolve(alias, publish.topic, self.config.topic_alias_maximum)?;
        }
        let is_delivered = if publish.qos == QoS::AtMostOnce {
            if room == Room::Drop {
                self.count_dropped(1);
            }
            room == Room::Take
        } else {
            let topic = parts.aliased.as_deref().map_or(publish.topic, |topic| topic.as_bytes());
            let id = self.take_owed(publish.qos, publish.duplicate, publish.packet_id, topic)?;
            parts.sequence = id.map_or(0, |id| id.sequence);
            id.is_some()
        };
        if !is_delivered {
            taken.bytes += size;
            return Ok(());
        }
        let skip = if self.copies(size, input.capacity() - taken.bytes) {
            taken.copy(size, input, &mut self.unread)
        } else {
            taken.share(size)
        };
        self.unread.get_or_insert_default().push(parts, size, skip);
        Ok(())
    }

    /// A message of QoS 1 or 2 came, whose acknowledgement is owed now. `None` if it was delivered before.
    #[inline(never)] // What QoS 0 does not need is not to be in its way.
    fn take_owed(
        &mut self,
        qos: QoS,
        duplicate: bool,
        packet_id: u16,
        topic: &[u8],
    ) -> Result<Option<MessageId>, ProtocolError> {
        let maximum = (self.version == ProtocolVersion::V5).then_some(self.config.receive_maximum);
        let arrival = self.received.arrive(packet_id, qos, duplicate, maximum)?;
        self.received.name(packet_id, qos, topic);
        self.watch_window(Since::Now);
        let id = match arrival {
            Arrival::New(id) => id,
            Arrival::Anew(id) => {
                self.forget_incoming(packet_id);
                id
            }
            Arrival::Duplicate | Arrival::Repeat => {
                if arrival == Arrival::Repeat {
                    self.reply_incoming(PacketType::PubRec, packet_id, ReasonCode::SUCCESS);
                }
                // It may have been acknowledged while it could not be sent.
                self.send_acks();
                return Ok(None);
            }
        };
        if self.has_bug(Bug::AcknowledgedOnArrival) {
            // It was just taken in.
            let _ = self.acknowledge_message(id, ReasonCode::SUCCESS);
        }
        Ok(Some(id))
    }

    /// Whether even small messages share the read buffer.
    fn shares_small(&self) -> bool {
        match self.sharing {
            Sharing::Backlog => self.waiting_before < COPY_FROM_BACKLOG,
            Sharing::Always => true,
            Sharing::Never => false,
        }
    }

    /// Whether a message is copied out of the read buffer rather than share it: where a waiting one would keep much more
    /// alive, of which there are `capacity` bytes.
    #[inline]
    fn copies(&self, size: usize, capacity: usize) -> bool {
        let is_small = match self.sharing {
            Sharing::Backlog => size * PINNED_FACTOR < capacity,
            Sharing::Always => false,
            Sharing::Never => size < SHARED_FROM,
        };
        is_small && !self.shares_small()
    }
}

/// Where the parts of a PUBLISH stand in its packet.
#[inline]
fn parts_of(publish: &Received<'_>, header: FixedHeader) -> Parts {
    let payload = header.packet_size() as u32 - publish.payload.len() as u32;
    Parts {
        aliased: None,
        sequence: 0,
        payload,
        properties: payload - publish.properties.as_bytes().len() as u32,
        topic_length: publish.topic.len() as u16,
        packet_id: publish.packet_id,
        topic: u32::from(header.header_length) + 2,
    }
}

#[inline]
fn parts_of_plain(plain: Plain) -> Parts {
    let Plain { topic, topic_length, packet_id, payload, .. } = plain;
    Parts { aliased: None, sequence: 0, payload, properties: payload, topic_length, packet_id, topic }
}
