//! CONNECT.

use alloc::vec::Vec;
use core::fmt;

use super::error::WILL_TOPIC;
use super::wire::{Reader, check_length, check_string, write_binary, write_header, write_u16};
use super::{DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, QoS};
use crate::topic::{self, TopicError};

/// The bits of the connect flags.
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

/// The bit of the protocol level that some brokers set on the connections between them.
const BRIDGE: u8 = 0x80;

/// CONNECT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that it asks for.
    pub version: ProtocolVersion,
    /// The bridge flag of some brokers, bit 0x80 of the protocol level; 3.x only.
    pub bridge: bool,
    /// Clean Start; Clean Session in 3.x.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// The client identifier; empty: the server assigns one.
    pub client_id: &'a str,
    /// The will.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

/// The will in a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Its quality of service.
    pub qos: QoS,
    /// Whether it will be retained.
    pub retain: bool,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// Its topic name.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a [u8],
}

impl<'a> Connect<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (version, bridge) = decode_version(&mut reader)?;
        let v5 = version == ProtocolVersion::V5;
        let flags = reader.u8("connect flags")?;
        let will = check_flags(flags, version)?;
        let keep_alive = reader.u16("keep alive")?;
        let properties = match version {
            ProtocolVersion::V5 => Properties::decode(&mut reader, PropertyOwner::Connect)?,
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => Properties::EMPTY,
        };
        let client_id = reader.string("client identifier")?;
        let will = match will {
            Some(qos) => Some(Will::decode(&mut reader, qos, flags & flag::WILL_RETAIN != 0, v5)?),
            None => None,
        };
        let has = |bit: u8| flags & bit != 0;
        let user_name = if has(flag::USER_NAME) { Some(reader.string("user name")?) } else { None };
        let password = if has(flag::PASSWORD) { Some(reader.binary("password")?) } else { None };
        reader.end()?;
        Ok(Self {
            version,
            bridge,
            clean_start: flags & flag::CLEAN_START != 0,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        })
    }

    /// Appends it to `out`. `limit`: the largest packet in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.check()?;
        let v5 = self.version == ProtocolVersion::V5;
        let (name, level) = name_and_level(self.version);
        let optional = |data: Option<&[u8]>| data.map_or(0, |data| 2 + data.len());
        let properties = |properties: &Properties<'_>| if v5 { properties.encoded_length() } else { 0 };
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| properties(&will.properties) + 2 + will.topic.len() + 2 + will.payload.len());
        let user_name = self.user_name.map(str::as_bytes);
        let length = 2
            + name.len()
            + 4
            + properties(&self.properties)
            + 2
            + self.client_id.len()
            + will
            + optional(user_name)
            + optional(self.password);
        write_header(PacketType::Connect, 0, length, limit, out)?;
        write_binary(name.as_bytes(), out);
        out.push(level | if self.bridge { BRIDGE } else { 0 });
        out.push(self.flags());
        write_u16(self.keep_alive, out);
        if v5 {
            self.properties.encode(out);
        }
        write_binary(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            if v5 {
                will.properties.encode(out);
            }
            write_binary(will.topic.as_bytes(), out);
            write_binary(will.payload, out);
        }
        for data in [user_name, self.password].into_iter().flatten() {
            write_binary(data, out);
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let set = |condition: bool, bit: u8| if condition { bit } else { 0 };
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| flag::WILL | (will.qos as u8) << 3 | set(will.retain, flag::WILL_RETAIN));
        set(self.clean_start, flag::CLEAN_START)
            | will
            | set(self.password.is_some(), flag::PASSWORD)
            | set(self.user_name.is_some(), flag::USER_NAME)
    }

    fn check(&self) -> Result<(), EncodeError> {
        check_string("client identifier", self.client_id)?;
        if let Some(user_name) = self.user_name {
            check_string("user name", user_name)?;
        }
        if let Some(password) = self.password {
            check_length("password", password)?;
        }
        if let Some(will) = &self.will {
            topic::validate_name(will.topic).map_err(EncodeError::Topic)?;
            check_length("will payload", will.payload)?;
            will.properties.check(PropertyOwner::Will, PropertyOwner::Will)?;
        }
        if self.version == ProtocolVersion::V5 {
            if self.bridge {
                return Err(EncodeError::BridgeOnV5);
            }
            return self.properties.check(PropertyOwner::Connect, PropertyOwner::Connect);
        }
        self.check_older()
    }

    /// What only 5.0 allows.
    fn check_older(&self) -> Result<(), EncodeError> {
        let will_properties = self.will.as_ref().is_some_and(|will| !will.properties.is_empty());
        if will_properties || !self.properties.is_empty() {
            return Err(EncodeError::UnsupportedByVersion("a property of CONNECT"));
        }
        if self.password.is_some() && self.user_name.is_none() {
            return Err(EncodeError::PasswordWithoutUserName);
        }
        let length = self.client_id.len();
        if self.version == ProtocolVersion::V3_1 && !(1..=23).contains(&length) {
            return Err(EncodeError::ClientIdLength(length));
        }
        if length == 0 && !self.clean_start {
            return Err(EncodeError::EmptyClientId);
        }
        Ok(())
    }
}

impl<'a> Will<'a> {
    fn decode(reader: &mut Reader<'a>, qos: QoS, retain: bool, v5: bool) -> Result<Self, DecodeError> {
        let properties =
            if v5 { Properties::decode(reader, PropertyOwner::Will)? } else { Properties::EMPTY };
        let topic = reader.unchecked_string(WILL_TOPIC)?;
        topic::validate_name(topic).map_err(|error| match error {
            TopicError::Null => DecodeError::Null(WILL_TOPIC),
            error => DecodeError::Topic { field: WILL_TOPIC, error },
        })?;
        Ok(Self { qos, retain, properties, topic, payload: reader.binary("will payload")? })
    }
}

fn name_and_level(version: ProtocolVersion) -> (&'static str, u8) {
    match version {
        ProtocolVersion::V3_1 => ("MQIsdp", 3),
        ProtocolVersion::V3_1_1 => ("MQTT", 4),
        ProtocolVersion::V5 => ("MQTT", 5),
    }
}

fn decode_version(reader: &mut Reader<'_>) -> Result<(ProtocolVersion, bool), DecodeError> {
    let name = reader.binary("protocol name")?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(DecodeError::ProtocolName);
    }
    let level = reader.u8("protocol level")?;
    let bridge = level & BRIDGE != 0;
    match (name, level & !BRIDGE) {
        (b"MQIsdp", 3) => Ok((ProtocolVersion::V3_1, bridge)),
        (b"MQTT", 4) => Ok((ProtocolVersion::V3_1_1, bridge)),
        (b"MQTT", 5) if !bridge => Ok((ProtocolVersion::V5, false)),
        _ => Err(DecodeError::ProtocolLevel(level)),
    }
}

/// Checks the connect flags against each other; the QoS of the will if there is one.
fn check_flags(flags: u8, version: ProtocolVersion) -> Result<Option<QoS>, DecodeError> {
    if flags & flag::RESERVED != 0 {
        return Err(DecodeError::ConnectReservedFlag);
    }
    let password_alone = flags & (flag::USER_NAME | flag::PASSWORD) == flag::PASSWORD;
    if password_alone && version != ProtocolVersion::V5 {
        return Err(DecodeError::PasswordWithoutUserName);
    }
    if flags & flag::WILL != 0 {
        return QoS::from_bits(flags >> 3).map(Some).ok_or(DecodeError::WillQoS);
    }
    if flags & flag::WILL_QOS != 0 {
        return Err(DecodeError::WillQoSWithoutWill);
    }
    if flags & flag::WILL_RETAIN != 0 {
        return Err(DecodeError::WillRetainWithoutWill);
    }
    Ok(None)
}

/// Shows neither user name nor password.
impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("bridge", &self.bridge)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("properties", &self.properties)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name.map(|_| "<redacted>"))
            .field("password", &self.password.map(|_| "<redacted>"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::PROTOCOL_MAXIMUM_PACKET_SIZE;
    use alloc::format;

    fn connect(version: ProtocolVersion) -> Connect<'static> {
        Connect {
            version,
            bridge: false,
            clean_start: true,
            keep_alive: 60,
            properties: Properties::EMPTY,
            client_id: "c",
            will: None,
            user_name: None,
            password: None,
        }
    }

    fn encoded(connect: &Connect<'_>) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        connect.encode(PROTOCOL_MAXIMUM_PACKET_SIZE, &mut out).map(|()| out)
    }

    // R: CON-02
    #[test]
    fn each_version_has_its_name_and_level() {
        let packet = |version| encoded(&connect(version)).unwrap();
        assert_eq!(packet(ProtocolVersion::V3_1), b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01c");
        assert_eq!(packet(ProtocolVersion::V3_1_1), b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c");
        assert_eq!(packet(ProtocolVersion::V5), b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c");
        let bridge = Connect { bridge: true, ..connect(ProtocolVersion::V3_1_1) };
        assert_eq!(encoded(&bridge).unwrap()[8], 0x84);
        assert_eq!(Connect::decode(&encoded(&bridge).unwrap()[2..]), Ok(bridge));
        assert_eq!(
            encoded(&Connect { version: ProtocolVersion::V5, ..bridge }),
            Err(EncodeError::BridgeOnV5)
        );
    }

    // R: CON-02
    #[test]
    fn what_only_5_allows_is_refused_on_3() {
        let v311 = connect(ProtocolVersion::V3_1_1);
        let alone = Connect { password: Some(b"p"), ..v311 };
        assert_eq!(encoded(&alone), Err(EncodeError::PasswordWithoutUserName));
        assert!(encoded(&Connect { version: ProtocolVersion::V5, ..alone }).is_ok());
        let persistent = Connect { client_id: "", clean_start: false, ..v311 };
        assert_eq!(encoded(&persistent), Err(EncodeError::EmptyClientId));
        let long = Connect { client_id: "123456789012345678901234", ..connect(ProtocolVersion::V3_1) };
        assert_eq!(encoded(&long), Err(EncodeError::ClientIdLength(24)));
    }

    // R: CON-07
    #[test]
    fn credentials_are_not_shown() {
        let packet =
            Connect { user_name: Some("anna"), password: Some(b"secret"), ..connect(ProtocolVersion::V5) };
        let shown = format!("{packet:?}");
        assert!(!shown.contains("anna") && !shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}
