//! What one CONNECT has in the place of what is configured.

use super::*;
use crate::command::Credentials;
use crate::config::Will;
use crate::error::ConfigError;
use crate::packet::PropertyId;

// R: CON-06, CON-08, CON-11
#[test]
fn will_and_user_properties_may_differ_from_connection_to_connection() {
    let will = |topic: &str| Will {
        topic: topic.into(),
        payload: Box::from(&b"gone"[..]),
        qos: QoS::AtMostOnce,
        retain: false,
        properties: PropertiesBuf::new(),
    };
    let fresh = properties(&[Property::UserProperty { name: "token", value: "fresh" }]);
    let other = will("other");
    for (changed, topic) in
        [(Some(Some(&other)), Some("other")), (Some(None), None), (None, Some("configured"))]
    {
        let mut rig = Rig::new(Config { will: Some(Box::new(will("configured"))), ..config() });
        rig.connection.connect(rig.now);
        let [Action::Connect { attempt, .. }] = rig.actions()[..] else { panic!() };
        let overrides =
            ConnectOverrides { will: changed, user_properties: Some(&fresh), ..ConnectOverrides::default() };
        overrides.validate().unwrap();
        rig.connection.handle_connected(rig.now, attempt, overrides);
        rig.pump();
        let text = String::from_utf8_lossy(&rig.wire).into_owned();
        assert!(text.contains("fresh"), "{text:?}");
        for name in ["configured", "other"] {
            assert_eq!(text.contains(name), topic == Some(name), "{text:?}");
        }
    }
}

// R: CON-11
#[test]
fn overrides_that_no_connect_can_have_are_told() {
    let credentials = |user_name| Some(Credentials { user_name: Some(user_name), password: None });
    let long = "x".repeat(65_536);
    for name in ["a\0b", &long] {
        let overrides = ConnectOverrides { credentials: credentials(name), ..ConnectOverrides::default() };
        assert_eq!(overrides.validate(), Err(ConfigError::UserName));
    }
    let none = properties(&[Property::ReceiveMaximum(7)]);
    let overrides = ConnectOverrides { user_properties: Some(&none), ..ConnectOverrides::default() };
    assert_eq!(overrides.validate(), Err(ConfigError::ConnectProperty(PropertyId::ReceiveMaximum)));
}
