//! Any bytes, in any version, from either side: decoding never panics, and what decodes survives a round trip.

use sterna_core::packet::{
    EncodeError, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender,
};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];

/// First byte: the version (its value modulo 3: 3.1, 3.1.1, 5.0) and the sender (bit 7: the server); then packets.
pub fn decode(input: &[u8]) {
    let Some((&selector, mut packets)) = input.split_first() else { return };
    let version = VERSIONS[usize::from(selector & 0x7f) % VERSIONS.len()];
    let sender = if selector & 0x80 == 0 { Sender::Client } else { Sender::Server };
    while let Some(rest) = decode_first(packets, version, sender) {
        packets = rest;
    }
}

/// Decodes the first packet and checks its round trip; what follows it, unless `input` ends or is malformed there.
fn decode_first(input: &[u8], version: ProtocolVersion, sender: Sender) -> Option<&[u8]> {
    let header = FixedHeader::parse(input, version, PROTOCOL_MAXIMUM_PACKET_SIZE).ok()??;
    let (packet, rest) = input.split_at_checked(header.packet_size())?;
    let body = &packet[usize::from(header.header_length)..];
    let decoded = Packet::decode(header, body, version, sender).ok()?;

    let Ok(encoded) = encode(&decoded, version) else {
        // A server must be able to read what a client should not have sent, such as an empty identifier on 3.x
        // without a clean session, to refuse it with CONNACK.
        assert!(matches!(decoded, Packet::Connect(_)), "what decodes encodes: {decoded:?}");
        return Some(rest);
    };
    let header = FixedHeader::parse(&encoded, version, PROTOCOL_MAXIMUM_PACKET_SIZE)
        .expect("an encoded packet has a well-formed header")
        .expect("an encoded packet has a whole header");
    assert_eq!(header.packet_size(), encoded.len(), "the remaining length is that of the body");
    let body = &encoded[usize::from(header.header_length)..];
    let again = Packet::decode(header, body, version, sender).expect("an encoded packet decodes");
    assert_eq!(decoded, again, "the round trip changed the packet");
    assert_eq!(encode(&again, version).as_ref(), Ok(&encoded), "the encoding is canonical");
    Some(rest)
}

fn encode(packet: &Packet<'_>, version: ProtocolVersion) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut out).map(|()| out)
}
