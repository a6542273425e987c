//! What the JSON of a packet may and may not say.

use serde_json::{Value, json};
use sterna_core::packet::ProtocolVersion::{self, V3_1_1, V5};
use sterna_json::{JsonError, from_json};

fn refusal(value: &Value, version: ProtocolVersion) -> String {
    from_json(value, version).expect_err("a refusal").to_string()
}

fn hex_of(value: &Value, version: ProtocolVersion) -> String {
    hex::encode(from_json(value, version).expect("a packet"))
}

#[test]
fn a_misspelt_field_is_refused_by_name() {
    let packet = json!({"packet": "PUBLISH", "topic_name": "a", "retian": true});
    let error = from_json(&packet, V5).expect_err("a refusal");
    assert!(matches!(&error, JsonError::Unknown { field, .. } if field == "retian"), "{error:?}");
    assert!(error.to_string().contains("retain"), "{error}");
}

#[test]
fn fields_inside_other_fields_are_named_by_their_path() {
    let packet = json!({"packet": "CONNECT", "will": {"topic": "a", "payload_hex": "0"}});
    assert!(refusal(&packet, V5).contains("`will.payload_hex`"));
    let packet = json!({"packet": "CONNECT", "will": {"topic": "a", "delay": 1}});
    assert!(refusal(&packet, V5).contains("`will.delay`"));
    let packet = json!({"packet": "SUBSCRIBE", "packet_identifier": 1,
        "topic_filters": [{"topic_filter": "a"}, {"topic_filter": "b", "qos": 3}]});
    assert!(refusal(&packet, V5).contains("`topic_filters[1].qos`"));
    let packet = json!({"packet": "CONNECT", "properties": [{"receive_maximum": 70000}]});
    let error = refusal(&packet, V5);
    assert!(error.contains("`properties[0].receive_maximum`"), "{error}");
    assert!(error.contains("from 0 to 65535"), "{error}");
    assert!(error.contains("70000"), "{error}");
}

#[test]
fn a_missing_field_is_named() {
    let packet = json!({"packet": "PUBLISH", "qos": 1, "topic_name": "a"});
    assert_eq!(from_json(&packet, V5), Err(JsonError::Missing { field: "packet_identifier".to_owned() }));
}

#[test]
fn fields_of_another_version_are_unknown() {
    let publish = json!({"packet": "PUBLISH", "topic_name": "a", "properties": []});
    assert!(from_json(&publish, V5).is_ok());
    assert!(refusal(&publish, V3_1_1).contains("`properties`"));
    let ack = json!({"packet": "PUBACK", "packet_identifier": 1, "reason_code": 0});
    assert!(from_json(&ack, V5).is_ok());
    assert!(refusal(&ack, V3_1_1).contains("`reason_code`"));
    let subscribe = json!({"packet": "SUBSCRIBE", "packet_identifier": 1,
        "topic_filters": [{"topic_filter": "a", "no_local": true}]});
    assert!(from_json(&subscribe, V5).is_ok());
    assert!(refusal(&subscribe, V3_1_1).contains("`topic_filters[0].no_local`"));
    let connect = json!({"packet": "CONNECT", "client_identifier": "c", "clean_session": true});
    assert!(from_json(&connect, V3_1_1).is_ok());
    assert!(refusal(&connect, V5).contains("`clean_session`"));
}

#[test]
fn a_packet_identifier_stands_in_no_qos_0_publish() {
    let packet = json!({"packet": "PUBLISH", "qos": 0, "topic_name": "a", "packet_identifier": 1});
    assert!(refusal(&packet, V5).contains("`packet_identifier`"));
}

#[test]
fn both_spellings_of_binary_data_are_read() {
    let text = json!({"packet": "PUBLISH", "topic_name": "a", "payload": "Hi"});
    let digits = json!({"packet": "PUBLISH", "topic_name": "a", "payload_hex": "4869"});
    assert_eq!(hex_of(&text, V3_1_1), "30050001614869");
    assert_eq!(hex_of(&digits, V3_1_1), "30050001614869");
    let both = json!({"packet": "PUBLISH", "topic_name": "a", "payload": "Hi", "payload_hex": "4869"});
    assert!(refusal(&both, V3_1_1).contains("`payload_hex`"));
    let property =
        json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{"correlation_data_hex": "4869"}]});
    assert_eq!(hex_of(&property, V5), "3009000161050900024869");
    let text = json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{"content_type_hex": "4869"}]});
    assert!(refusal(&text, V5).contains("`properties[0]`"));
}

#[test]
fn what_is_left_out_is_zero_or_empty() {
    assert_eq!(hex_of(&json!({"packet": "PUBLISH", "topic_name": "a"}), V3_1_1), "3003000161");
    assert_eq!(hex_of(&json!({"packet": "DISCONNECT"}), V5), "e000");
    assert_eq!(hex_of(&json!({"packet": "PUBREL", "packet_identifier": 1}), V5), "62020001");
}

#[test]
fn a_connect_is_written_for_the_version_it_names() {
    let packet =
        json!({"packet": "CONNECT", "protocol_version": 4, "clean_session": true, "client_identifier": "c"});
    assert_eq!(hex_of(&packet, V5), "100d00044d51545404020000000163");
    let packet = json!({"packet": "CONNECT", "protocol_name": "MQIsdp", "protocol_version": 4});
    assert!(refusal(&packet, V5).contains("`protocol_name`"));
    let packet = json!({"packet": "CONNECT", "protocol_version": 6});
    assert!(refusal(&packet, V5).contains("`protocol_version`"));
}

#[test]
fn what_the_encoder_refuses_is_refused_with_its_reason() {
    let cases = [
        (json!({"packet": "PUBLISH", "topic_name": "a/#"}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "a\u{0}"}), V3_1_1),
        (json!({"packet": "PUBLISH", "topic_name": ""}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "a", "dup": true}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "a", "qos": 1, "packet_identifier": 0}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{"receive_maximum": 1}]}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{"topic_alias": 0}]}), V5),
        (json!({"packet": "PUBLISH", "topic_name": "t".repeat(65_536)}), V5),
        (json!({"packet": "CONNECT", "properties": [{"receive_maximum": 1}, {"receive_maximum": 2}]}), V5),
        (json!({"packet": "CONNECT", "client_identifier": "c", "password": "p"}), V3_1_1),
        (json!({"packet": "PUBACK", "packet_identifier": 1, "reason_code": 146}), V5),
        (json!({"packet": "PUBREL", "packet_identifier": 0}), V3_1_1),
        (
            json!({"packet": "SUBSCRIBE", "packet_identifier": 1, "topic_filters": [{"topic_filter": "a#"}]}),
            V5,
        ),
        (json!({"packet": "UNSUBSCRIBE", "packet_identifier": 1, "topic_filters": ["+a"]}), V5),
        (json!({"packet": "AUTH", "reason_code": 24}), V3_1_1),
    ];
    for (packet, version) in cases {
        let result = from_json(&packet, version);
        assert!(
            matches!(result, Err(JsonError::Encode { .. } | JsonError::Unknown { .. })),
            "{packet}: {result:?}"
        );
    }
}

#[test]
fn values_of_another_kind_are_refused() {
    let cases = [
        (json!([]), "packet"),
        (json!({"packet": "PUBLISHED"}), "packet"),
        (json!({"packet": 3}), "packet"),
        (json!({"packet": "PUBLISH", "topic_name": null}), "topic_name"),
        (json!({"packet": "PUBLISH", "topic_name": "a", "dup": 1}), "dup"),
        (json!({"packet": "PUBLISH", "topic_name": "a", "qos": "1"}), "qos"),
        (json!({"packet": "PUBLISH", "topic_name": "a", "payload": [1]}), "payload"),
        (json!({"packet": "PUBLISH", "topic_name": "a", "properties": {"topic_alias": 1}}), "properties"),
        (json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{}]}), "properties[0]"),
        (
            json!({"packet": "PUBLISH", "topic_name": "a", "properties": [{"user_property": ["a"]}]}),
            "properties[0].user_property",
        ),
        (json!({"packet": "PUBACK", "packet_identifier": 65536}), "packet_identifier"),
        (json!({"packet": "PUBACK", "packet_identifier": -1}), "packet_identifier"),
        (json!({"packet": "PUBACK", "packet_identifier": 1.5}), "packet_identifier"),
        (json!({"packet": "PUBACK", "packet_identifier": 1, "reason_code": 3}), "reason_code"),
        (json!({"packet": "SUBACK", "packet_identifier": 1, "reason_codes": []}), "reason_codes"),
        (json!({"packet": "SUBACK", "packet_identifier": 1, "reason_codes": [3]}), "reason_codes"),
        (json!({"packet": "SUBSCRIBE", "packet_identifier": 1, "topic_filters": []}), "topic_filters"),
        (json!({"packet": "UNSUBSCRIBE", "packet_identifier": 1, "topic_filters": []}), "topic_filters"),
    ];
    for (packet, path) in cases {
        let result = from_json(&packet, V5);
        assert!(
            matches!(&result, Err(JsonError::Value { field, .. }) if field == path),
            "{packet}: {result:?}"
        );
    }
}

#[test]
fn a_long_value_is_shortened_in_the_message() {
    let error = refusal(&json!({"packet": "ü".repeat(100_000)}), V5);
    assert!(error.len() < 300, "{} bytes", error.len());
}
