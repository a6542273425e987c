//! Options of clients, subscriptions and publishes that change what is promised or said, and nothing else.

use sterna_client::{
    AfterPubRec, CleanStart, Config, InDoubt, OnFull, ProtocolVersion, RetainHandling, SessionLoss,
    SubscribeOptions, VersionPolicy, Will,
};
use sterna_core::packet::{PROTOCOL_MAXIMUM_PACKET_SIZE, PropertiesBuf, Property, QoS};

use super::random::Random;
use super::setup::micros;
use super::unasked::Asking;

/// What a client's will is like, if it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct WillChoice {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// In seconds, of 5.0 only.
    pub(super) delay: u32,
    pub(super) expiry: Option<u32>,
}

/// What a subscription asks for besides filter and QoS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    pub(super) on_full: OnFull,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) retain_handling: RetainHandling,
    pub(super) identifier: Option<u32>,
}

/// What a publish has besides topic, QoS and RETAIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extras {
    /// It waits for another connection if this one takes it not (QoS 0).
    pub(super) requeue: bool,
    /// A topic alias by hand, where the version has that.
    pub(super) alias: Option<u16>,
    /// It has a Content Type, where the version has that.
    pub(super) typed: bool,
    /// When its outcome is asked for, once the client has it.
    pub(super) asking: Asking,
}

/// See the module.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Independent options.
pub(super) struct Choices {
    pub(super) session_loss: SessionLoss,
    pub(super) resubscribe: bool,
    pub(super) strict_session: bool,
    pub(super) bridge: bool,
    pub(super) discard_on_close: bool,
    pub(super) problem_information: bool,
    pub(super) response_information: bool,
    pub(super) user_properties: bool,
    pub(super) subscribe_batch: usize,
    pub(super) maximum_packet_size: u32,
    pub(super) ack_blocked_after: u64,
    pub(super) stable_after: u64,
    pub(super) request_limit: usize,
    pub(super) will: WillChoice,
    /// Of the subscriptions that each life begins with.
    pub(super) wishes: Wishes,
}

impl Choices {
    pub(super) fn draw(random: &mut Random, version: VersionPolicy, clean_start: CleanStart) -> Self {
        let is_v5 = version == VersionPolicy::Only(ProtocolVersion::V5);
        let is_old = matches!(version, VersionPolicy::Only(_)) && !is_v5;
        // A server that keeps a session which nobody here knows would be refused for ever.
        let may_be_strict = is_v5 && clean_start != CleanStart::Never;
        let sizes = [PROTOCOL_MAXIMUM_PACKET_SIZE, PROTOCOL_MAXIMUM_PACKET_SIZE, 2_000, 300];
        Self {
            session_loss: draw_session_loss(random),
            resubscribe: random.percent(90),
            strict_session: random.percent(30) && may_be_strict,
            bridge: random.percent(20) && is_old,
            discard_on_close: random.percent(20),
            problem_information: random.percent(80),
            response_information: random.percent(30),
            user_properties: random.percent(10) && is_v5,
            subscribe_batch: random.pick(&[0, 0, 1, 2]),
            maximum_packet_size: if is_v5 { random.pick(&sizes) } else { sizes[0] },
            ack_blocked_after: random.pick(&[0, 1_000_000, 10_000_000]),
            stable_after: random.pick(&[0, 1_000_000, 10_000_000]),
            request_limit: random.pick(&[1, 3, 1_024, 1_024]),
            will: WillChoice {
                qos: super::plan::qos(random),
                retain: random.percent(20),
                delay: if is_v5 { random.pick(&[0, 0, 3, 1_000]) } else { 0 },
                expiry: random.percent(20).then_some(20).filter(|_| is_v5),
            },
            wishes: Wishes::draw(random),
        }
    }

    pub(super) fn configure(&self, config: &mut Config) {
        config.session_loss = self.session_loss;
        config.resubscribe = self.resubscribe;
        config.strict_session = self.strict_session;
        config.bridge = self.bridge;
        config.discard_on_close = self.discard_on_close;
        config.request_problem_information = self.problem_information;
        config.request_response_information = self.response_information;
        config.subscribe_batch = self.subscribe_batch;
        config.maximum_packet_size = self.maximum_packet_size;
        config.ack_blocked_after = micros(self.ack_blocked_after);
        config.reconnect.stable_after = micros(self.stable_after);
        if self.user_properties {
            config.user_properties = properties(&[USER_PROPERTY]);
        }
    }
}

/// The User Property of CONNECT.
pub(super) const USER_PROPERTY: Property<'static> = Property::UserProperty { name: "ship", value: "tern" };

impl WillChoice {
    pub(super) fn will(&self) -> Will {
        let delay = (self.delay > 0).then_some(Property::WillDelayInterval(self.delay));
        let expiry = self.expiry.map(Property::MessageExpiryInterval);
        let all: Vec<_> = delay.into_iter().chain(expiry).collect();
        Will {
            topic: "t/0".into(),
            payload: b"will".as_slice().into(),
            qos: self.qos,
            retain: self.retain,
            properties: properties(&all),
        }
    }
}

impl Wishes {
    pub(super) fn draw(random: &mut Random) -> Self {
        let messages = random.pick(&[0, 1, 2, 10]);
        let bytes = random.pick(&[300, 3_000, 1 << 20]);
        let on_full = match random.below(10) {
            0 => OnFull::DropOldest { messages, bytes },
            1 => OnFull::DropNewest { messages, bytes },
            _ => OnFull::Wait,
        };
        let handling = [
            RetainHandling::SendAtSubscribe,
            RetainHandling::SendAtSubscribe,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ];
        Self {
            on_full,
            no_local: random.percent(10),
            retain_as_published: random.percent(20),
            retain_handling: random.pick(&handling),
            identifier: random.percent(10).then(|| random.pick(&[1, 2, 77])),
        }
    }

    /// What of it this client may ask for: a shared subscription with No Local is a Protocol Error [MQTT-3.8.3-4].
    pub(super) fn lawful(self, filter: &str, is_v5: bool) -> Self {
        if is_v5 {
            return Self { no_local: self.no_local && !filter.starts_with("$share/"), ..self };
        }
        Self { on_full: self.on_full, ..Self::default() }
    }

    pub(super) fn options(self, qos: QoS) -> SubscribeOptions {
        SubscribeOptions {
            qos,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: self.retain_handling,
        }
    }

    /// Whether the stream drops what there is no room for, and acknowledges everything on receipt.
    pub(super) fn is_bounded(self) -> bool {
        self.on_full != OnFull::Wait
    }
}

impl Extras {
    pub(super) fn draw(random: &mut Random) -> Self {
        Self {
            requeue: random.percent(30),
            alias: random.percent(10).then(|| random.pick(&[1, 2, 20])),
            typed: random.percent(20),
            asking: Asking::AtOnce,
        }
    }
}

pub(super) fn properties(all: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for property in all {
        // They are short.
        let _ = properties.push(*property);
    }
    properties
}

fn draw_session_loss(random: &mut Random) -> SessionLoss {
    let in_doubt = [InDoubt::PublishAgain, InDoubt::Fail];
    if random.percent(40) {
        return SessionLoss::default();
    }
    SessionLoss {
        at_least_once: random.pick(&in_doubt),
        exactly_once: random.pick(&in_doubt),
        after_pubrec: random.pick(&[AfterPubRec::Succeed, AfterPubRec::Fail]),
    }
}
