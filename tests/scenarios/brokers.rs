//! The brokers under the scenarios, and the clients on them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use sterna::{Client, ClientBuilder, ProtocolVersion, QoS, Reconnect, TlsOptions, VersionPolicy};
use sterna_simulator::broker::{Credentials, Options, Sessions};
use sterna_simulator::{Identity, TestBroker, TestCertificates};

use crate::cell::{Cell, Kind, Runtime, Transport};
use crate::differences;
use crate::other_brokers::OtherBroker;
use crate::runtimes::Task;
use crate::support::folder::SocketPath;
use crate::support::mosquitto::{Mosquitto, MosquittoOptions, Persistence};
use crate::tools::EVERY_QOS;

/// What a scenario runs on: it makes brokers, clients and tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) cell: Cell,
}

/// What a broker remembers when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Sessions and retained messages.
    Kept,
    /// Nothing.
    Lost,
}

impl Setup {
    pub(crate) fn version(self) -> ProtocolVersion {
        self.cell.version
    }

    pub(crate) fn is_v5(self) -> bool {
        self.cell.version == ProtocolVersion::V5
    }

    /// The qualities of service that the broker has, in ascending order.
    pub(crate) fn every_qos(self) -> &'static [QoS] {
        &EVERY_QOS[..=usize::from(self.highest_qos() as u8)]
    }

    /// The highest of them.
    pub(crate) fn highest_qos(self) -> QoS {
        differences::highest_qos(self.cell)
    }

    /// The shortest keep alive that the broker can hold.
    pub(crate) fn short_keep_alive(self) -> Duration {
        differences::short_keep_alive(self.cell)
    }

    /// Starts a task on the runtime.
    pub(crate) fn spawn<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        self.cell.runtime.spawn(work)
    }

    /// A broker for anybody.
    pub(crate) async fn broker(self) -> Broker {
        self.start(Mosquitto::options(), Options::default(), &Security::default()).await
    }

    /// A broker that can be stopped with [`Memory::Kept`].
    pub(crate) async fn persistent_broker(self) -> Broker {
        let mosquitto = Mosquitto::options().persistence(Persistence::OnExit);
        self.start(mosquitto, Options::default(), &Security::default()).await
    }

    /// A broker for one user only.
    pub(crate) async fn broker_for(self, user: &str, password: &str) -> Broker {
        let options =
            Options { credentials: Credentials::default().allow(user, password), ..Options::default() };
        self.start(Mosquitto::options().user(user, password), options, &Security::default()).await
    }

    /// A broker that takes and passes on very large messages.
    pub(crate) async fn roomy_broker(self) -> Broker {
        let room = 64 << 20;
        let options =
            Options { maximum_packet_size: room, maximum_unsent: room as usize, ..Options::default() };
        self.start(Mosquitto::options(), options, &Security::default()).await
    }

    /// A broker that shows a certificate, or asks for one.
    pub(crate) async fn secured_broker(self, security: Security) -> Broker {
        self.start(Mosquitto::options(), Options::default(), &security).await
    }

    /// The test broker, whatever the kind.
    pub(crate) async fn test_broker(self, options: Options) -> Broker {
        self.start_test_broker(options, &Security::default()).await
    }

    async fn start_test_broker(self, options: Options, security: &Security) -> Broker {
        let mut builder = TestBroker::builder().options(options);
        if self.cell.transport.is_encrypted() {
            builder = builder.tls(&security.identity, security.client_authority());
        }
        if self.cell.transport.is_websocket() {
            builder = builder.websocket();
        }
        let socket = (self.cell.transport == Transport::Unix).then(SocketPath::new);
        if let Some(socket) = &socket {
            builder = builder.unix(socket.path());
        }
        let broker = builder.start().await.expect("a free place");
        Broker { setup: self, server: Server::Test { broker, _socket: socket } }
    }

    async fn start(self, mosquitto: MosquittoOptions, options: Options, security: &Security) -> Broker {
        match self.cell.kind {
            Kind::Mosquitto => {
                let mut mosquitto = mosquitto;
                if self.cell.transport.is_encrypted() {
                    let Identity { certificate, key } = &security.identity;
                    mosquitto = mosquitto.tls(certificate, key, security.client_authority());
                }
                if self.cell.transport.is_websocket() {
                    mosquitto = mosquitto.websockets();
                }
                if self.cell.transport == Transport::Unix {
                    mosquitto = mosquitto.unix();
                }
                let server = Server::Mosquitto(Some(blocking(|| mosquitto.start()).await));
                Broker { setup: self, server }
            }
            Kind::TestBroker => self.start_test_broker(options, security).await,
            Kind::Other(make) => {
                let server = Server::Other(blocking(move || OtherBroker::start(make)).await);
                Broker { setup: self, server }
            }
        }
    }

    /// A client of this version for `url` that reconnects quickly.
    pub(crate) fn builder(self, url: &str, client_id: &str) -> ClientBuilder<Runtime> {
        let reconnect = Reconnect {
            minimum: Duration::from_millis(10),
            initial: Duration::from_millis(50),
            maximum: Duration::from_millis(500),
            ..Reconnect::default()
        };
        let mut builder = ClientBuilder::new(url, self.cell.runtime);
        if self.cell.transport.is_encrypted() {
            builder = builder.tls(TlsOptions::new().ca_pem(&certificates().authority));
        }
        builder.version(VersionPolicy::Only(self.cell.version)).client_id(client_id).reconnect(reconnect)
    }
}

/// The certificates of this run.
pub(crate) fn certificates() -> &'static TestCertificates {
    static CERTIFICATES: OnceLock<TestCertificates> = OnceLock::new();
    CERTIFICATES.get_or_init(TestCertificates::new)
}

/// What a broker over TLS does.
#[derive(Debug)]
pub(crate) struct Security {
    /// What it shows.
    pub(crate) identity: Identity,
    /// Whether it asks for the client's certificate.
    pub(crate) asks: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self { identity: certificates().server.clone(), asks: false }
    }
}

impl Security {
    fn client_authority(&self) -> Option<&'static str> {
        self.asks.then(|| certificates().authority.as_str())
    }
}

/// Their scenarios are those that need a broker and nothing from it but MQTT.
const UNCONTROLLED: &str =
    "a broker of another make is only started: the scenario is to be listed as not for it";

#[derive(Debug)]
enum Server {
    /// `None` while another thread has it.
    Mosquitto(Option<Mosquitto>),
    Test {
        broker: TestBroker,
        _socket: Option<SocketPath>,
    },
    Other(OtherBroker),
}

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    setup: Setup,
    server: Server,
}

impl Broker {
    pub(crate) fn url(&self) -> String {
        match &self.server {
            Server::Mosquitto(mosquitto) => mosquitto.as_ref().expect("it is here").url(),
            Server::Test { broker, .. } => broker.url(),
            Server::Other(broker) if self.setup.cell.transport.is_websocket() => broker.websocket_url(),
            Server::Other(broker) => broker.url(self.setup.version()),
        }
    }

    pub(crate) fn builder(&self, client_id: &str) -> ClientBuilder<Runtime> {
        self.setup.builder(&self.url(), client_id)
    }

    /// A client with default options.
    pub(crate) async fn connect(&self, client_id: &str) -> Client {
        self.builder(client_id).connect().await.expect("connected")
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If that is a Unix socket.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.server {
            Server::Mosquitto(mosquitto) => mosquitto.as_ref().expect("it is here").address(),
            Server::Test { broker, .. } => broker.address(),
            Server::Other(broker) if self.setup.cell.transport.is_websocket() => broker.websocket_address(),
            Server::Other(broker) => broker.address(self.setup.version()),
        }
    }

    /// The test broker, to script it.
    ///
    /// # Panics
    /// If it is another.
    pub(crate) fn model(&self) -> &TestBroker {
        match &self.server {
            Server::Test { broker, .. } => broker,
            Server::Mosquitto(_) | Server::Other(_) => panic!("only the test broker can be scripted"),
        }
    }

    /// Ends it: Mosquitto with SIGTERM, or with SIGKILL where nothing is to be kept.
    pub(crate) async fn stop(&mut self, memory: Memory) {
        match &mut self.server {
            Server::Mosquitto(_) => {
                self.with_mosquitto(move |mosquitto| match memory {
                    Memory::Kept => mosquitto.stop(),
                    Memory::Lost => mosquitto.kill(),
                })
                .await;
            }
            Server::Test { broker, .. } => {
                let sessions = match memory {
                    Memory::Kept => Sessions::Keep,
                    Memory::Lost => Sessions::Lose,
                };
                broker.take_down(sessions).await;
            }
            Server::Other(_) => panic!("{UNCONTROLLED}"),
        }
    }

    /// Starts it again, at the same address.
    pub(crate) async fn start(&mut self) {
        match &mut self.server {
            Server::Mosquitto(_) => self.with_mosquitto(Mosquitto::start).await,
            Server::Test { broker, .. } => broker.bring_up().await.expect("the address is free"),
            Server::Other(_) => panic!("{UNCONTROLLED}"),
        }
    }

    /// Waits until the DISCONNECT of a client has arrived.
    pub(crate) async fn disconnected(&mut self, client_id: &'static str) {
        match &mut self.server {
            Server::Mosquitto(_) => {
                let line = format!("Received DISCONNECT from {client_id}");
                self.with_mosquitto(move |mosquitto| mosquitto.wait_for_log(&line)).await;
            }
            Server::Test { broker, .. } => {
                broker.wait_for(client_id, sterna::protocol::packet::PacketType::Disconnect, 1).await;
            }
            Server::Other(_) => panic!("{UNCONTROLLED}"),
        }
    }

    /// Has another thread do what blocks.
    async fn with_mosquitto(&mut self, work: impl FnOnce(&mut Mosquitto) + Send + 'static) {
        let Server::Mosquitto(slot) = &mut self.server else { return };
        let mut mosquitto = slot.take().expect("it is here");
        *slot = Some(
            blocking(move || {
                work(&mut mosquitto);
                mosquitto
            })
            .await,
        );
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}
