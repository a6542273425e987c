//! Which brokers are recorded, and what each of them can be brought into.

use sterna::{ProtocolVersion, QoS};
use sterna_simulator::broker::{Options, Redirect};
use sterna_simulator::{TestBroker, TestCertificates};

use crate::bounds::{every_quota, limits_of, limits_of_subscriptions, quota, redirected};
use crate::other_brokers::{Make, OtherBroker, Wishes};
use crate::place::{Place, Transport};
use crate::situations::{
    EVERY_QOS, V5, backlog, overrun, refusal, restart, slow_consumer, takeover, traffic,
};
use crate::support::mosquitto::{Mosquitto, MosquittoOptions, Persistence};
use crate::{Result, Studio};

const V3_1: ProtocolVersion = ProtocolVersion::V3_1;
const V3_1_1: ProtocolVersion = ProtocolVersion::V3_1_1;
/// How much an application that takes its time lets come.
const RECEIVE_MAXIMUM: u16 = 6;
/// Whom the brokers know that let only one in. The client says another password.
const USER: (&str, &str) = ("nurse", "thunder");

/// Every situation that Mosquitto can be brought into.
pub(crate) async fn mosquitto(studio: &Studio) -> Result<()> {
    let certificates = TestCertificates::new();
    for version in [V3_1, V3_1_1, V5] {
        for transport in Transport::ALL {
            if version == V3_1 && transport != Transport::Tcp {
                continue;
            }
            let start =
                |options: MosquittoOptions| start_mosquitto(options, version, transport, &certificates);
            let (broker, place) = start(Mosquitto::options());
            traffic(studio, &place, &EVERY_QOS).await?;
            backlog(studio, &place).await?;
            drop(broker);
            let (mut broker, place) = start(Mosquitto::options().persistence(Persistence::OnExit));
            restart(studio, &place, &EVERY_QOS, &mut broker).await?;
        }
        let start =
            |options: MosquittoOptions| start_mosquitto(options, version, Transport::Tcp, &certificates);
        let (_broker, place) = start(Mosquitto::options());
        takeover(studio, &place).await?;
        if version != V3_1 {
            slow_consumer(studio, &place, RECEIVE_MAXIMUM).await?;
        }
        let (_broker, place) = start(Mosquitto::options().user(USER.0, USER.1));
        refusal(studio, &place).await?;
        let limits =
            Mosquitto::options().max_keepalive(10).line("max_packet_size 500").line("retain_available false");
        let (_broker, place) = start(limits.line("max_inflight_messages 2"));
        if version != V3_1 {
            limits_of(studio, &place).await?;
        }
    }
    Ok(())
}

fn start_mosquitto(
    mut options: MosquittoOptions,
    version: ProtocolVersion,
    transport: Transport,
    certificates: &TestCertificates,
) -> (Mosquitto, Place) {
    match transport {
        Transport::Tcp => {}
        Transport::Tls => {
            options = options.tls(&certificates.server.certificate, &certificates.server.key, None);
        }
        Transport::WebSocket => options = options.websockets(),
    }
    let broker = tokio::task::block_in_place(|| options.start());
    let place = Place::new("mosquitto", version, transport, broker.url()).trusting(certificates);
    (broker, place)
}

/// What only a server does that is told to.
pub(crate) async fn test_broker(studio: &Studio) -> Result<()> {
    let place = |broker: &TestBroker| Place::new("test-broker", V5, Transport::Tcp, broker.url());
    let there = TestBroker::start().await?;
    let reference = there.address().to_string();
    let redirect = Redirect { permanent: false, reference };
    let here = TestBroker::builder()
        .options(Options { redirect: Some(redirect), ..Options::default() })
        .start()
        .await?;
    redirected(studio, &place(&here)).await?;
    let options = Options { maximum_subscriptions: 2, receive_maximum: 3, ..Options::default() };
    let broker = TestBroker::builder().options(options).start().await?;
    every_quota(studio, &place(&broker), &broker).await
}

/// What brokers of other makes do.
pub(crate) async fn other_brokers(studio: &Studio) -> Result<()> {
    if !Make::are_installed() {
        println!("STERNA_BROKERS is not set: nothing is recorded with brokers of other makes");
        return Ok(());
    }
    let certificates = TestCertificates::new();
    let names_another = |make: Make| {
        let others = Make::ALL.into_iter().filter(|other| *other != make).map(Make::name);
        others.chain(["mosquitto", "test-broker"]).any(|other| studio.part.starts_with(other))
    };
    for make in [Make::Aedes, Make::RabbitMq, Make::Nats, Make::Amqtt, Make::Rumqttd, Make::Mqttv5] {
        if names_another(make) {
            continue;
        }
        let other = Other { studio, make, certificates: &certificates };
        other.open().await?;
        other.encrypted().await?;
        other.restarted().await?;
        other.closed().await?;
        other.limited().await?;
        other.only_mqttv5().await?;
    }
    Ok(())
}

/// A make that is recorded.
struct Other<'a> {
    studio: &'a Studio,
    make: Make,
    certificates: &'a TestCertificates,
}

impl Other<'_> {
    /// RabbitMQ and NATS take no QoS 2.
    fn levels(&self) -> &'static [QoS] {
        if matches!(self.make, Make::RabbitMq | Make::Nats) { &EVERY_QOS[..2] } else { &EVERY_QOS }
    }

    /// The newest that it speaks.
    fn newest(&self) -> ProtocolVersion {
        if self.make.speaks(V5) { V5 } else { V3_1_1 }
    }

    fn start(&self, wishes: Wishes) -> OtherBroker {
        tokio::task::block_in_place(|| OtherBroker::start_with(self.make, wishes))
    }

    fn place(&self, broker: &OtherBroker, version: ProtocolVersion, transport: Transport) -> Place {
        let url = match transport {
            Transport::Tcp => broker.url(version),
            Transport::Tls => broker.tls_url(version),
            Transport::WebSocket => broker.websocket_url(),
        };
        Place::new(self.make.name(), version, transport, url).trusting(self.certificates)
    }

    /// Anybody, over TCP and WebSocket.
    async fn open(&self) -> Result<()> {
        let (studio, make) = (self.studio, self.make);
        let broker = self.start(Wishes::default());
        for version in [V3_1, V3_1_1, V5] {
            if make.speaks(version) {
                traffic(studio, &self.place(&broker, version, Transport::Tcp), self.levels()).await?;
            }
            if make.speaks_over_websocket(version) {
                traffic(studio, &self.place(&broker, version, Transport::WebSocket), self.levels()).await?;
            }
        }
        for version in [V3_1_1, V5].into_iter().filter(|version| make.speaks(*version)) {
            let place = self.place(&broker, version, Transport::Tcp);
            // Of what came while a client was away, amqtt gives it nothing, and it lets two have one name.
            if make != Make::Amqtt {
                backlog(studio, &place).await?;
                takeover(studio, &place).await?;
            }
        }
        let place = self.place(&broker, self.newest(), Transport::Tcp);
        if make == Make::Rumqttd {
            // It knows no Receive Maximum.
            slow_consumer(studio, &place, u16::MAX).await?;
            overrun(studio, &place).await?;
        } else {
            slow_consumer(studio, &place, RECEIVE_MAXIMUM).await?;
        }
        Ok(())
    }

    /// TLS.
    async fn encrypted(&self) -> Result<()> {
        let identity = Some(self.certificates.server.clone());
        let broker = self.start(Wishes { identity, ..Wishes::default() });
        let place = self.place(&broker, self.newest(), Transport::Tls);
        traffic(self.studio, &place, self.levels()).await?;
        if self.make != Make::Amqtt {
            backlog(self.studio, &place).await?;
        }
        Ok(())
    }

    async fn restarted(&self) -> Result<()> {
        let mut broker = self.start(Wishes::default());
        let place = self.place(&broker, self.newest(), Transport::Tcp);
        restart(self.studio, &place, self.levels(), &mut broker).await
    }

    /// Not everybody is let in. rumqttd says so to nobody: it closes the connection.
    async fn closed(&self) -> Result<()> {
        if self.make == Make::Rumqttd {
            return Ok(());
        }
        let broker = self.start(Wishes { user: Some(USER), ..Wishes::default() });
        refusal(self.studio, &self.place(&broker, self.newest(), Transport::Tcp)).await
    }

    /// Narrow bounds.
    async fn limited(&self) -> Result<()> {
        if !matches!(self.make, Make::Nats | Make::Rumqttd | Make::Mqttv5) {
            return Ok(());
        }
        let broker = self.start(Wishes { limited: true, ..Wishes::default() });
        // On 5.0 rumqttd does not say what it takes either.
        let version = if self.make == Make::Mqttv5 { V5 } else { V3_1_1 };
        let place = self.place(&broker, version, Transport::Tcp);
        if self.make == Make::Nats {
            limits_of_subscriptions(self.studio, &place).await
        } else {
            limits_of(self.studio, &place).await
        }
    }

    /// What only this one does: it refuses what goes beyond a quota, and sends clients elsewhere.
    async fn only_mqttv5(&self) -> Result<()> {
        if self.make != Make::Mqttv5 {
            return Ok(());
        }
        let broker = self.start(Wishes { quota: true, ..Wishes::default() });
        quota(self.studio, &self.place(&broker, V5, Transport::Tcp)).await?;
        let elsewhere = Some(broker.address(V5).to_string());
        let here = self.start(Wishes { redirect: elsewhere, ..Wishes::default() });
        redirected(self.studio, &self.place(&here, V5, Transport::Tcp)).await
    }
}
