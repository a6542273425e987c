//! The makes, and what each of them speaks.

use sterna::ProtocolVersion;

use super::INSTALLED;

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Make {
    /// aedes, from npm.
    Aedes,
    /// `RabbitMQ` with its MQTT and Web-MQTT plugins, from Debian.
    RabbitMq,
    /// NATS server, from Debian.
    Nats,
    /// Apache `ActiveMQ`, from Debian.
    ActiveMq,
    /// amqtt, from `PyPI`.
    Amqtt,
    /// rumqttd, from crates.io.
    Rumqttd,
    /// The broker of mqttv5-cli, from crates.io.
    Mqttv5,
}

impl Make {
    pub(crate) const ALL: [Self; 7] =
        [Self::Aedes, Self::RabbitMq, Self::Nats, Self::ActiveMq, Self::Amqtt, Self::Rumqttd, Self::Mqttv5];

    /// Whether they are installed: only `./test --brokers` sees to that.
    pub(crate) fn are_installed() -> bool {
        std::env::var_os(INSTALLED).is_some()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aedes => "aedes",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
            Self::ActiveMq => "activemq",
            Self::Amqtt => "amqtt",
            Self::Rumqttd => "rumqttd",
            Self::Mqttv5 => "mqttv5",
        }
    }

    /// Whether it speaks this version over TCP.
    pub(crate) fn speaks(self, version: ProtocolVersion) -> bool {
        match version {
            ProtocolVersion::V3_1 => matches!(self, Self::Aedes | Self::RabbitMq | Self::ActiveMq),
            ProtocolVersion::V3_1_1 => true,
            ProtocolVersion::V5 => matches!(self, Self::Rumqttd | Self::Mqttv5),
        }
    }

    /// Whether it speaks this version over WebSocket.
    pub(crate) fn speaks_over_websocket(self, version: ProtocolVersion) -> bool {
        match version {
            ProtocolVersion::V3_1 => false,
            ProtocolVersion::V3_1_1 => self.has_websocket(),
            ProtocolVersion::V5 => self == Self::Mqttv5,
        }
    }

    pub(crate) fn has_websocket(self) -> bool {
        self != Self::ActiveMq
    }
}
