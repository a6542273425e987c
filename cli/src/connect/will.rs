//! The message that the server publishes if this client goes without a word.

use std::ffi::OsString;

use clap::Args;
use sterna_client::{PropertiesBuf, QoS, Will};

use crate::args::parse_qos;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Will")]
#[allow(clippy::struct_field_names)] // The options' names.
pub(super) struct WillOptions {
    /// Topic of the message that the server publishes if this client goes without a word
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Its payload [default: empty]
    #[arg(long, visible_alias = "will-message", value_name = "PAYLOAD", allow_hyphen_values = true)]
    will_payload: Option<OsString>,
    /// Its quality of service [default: 0]
    #[arg(long, value_name = "QOS", value_parser = parse_qos)]
    will_qos: Option<QoS>,
    /// Retain it
    #[arg(long)]
    will_retain: bool,
}

impl WillOptions {
    pub(super) fn will(&self, properties: PropertiesBuf) -> Result<Option<Will>, Failure> {
        let Some(topic) = self.will_topic.as_deref() else {
            if properties.is_empty()
                && self.will_payload.is_none()
                && self.will_qos.is_none()
                && !self.will_retain
            {
                return Ok(None);
            }
            return Err(Failure::Usage(
                "a will's payload, QoS, RETAIN and properties need --will-topic".to_owned(),
            ));
        };
        let payload = self.will_payload.as_deref().unwrap_or_default();
        Ok(Some(Will {
            topic: topic.into(),
            payload: payload.as_encoded_bytes().into(),
            qos: self.will_qos.unwrap_or_default(),
            retain: self.will_retain,
            properties,
        }))
    }
}
