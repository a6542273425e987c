//! Properties of the codec: what is encoded decodes to the same, and no bytes do any harm.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sterna_core::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, FiltersBuf, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet,
    PacketType, Properties, PropertiesBuf, Property, PropertyId, PropertyOwner, ProtocolVersion, Publish,
    QoS, ReasonCode, ReasonCodes, RetainHandling, Sender, SubAck, Subscribe, SubscribeFilter,
    SubscribeOptions, TopicFiltersBuf, UnsubAck, Unsubscribe, Will,
};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const SENDERS: [Sender; 2] = [Sender::Client, Sender::Server];

fn config(cases: u32) -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/packet_properties.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

/// Everything that the packets below borrow from.
#[derive(Debug, Clone)]
struct Material {
    version: ProtocolVersion,
    sender: Sender,
    text: String,
    topic: String,
    binary: Vec<u8>,
    packet_id: u16,
    number: u32,
    bits: u8,
    filters: Vec<(String, SubscribeOptions)>,
    chosen: Vec<prop::sample::Index>,
}

fn material() -> impl Strategy<Value = Material> {
    let options =
        (0u8..3, any::<bool>(), any::<bool>(), 0u8..3).prop_map(|(qos, no_local, published, handling)| {
            SubscribeOptions {
                qos: QoS::try_from(qos).unwrap(),
                no_local,
                retain_as_published: published,
                retain_handling: match handling {
                    0 => RetainHandling::SendAtSubscribe,
                    1 => RetainHandling::SendIfNew,
                    _ => RetainHandling::DoNotSend,
                },
            }
        });
    let filter = "([a-z/]{1,9}|\\+/[a-zä]{0,5}/#|#)";
    (
        (prop::sample::select(&VERSIONS[..]), prop::sample::select(&SENDERS[..])),
        ("[a-zA-Z0-9äöü€\u{feff}]{1,20}", "[a-z/ $ä]{1,30}"),
        prop::collection::vec(any::<u8>(), 0..300),
        (1u16.., 1u32..=268_435_455, any::<u8>()),
        prop::collection::vec((filter, options), 1..5),
        prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    )
        .prop_map(
            |((version, sender), (text, topic), binary, (packet_id, number, bits), filters, chosen)| {
                Material { version, sender, text, topic, binary, packet_id, number, bits, filters, chosen }
            },
        )
}

impl Material {
    fn is_5(&self) -> bool {
        self.version == ProtocolVersion::V5
    }

    fn qos(&self) -> QoS {
        QoS::try_from(self.bits % 3).unwrap()
    }

    fn property(&self, id: PropertyId) -> Property<'_> {
        let (flag, two) = (self.bits & 1 == 1, self.packet_id);
        match id {
            PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag),
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(self.number),
            PropertyId::ContentType => Property::ContentType(&self.text),
            PropertyId::ResponseTopic => Property::ResponseTopic(&self.topic),
            PropertyId::CorrelationData => Property::CorrelationData(&self.binary),
            PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(self.number),
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(self.number),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(&self.text),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(two),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(&self.text),
            PropertyId::AuthenticationData => Property::AuthenticationData(&self.binary),
            PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
            PropertyId::WillDelayInterval => Property::WillDelayInterval(self.number),
            PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
            PropertyId::ResponseInformation => Property::ResponseInformation(&self.text),
            PropertyId::ServerReference => Property::ServerReference(&self.text),
            PropertyId::ReasonString => Property::ReasonString(&self.text),
            PropertyId::ReceiveMaximum => Property::ReceiveMaximum(two),
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(two),
            PropertyId::TopicAlias => Property::TopicAlias(two),
            PropertyId::MaximumQoS => Property::MaximumQoS(QoS::try_from(self.bits & 1).unwrap()),
            PropertyId::RetainAvailable => Property::RetainAvailable(flag),
            PropertyId::UserProperty => Property::UserProperty { name: &self.text, value: &self.topic },
            PropertyId::MaximumPacketSize => Property::MaximumPacketSize(self.number),
            PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
            PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(flag),
            PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
        }
    }

    /// Some of the properties that `owner` may have, in any order.
    fn properties(&self, owner: PropertyOwner) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        if !self.is_5() {
            return properties;
        }
        for chosen in &self.chosen {
            let lawful: Vec<_> = PropertyId::ALL.iter().filter(|id| id.is_allowed_in(owner)).collect();
            let id = *lawful[chosen.index(lawful.len())];
            let again = properties.as_properties().get(id).is_some();
            if again && id == PropertyId::SubscriptionIdentifier && owner == PropertyOwner::Subscribe {
                continue;
            }
            // Authentication Data needs its method first. A property that is there already is refused.
            if id == PropertyId::AuthenticationData {
                let _ = properties.push(self.property(PropertyId::AuthenticationMethod));
            }
            let _ = properties.push(self.property(id));
        }
        properties
    }

    fn reason(&self, packet: PacketType) -> ReasonCode {
        let mut codes: Vec<_> = (0..=u8::MAX).filter_map(ReasonCode::from_value).collect();
        codes.retain(|code| code.is_allowed_in(packet, self.sender));
        match self.version {
            ProtocolVersion::V5 => codes[usize::from(self.bits) % codes.len()],
            _ => ReasonCode::SUCCESS,
        }
    }

    /// Every packet that `sender` may send in `version`.
    fn check_all(&self) -> Result<(), TestCaseError> {
        for packet in PacketType::ALL {
            if packet.is_sent_by(self.sender, self.version) {
                self.check(packet)?;
            }
        }
        Ok(())
    }

    fn check(&self, packet: PacketType) -> Result<(), TestCaseError> {
        match packet {
            PacketType::Connect => self.check_connect(),
            PacketType::ConnAck => self.check_connack(),
            PacketType::Publish => self.check_publish(),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.check_ack(packet)
            }
            PacketType::Subscribe | PacketType::Unsubscribe => self.check_filters(packet),
            PacketType::SubAck | PacketType::UnsubAck => self.check_reasons(packet),
            PacketType::PingReq => self.round_trip(&Packet::PingReq),
            PacketType::PingResp => self.round_trip(&Packet::PingResp),
            PacketType::Disconnect => {
                let owner = match self.sender {
                    Sender::Client => PropertyOwner::DisconnectFromClient,
                    Sender::Server => PropertyOwner::DisconnectFromServer,
                };
                let properties = self.properties(owner);
                let reason = self.reason(packet);
                self.round_trip(&Packet::Disconnect(Disconnect {
                    reason,
                    properties: properties.as_properties(),
                }))
            }
            PacketType::Auth => {
                let properties = self.properties(PropertyOwner::Auth);
                let reason = self.reason(packet);
                self.round_trip(&Packet::Auth(Auth { reason, properties: properties.as_properties() }))
            }
        }
    }

    fn check_connect(&self) -> Result<(), TestCaseError> {
        let (connect, will) = (self.properties(PropertyOwner::Connect), self.properties(PropertyOwner::Will));
        let has = |bit: u8| self.bits & bit != 0;
        let user_name = has(1).then_some(&*self.text);
        let will = Will {
            qos: self.qos(),
            retain: has(2),
            properties: will.as_properties(),
            topic: &self.topic,
            payload: &self.binary,
        };
        self.round_trip(&Packet::Connect(Connect {
            version: self.version,
            bridge: has(4) && !self.is_5(),
            clean_start: has(8),
            keep_alive: self.packet_id,
            properties: connect.as_properties(),
            client_id: if self.version == ProtocolVersion::V3_1 { "id" } else { &self.text },
            will: has(16).then_some(will),
            user_name,
            password: (has(32) && (user_name.is_some() || self.is_5())).then_some(&*self.binary),
        }))
    }

    fn check_connack(&self) -> Result<(), TestCaseError> {
        let properties = self.properties(PropertyOwner::ConnAck);
        let reason = self.reason(PacketType::ConnAck);
        let knows = self.version != ProtocolVersion::V3_1 && reason == ReasonCode::SUCCESS;
        let session_present = knows && self.bits & 1 == 1;
        self.round_trip(&Packet::ConnAck(ConnAck {
            session_present,
            reason,
            properties: properties.as_properties(),
        }))
    }

    fn check_publish(&self) -> Result<(), TestCaseError> {
        let properties = self.properties(match self.sender {
            Sender::Client => PropertyOwner::PublishFromClient,
            Sender::Server => PropertyOwner::PublishFromServer,
        });
        let identified = self.qos() != QoS::AtMostOnce;
        let aliased = properties.as_properties().topic_alias().is_some();
        self.round_trip(&Packet::Publish(Publish {
            duplicate: identified && self.bits & 16 != 0,
            qos: self.qos(),
            retain: self.bits & 32 != 0,
            topic: if aliased && self.bits & 64 != 0 { "" } else { &self.topic },
            packet_id: if identified { self.packet_id } else { 0 },
            properties: properties.as_properties(),
            payload: &self.binary,
        }))
    }

    fn check_ack(&self, packet: PacketType) -> Result<(), TestCaseError> {
        let owner = match packet {
            PacketType::PubAck => PropertyOwner::PubAck,
            PacketType::PubRec => PropertyOwner::PubRec,
            PacketType::PubRel => PropertyOwner::PubRel,
            _ => PropertyOwner::PubComp,
        };
        let properties = self.properties(owner);
        let (packet_id, reason) = (self.packet_id, self.reason(packet));
        let ack = Ack { packet_id, reason, properties: properties.as_properties() };
        self.round_trip(&match packet {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        })
    }

    fn check_filters(&self, packet: PacketType) -> Result<(), TestCaseError> {
        let packet_id = self.packet_id;
        if packet == PacketType::Unsubscribe {
            let properties = self.properties(PropertyOwner::Unsubscribe);
            let mut filters = TopicFiltersBuf::new();
            for (filter, _) in &self.filters {
                filters.push(filter).unwrap();
            }
            let (properties, filters) = (properties.as_properties(), filters.as_filters());
            return self.round_trip(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
        }
        let properties = self.properties(PropertyOwner::Subscribe);
        let mut filters = FiltersBuf::new();
        for (filter, options) in &self.filters {
            let older = SubscribeOptions { qos: options.qos, ..SubscribeOptions::default() };
            let options = if self.is_5() { *options } else { older };
            filters.push(SubscribeFilter { filter, options }).unwrap();
        }
        let (properties, filters) = (properties.as_properties(), filters.as_filters());
        self.round_trip(&Packet::Subscribe(Subscribe { packet_id, properties, filters }))
    }

    fn check_reasons(&self, packet: PacketType) -> Result<(), TestCaseError> {
        let code = if self.is_5() { self.reason(packet).value() } else { self.bits % 3 };
        let silent = packet == PacketType::UnsubAck && !self.is_5();
        let bytes = if silent { vec![] } else { vec![code; self.filters.len()] };
        let reasons = ReasonCodes::new(&bytes, packet, self.version).unwrap();
        let packet_id = self.packet_id;
        if packet == PacketType::SubAck {
            let properties = self.properties(PropertyOwner::SubAck);
            let properties = properties.as_properties();
            return self.round_trip(&Packet::SubAck(SubAck { packet_id, properties, reasons }));
        }
        let properties = self.properties(PropertyOwner::UnsubAck);
        let properties = properties.as_properties();
        self.round_trip(&Packet::UnsubAck(UnsubAck { packet_id, properties, reasons }))
    }

    /// What is encoded decodes to the same; one byte less is incomplete; a limit below its size is refused.
    fn round_trip(&self, packet: &Packet<'_>) -> Result<(), TestCaseError> {
        let mut bytes = b"before".to_vec();
        let encoded = packet.encode(self.version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes);
        prop_assert!(encoded.is_ok(), "{packet:?}: {encoded:?}");
        let bytes = bytes.strip_prefix(b"before").unwrap();
        let header = FixedHeader::parse(bytes, self.version, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
        prop_assert_eq!(header.packet_size(), bytes.len());
        let body = &bytes[usize::from(header.header_length)..];
        let decoded = Packet::decode(header, body, self.version, self.sender);
        prop_assert_eq!(decoded, Ok(*packet));
        let limit = bytes.len() as u32 - 1;
        let mut out = b"before".to_vec();
        prop_assert!(packet.encode(self.version, limit, &mut out).is_err());
        prop_assert_eq!(out, b"before");
        prop_assert!(FixedHeader::parse(bytes, self.version, limit).is_err());
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn what_is_encoded_decodes_to_the_same(material in material()) {
        material.check_all()?;
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    /// Any bytes behind any first byte: no panic; what decodes is encoded to something that decodes to the same.
    #[test]
    fn no_bytes_do_harm(
        first in any::<u8>(),
        mut body in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..60),
        version in prop::sample::select(&VERSIONS[..]),
        sender in prop::sample::select(&SENDERS[..]),
        connect in any::<bool>(),
    ) {
        if connect {
            // Otherwise hardly any CONNECT gets beyond its protocol name.
            body.splice(0..0, [0, 4, b'M', b'Q', b'T', b'T']);
        }
        let mut bytes = vec![if connect { 0x10 } else { first }, body.len() as u8];
        bytes.append(&mut body);
        let Ok(Some(header)) = FixedHeader::parse(&bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE) else {
            return Ok(());
        };
        let Ok(packet) = Packet::decode(header, &bytes[2..], version, sender) else { return Ok(()) };
        let mut again = Vec::new();
        // Read leniently, written strictly: 3.1 takes longer client identifiers, for example.
        if packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut again).is_err() {
            return Ok(());
        }
        let header = FixedHeader::parse(&again, version, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
        let decoded = Packet::decode(header, &again[usize::from(header.header_length)..], version, sender);
        prop_assert_eq!(decoded, Ok(packet));
    }
}

#[test]
fn an_empty_property_set_is_one_byte() {
    // [MQTT-2.2.2-1]
    let subscribe = |properties| {
        let mut filters = FiltersBuf::new();
        filters.push(SubscribeFilter { filter: "a", options: SubscribeOptions::default() }).unwrap();
        let packet = Packet::Subscribe(Subscribe { packet_id: 1, properties, filters: filters.as_filters() });
        let mut bytes = Vec::new();
        packet.encode(ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).unwrap();
        bytes
    };
    assert_eq!(subscribe(Properties::EMPTY), b"\x82\x07\x00\x01\x00\x00\x01a\x00");
}
