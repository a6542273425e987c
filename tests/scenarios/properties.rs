//! The properties of MQTT 5.0, and that older versions refuse them aloud.

use sterna::{PropertiesBuf, Property, PublishError, QoS, SubscribeOptions};

use crate::brokers::Setup;
use crate::cell::{ON_V3, ON_V5};
use crate::tools::next;

scenarios! {
    ON_V5 => properties_arrive;
    ON_V3 => options_of_a_newer_version_are_errors;
}

const USER: [(&str, &str); 3] = [("colour", "blue"), ("size", "L"), ("colour", "green")];

fn all() -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    let fixed = [
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(600),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answers/here"),
        Property::CorrelationData(b"\x00\xff42"),
    ];
    for property in fixed.into_iter().chain(USER.map(|(name, value)| Property::UserProperty { name, value }))
    {
        properties.push(property).expect("it fits");
    }
    properties
}

// R: PUB-01, SUB-01, SUB-10
async fn properties_arrive(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut identifier = PropertiesBuf::new();
    identifier.push(Property::SubscriptionIdentifier(77)).expect("it fits");
    let mut stream =
        client.subscribe("rich").qos(QoS::ExactlyOnce).properties(identifier).await.expect("granted");
    for qos in crate::tools::EVERY_QOS {
        client.publish("rich", "text").qos(qos).properties(all()).await.expect("acknowledged");
        let message = next(&mut stream).await;
        let properties = message.properties();
        assert_eq!(properties.payload_format_indicator(), Some(true));
        assert!(properties.message_expiry_interval().is_some_and(|left| (1..=600).contains(&left)));
        assert_eq!(properties.content_type(), Some("text/plain"));
        assert_eq!(properties.response_topic(), Some("answers/here"));
        assert_eq!(properties.correlation_data(), Some(&b"\x00\xff42"[..]));
        assert_eq!(properties.user_properties().collect::<Vec<_>>(), USER);
        assert_eq!(properties.subscription_identifiers().collect::<Vec<_>>(), [77]);
    }
    // No Local: what this client publishes itself does not come back; another's does.
    let options = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    let mut others = client.subscribe(("talk", options)).await.expect("granted");
    client.publish("talk", "mine").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    broker.connect("other").await.publish("talk", "theirs").await.expect("sent");
    assert_eq!(next(&mut others).await.text(), Ok("theirs"));
}

// R: CON-02
async fn options_of_a_newer_version_are_errors(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let error = client.publish("rich", "text").properties(all()).await.expect_err("3.x has no properties");
    assert!(matches!(error, PublishError::Rejected(_)), "{error}");
    client.subscribe("rich").no_local(true).await.expect_err("3.x has no such option");
    // Nothing is broken by that.
    let mut stream = client.subscribe("plain").await.expect("granted");
    client.publish("plain", "text").await.expect("sent");
    assert_eq!(next(&mut stream).await.text(), Ok("text"));
}
