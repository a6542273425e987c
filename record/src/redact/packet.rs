//! Packets in their wire form, redacted in their place.

use std::ops::Range;

use sterna_core::packet::{
    Connect, DecodeError, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, Properties,
    Property, ProtocolVersion, Sender, Will,
};

use super::{Kind, Values, reason_string};

/// The parts of a packet that may have to be redacted.
struct Spans {
    start: usize,
    spans: Vec<(Range<usize>, Kind)>,
}

impl Spans {
    fn of(packet: &[u8]) -> Self {
        Self { start: packet.as_ptr() as usize, spans: Vec::new() }
    }

    /// `part` points into the packet.
    fn add(&mut self, part: &[u8], kind: Kind) {
        let start = part.as_ptr() as usize - self.start;
        self.spans.push((start..start + part.len(), kind));
    }

    fn properties(&mut self, properties: Properties<'_>) {
        each_property(properties, &mut |part, kind| self.add(part, kind));
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        self.properties(connect.properties);
        if let Some(Will { topic, payload, properties, .. }) = &connect.will {
            self.add(topic.as_bytes(), Kind::Topic);
            self.add(payload, Kind::Payload);
            self.properties(*properties);
        }
        if let Some(user_name) = connect.user_name {
            self.add(user_name.as_bytes(), Kind::UserName);
        }
        if let Some(password) = connect.password {
            self.add(password, Kind::Secret);
        }
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connect(connect) => self.connect(connect),
            Packet::ConnAck(ack) => self.properties(ack.properties),
            Packet::Publish(publish) => {
                self.add(publish.topic.as_bytes(), Kind::Topic);
                self.properties(publish.properties);
                self.add(publish.payload, Kind::Payload);
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                self.properties(ack.properties);
            }
            Packet::Subscribe(subscribe) => {
                self.properties(subscribe.properties);
                for filter in subscribe.filters.iter() {
                    self.add(filter.filter.as_bytes(), Kind::Topic);
                }
            }
            Packet::SubAck(ack) => self.properties(ack.properties),
            Packet::Unsubscribe(unsubscribe) => {
                self.properties(unsubscribe.properties);
                for filter in unsubscribe.filters.iter() {
                    self.add(filter.as_bytes(), Kind::Topic);
                }
            }
            Packet::UnsubAck(ack) => self.properties(ack.properties),
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(disconnect) => self.properties(disconnect.properties),
            Packet::Auth(auth) => self.properties(auth.properties),
        }
    }
}

/// The values of properties that may have to be redacted.
pub(super) fn each_property(properties: Properties<'_>, each: &mut dyn FnMut(&[u8], Kind)) {
    for property in properties {
        match property {
            Property::ResponseTopic(text) => each(text.as_bytes(), Kind::Topic),
            Property::ResponseInformation(text) | Property::ReasonString(text) => {
                each(text.as_bytes(), Kind::Text);
            }
            Property::CorrelationData(data) => each(data, Kind::Payload),
            Property::AuthenticationData(data) => each(data, Kind::Secret),
            Property::UserProperty { name, value } => {
                each(name.as_bytes(), Kind::Payload);
                each(value.as_bytes(), Kind::Payload);
            }
            _ => {}
        }
    }
}

/// How many bytes of a packet that fails with `error` have to be shown, so that it still does.
fn shown_of_malformed(
    header: FixedHeader,
    packet: &[u8],
    version: ProtocolVersion,
    sender: Sender,
    error: DecodeError,
) -> usize {
    let length = usize::from(header.header_length);
    let mut copy = packet.to_vec();
    let mut shown = length;
    while shown < packet.len() {
        copy[length..shown].copy_from_slice(&packet[length..shown]);
        copy[shown..].fill(0);
        if Packet::decode(header, &copy[length..], version, sender) == Err(error) {
            return shown;
        }
        shown += (shown - length).max(1);
    }
    packet.len()
}

impl Values {
    /// Whether packets of this type may have anything to redact.
    pub(super) fn concerns(&self, packet: PacketType) -> bool {
        let texts = self.hides(Kind::Payload) || self.hides(Kind::Topic);
        match packet {
            PacketType::PingReq | PacketType::PingResp => false,
            PacketType::Connect => texts || self.hides(Kind::Secret) || self.hides(Kind::UserName),
            PacketType::ConnAck | PacketType::Auth => texts || self.hides(Kind::Secret),
            _ => texts,
        }
    }

    /// Redacts a whole packet in its place. Of one that cannot be read only so much is left as it takes to fail in the same
    /// way: nobody can tell what in the rest is a secret.
    pub(super) fn packet(
        &mut self,
        header: FixedHeader,
        packet: &mut [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) {
        if !self.concerns(header.packet_type) {
            return;
        }
        let length = usize::from(header.header_length);
        let mut spans = Spans::of(packet);
        let decoded = Packet::decode(header, &packet[length..], version, sender);
        match &decoded {
            Ok(decoded) => spans.packet(decoded),
            Err(error) => {
                let shown = shown_of_malformed(header, packet, version, sender, *error);
                return packet[shown..].fill(0);
            }
        }
        let own_words = match &decoded {
            Ok(Packet::Disconnect(disconnect)) if sender == Sender::Client => {
                reason_string(disconnect.properties) != self.farewell.as_deref()
            }
            _ => false,
        };
        for (range, kind) in spans.spans {
            if !(own_words && kind == Kind::Text) {
                self.hide(kind, &mut packet[range]);
            }
        }
    }

    /// Redacts whole packets of ours, one behind the other. Gives the version that a CONNECT among them says.
    pub(super) fn sent(&mut self, bytes: &mut [u8], version: ProtocolVersion) -> Option<ProtocolVersion> {
        let mut rest = bytes;
        let mut said = None;
        while let Ok(Some(header)) =
            FixedHeader::parse(rest, said.unwrap_or(version), PROTOCOL_MAXIMUM_PACKET_SIZE)
        {
            let Some((packet, behind)) = rest.split_at_mut_checked(header.packet_size()) else { break };
            let version = said.unwrap_or(version);
            let body = &packet[usize::from(header.header_length)..];
            if header.packet_type == PacketType::Connect
                && let Ok(Packet::Connect(connect)) = Packet::decode(header, body, version, Sender::Client)
            {
                said = Some(connect.version);
            }
            self.packet(header, packet, said.unwrap_or(version), Sender::Client);
            rest = behind;
        }
        said
    }
}
