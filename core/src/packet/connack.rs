//! CONNACK.

use alloc::vec::Vec;

use super::wire::{Reader, write_header};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, ReasonCode, Sender,
};

/// CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// 3.1 has no such flag: its byte is ignored when read and written as 0.
    pub session_present: bool,
    /// The return codes of 3.x are translated; see [`ReasonCode::connect_return_code`].
    pub reason: ReasonCode,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    pub(super) fn decode(body: &'a [u8], version: ProtocolVersion) -> Result<Self, DecodeError> {
        // A server that knows only 3.x refuses 5.0 in its own shape.
        if let (ProtocolVersion::V5, [0, code @ 1..=5]) = (version, body) {
            let reason = ReasonCode::from_return_code(*code)?;
            return Ok(Self { session_present: false, reason, properties: Properties::EMPTY });
        }
        let mut reader = Reader::new(body);
        let flags = match reader.u8("acknowledge flags")? {
            _ if version == ProtocolVersion::V3_1 => 0,
            flags @ (0 | 1) => flags,
            flags => return Err(DecodeError::ConnAckFlags(flags)),
        };
        let code = reader.u8("reason code")?;
        let (reason, properties) = match version {
            ProtocolVersion::V5 => {
                let reason = ReasonCode::decode(code, PacketType::ConnAck, Sender::Server)?;
                (reason, Properties::decode(&mut reader, PropertyOwner::ConnAck)?)
            }
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => {
                (ReasonCode::from_return_code(code)?, Properties::EMPTY)
            }
        };
        reader.end()?;
        let session_present = flags == 1;
        if session_present && reason != ReasonCode::SUCCESS {
            return Err(DecodeError::SessionPresentWithRefusal);
        }
        Ok(Self { session_present, reason, properties })
    }

    /// Appends it to `out`. `limit`: the client's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let packet = PacketType::ConnAck;
        if self.session_present && self.reason != ReasonCode::SUCCESS {
            return Err(EncodeError::SessionPresentWithRefusal);
        }
        let refused = EncodeError::ReasonCode { packet, code: self.reason.value() };
        if version == ProtocolVersion::V5 {
            if !self.reason.is_lawful_in(packet) {
                return Err(refused);
            }
            self.properties.check(PropertyOwner::ConnAck, PropertyOwner::ConnAck)?;
            write_header(packet, 0, 2 + self.properties.encoded_length(), limit, out)?;
            out.extend_from_slice(&[u8::from(self.session_present), self.reason.value()]);
            self.properties.encode(out);
            return Ok(());
        }
        let code = self.reason.connect_return_code().ok_or(refused)?;
        if !self.properties.is_empty() {
            return Err(EncodeError::UnsupportedByVersion("a property of CONNACK"));
        }
        write_header(packet, 0, 2, limit, out)?;
        let session_present = self.session_present && version != ProtocolVersion::V3_1;
        out.extend_from_slice(&[u8::from(session_present), code]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CON-02
    #[test]
    fn a_refusal_in_the_shape_of_3_is_understood() {
        let refusal = ConnAck::decode(&[0, 1], ProtocolVersion::V5).unwrap();
        assert_eq!(refusal.reason, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        assert!(ConnAck::decode(&[0, 0], ProtocolVersion::V5).is_err(), "a success needs its properties");
    }
}
