//! What a server sends, well-formed, with the packet identifiers that are in use.

use sterna_core::packet::ProtocolVersion;

use super::world::World;
use crate::input::Input;

/// A byte for the kind (CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT,
/// AUTH), one for how far from the newest packet identifier its own is, and one for its reason code or its flags.
pub(super) fn receive(world: &mut World, input: &mut Input<'_>) {
    let (kind, back, detail) = (input.byte() % 11, input.byte(), input.byte());
    let has_properties = world.connection.version() == ProtocolVersion::V5;
    let newest = world.connection.last_packet_id().unwrap_or(0);
    let [high, low] = newest.wrapping_sub(u16::from(back)).to_be_bytes();
    let mut body = Vec::new();
    let first = match kind {
        0 => {
            body.extend([back & 1, detail]);
            if has_properties {
                // Receive Maximum and Topic Alias Maximum; or Server Reference.
                let limits: &[u8] = if back & 2 == 0 { &[] } else { &[0x21, 0, 2, 0x22, 0, 1] };
                let place: &[u8] = if back & 4 == 0 { &[] } else { b"\x1c\0\x01h" };
                body.push((limits.len() + place.len()) as u8);
                body.extend_from_slice(limits);
                body.extend_from_slice(place);
            }
            0x20
        }
        1 => {
            body.extend_from_slice(b"\0\x03a/b");
            if detail & 6 != 0 {
                body.extend([0, back]);
            }
            if has_properties {
                body.extend_from_slice(if detail & 16 == 0 { &[0] } else { &[3, 0x23, 0, 1] });
            }
            body.resize(body.len() + usize::from(detail >> 5) * 64, b'x');
            0x30 | detail & 0x0f
        }
        2..=5 => {
            // Identifiers of the server's own for PUBREL.
            body.extend(if kind == 4 { [0, back] } else { [high, low] });
            if has_properties && detail > 0 {
                body.push(detail);
            }
            [0x40, 0x50, 0x62, 0x70][usize::from(kind) - 2]
        }
        6 | 7 => {
            body.extend([high, low]);
            if has_properties {
                body.push(0);
            }
            if kind == 6 || has_properties {
                body.resize(body.len() + 1 + usize::from(detail >> 6), detail & 0x83);
            }
            if kind == 6 { 0x90 } else { 0xB0 }
        }
        8 => 0xD0,
        9 => {
            body.push(detail);
            if back & 1 != 0 {
                body.extend_from_slice(b"\x04\x1c\0\x01h");
            }
            0xE0
        }
        _ => {
            body.extend_from_slice(&[detail, 4, 0x15, 0, 1, b'M']);
            0xF0
        }
    };
    // The Remaining Length of what is made here has two bytes at most.
    let mut packet = vec![first];
    if body.len() < 128 {
        packet.push(body.len() as u8);
    } else {
        packet.extend([body.len() as u8 | 0x80, (body.len() >> 7) as u8]);
    }
    packet.extend_from_slice(&body);
    world.receive(&packet);
}
