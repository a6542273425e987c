//! MQTT 5 properties as mosquitto writes them: `publish content-type text/plain`, `publish user-property k v`.

use sterna_client::ClientBuilder;
use sterna_core::packet::{PropertiesBuf, Property, PropertyId, PropertyOwner};

use crate::exit::Failure;

/// The packets that may be named, and whose properties they then are.
const OWNERS: [(&str, PropertyOwner); 6] = [
    ("connect", PropertyOwner::Connect),
    ("will", PropertyOwner::Will),
    ("publish", PropertyOwner::PublishFromClient),
    ("subscribe", PropertyOwner::Subscribe),
    ("unsubscribe", PropertyOwner::Unsubscribe),
    ("disconnect", PropertyOwner::DisconnectFromClient),
];

/// The property sets by their packets.
#[derive(Debug, Default)]
pub(crate) struct Sets(Vec<(PropertyOwner, PropertiesBuf)>);

impl Sets {
    /// Takes the set of one packet out; empty if none was given.
    pub(crate) fn take(&mut self, owner: PropertyOwner) -> PropertiesBuf {
        match self.0.iter().position(|(other, _)| *other == owner) {
            Some(at) => self.0.swap_remove(at).1,
            None => PropertiesBuf::new(),
        }
    }

    /// What nobody took would have no effect.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Some((owner, _)) = self.0.first() else { return Ok(()) };
        let packet = OWNERS.iter().find(|(_, other)| other == owner).map_or("", |(name, _)| name);
        Err(Failure::Usage(format!("--property {packet}: this command sends no such packet")))
    }

    fn set(&mut self, owner: PropertyOwner) -> &mut PropertiesBuf {
        let at = self.0.iter().position(|(other, _)| *other == owner).unwrap_or_else(|| {
            self.0.push((owner, PropertiesBuf::new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// Reads the words behind all `--property`, one after the other.
pub(crate) fn parse(words: &[String]) -> Result<Sets, Failure> {
    let mut sets = Sets::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(packet) = words.next() {
        let wrong = |what: &str| Failure::Usage(format!("--property {packet}: {what}"));
        let owner = OWNERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(packet));
        let (_, owner) = owner.ok_or_else(|| wrong("no packet of this name takes properties here"))?;
        let mut next = || words.next().ok_or_else(|| wrong("a property has a name and a value"));
        let (name, value) = (next()?, next()?);
        let property = match name {
            "user-property" => Property::UserProperty { name: value, value: next()? },
            _ => parse_one(name, value).map_err(|what| wrong(&format!("{name}: {what}")))?,
        };
        if !property.id().is_allowed_in(*owner) || property.id() == PropertyId::TopicAlias {
            return Err(wrong(&format!("{name} does not belong there")));
        }
        sets.set(*owner).push(property).map_err(|error| wrong(&error.to_string()))?;
    }
    Ok(sets)
}

fn parse_one<'a>(name: &str, value: &'a str) -> Result<Property<'a>, String> {
    let number = || value.parse::<u32>().map_err(|error| format!("`{value}`: {error}"));
    let two = || value.parse::<u16>().map_err(|error| format!("`{value}`: {error}"));
    let flag = || match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("`{value}` is neither 0 nor 1")),
    };
    Ok(match name {
        "payload-format-indicator" => Property::PayloadFormatIndicator(flag()?),
        "message-expiry-interval" => Property::MessageExpiryInterval(number()?),
        "content-type" => Property::ContentType(value),
        "response-topic" => Property::ResponseTopic(value),
        "correlation-data" => Property::CorrelationData(value.as_bytes()),
        "subscription-identifier" => Property::SubscriptionIdentifier(number()?),
        "session-expiry-interval" => Property::SessionExpiryInterval(number()?),
        "request-problem-information" => Property::RequestProblemInformation(flag()?),
        "will-delay-interval" => Property::WillDelayInterval(number()?),
        "request-response-information" => Property::RequestResponseInformation(flag()?),
        "reason-string" => Property::ReasonString(value),
        "receive-maximum" => Property::ReceiveMaximum(two()?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(two()?),
        "maximum-packet-size" => Property::MaximumPacketSize(number()?),
        _ => return Err("no such property".to_owned()),
    })
}

/// Sets the options of the client that are properties of CONNECT.
pub(crate) fn configure<R: sterna_client::Runtime>(
    builder: ClientBuilder<R>,
    properties: &PropertiesBuf,
) -> ClientBuilder<R> {
    builder.configure(|config| {
        for property in properties.as_properties() {
            match property {
                Property::SessionExpiryInterval(value) => config.session_expiry = value,
                Property::ReceiveMaximum(value) => config.receive_maximum = value,
                Property::MaximumPacketSize(value) => config.maximum_packet_size = value,
                Property::TopicAliasMaximum(value) => config.topic_alias_maximum = value,
                Property::RequestResponseInformation(value) => config.request_response_information = value,
                Property::RequestProblemInformation(value) => config.request_problem_information = value,
                // Only user properties are left: the others do not belong into CONNECT, or `parse_one` knows them not.
                other => {
                    // It was in a set already.
                    let _ = config.user_properties.push(other);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    // R: CLI-01
    #[test]
    fn properties_are_read_one_after_the_other() {
        let text = "publish user-property k v PUBLISH content-type text/plain connect receive-maximum 7";
        let mut sets = parse(&words(text)).unwrap();
        let publish = sets.take(PropertyOwner::PublishFromClient);
        let found: Vec<_> = publish.as_properties().iter().collect();
        let pair = Property::UserProperty { name: "k", value: "v" };
        assert_eq!(found, [pair, Property::ContentType("text/plain")]);
        assert!(sets.finish().is_err(), "nobody took those of CONNECT");
    }

    // R: CLI-01
    #[test]
    fn what_is_no_property_is_refused() {
        for text in [
            "puback reason-string x",
            "publish receive-maximum 7",
            "publish topic-alias 7",
            "publish payload-format-indicator 2",
            "publish content-type",
            "publish user-property k",
            "publish content-type a publish content-type b",
            "subscribe subscription-identifier 0",
            "publish response-topic a/#",
        ] {
            assert!(parse(&words(text)).is_err(), "{text}");
        }
    }
}
