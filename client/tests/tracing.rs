//! What a client tells `tracing`: at which levels, under which names, and without secrets.

mod world;

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sterna_client::{Authenticator, Client, OnFull, ProtocolVersion, QoS, ReasonCode};
use sterna_simulator::broker::{Authentication, Broker, Credentials, Options};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Level, Metadata, Subscriber};
use world::{World, poll};

/// One event.
#[derive(Debug, Clone)]
struct Line {
    level: Level,
    message: String,
    /// Its fields, and those of its span.
    fields: String,
}

/// Keeps what it is told up to its level.
#[derive(Clone)]
struct Capture {
    level: Level,
    state: Arc<Mutex<State>>,
    /// Asked for something while it is told something.
    client: Arc<Mutex<Option<Client>>>,
}

#[derive(Default)]
struct State {
    spans: HashMap<u64, String>,
    lines: Vec<Line>,
}

impl Capture {
    fn new(level: Level) -> Self {
        Self { level, state: Arc::default(), client: Arc::default() }
    }

    fn lines(&self) -> Vec<Line> {
        self.state.lock().unwrap().lines.clone()
    }

    fn told(&self) -> Vec<(Level, String)> {
        self.lines().into_iter().map(|line| (line.level, line.message)).collect()
    }
}

/// Writes fields as `name=value`.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let into = if field.name() == "message" { &mut self.message } else { &mut self.others };
        if field.name() == "message" {
            write!(into, "{value:?}").unwrap();
        } else {
            write!(into, "{}={value:?} ", field.name()).unwrap();
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        assert_eq!(metadata.target(), "sterna");
        *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut state = self.state.lock().unwrap();
        let id = state.spans.len() as u64 + 1;
        state.spans.insert(id, format!("{}: {}", attributes.metadata().name(), fields.others));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.state.lock().unwrap().spans.entry(span.into_u64()).or_default().push_str(&fields.others);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if let Some(client) = &*self.client.lock().unwrap() {
            assert!(client.statistics().connection.bytes_sent > 0, "the client's lock is free");
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut state = self.state.lock().unwrap();
        let span = event.parent().and_then(|id| state.spans.get(&id.into_u64())).cloned();
        let fields_of_all = format!("{}{}", span.expect("the client's span"), fields.others);
        let level = *event.metadata().level();
        state.lines.push(Line { level, message: fields.message, fields: fields_of_all });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn pairs(lines: &[(Level, &str)]) -> Vec<(Level, String)> {
    lines.iter().map(|(level, message)| (*level, (*message).to_owned())).collect()
}

/// Connects, loses the connection and the session, connects again and closes.
fn a_life(world: &mut World, client: &Client) {
    world.finish(client.connect()).unwrap();
    let inbox = world.finish(client.subscribe("a/#")).unwrap();
    world.finish(client.publish("a/b", "text").qos(QoS::AtLeastOnce)).unwrap();
    world.cut();
    world.pass(Duration::from_secs(5));
    drop(inbox);
    world.finish(client.disconnect()).unwrap();
}

// R: OBS-01
#[test]
fn a_usual_life_is_some_lines_of_information_and_no_warning() {
    let capture = Capture::new(Level::INFO);
    with_default(capture.clone(), || {
        let (mut world, client) = World::new(ProtocolVersion::V5, Options::default(), |builder| builder);
        a_life(&mut world, &client);
    });
    let expected = [
        (Level::INFO, "connected"),
        (Level::INFO, "connection lost"),
        (Level::INFO, "connected"),
        (Level::INFO, "closed"),
    ];
    assert_eq!(capture.told(), pairs(&expected));
    let lines = capture.lines();
    assert!(lines.iter().all(|line| line.fields.starts_with("client: id=\"client\" ")), "{lines:?}");
    assert!(lines[1].fields.contains("cause=the server closed the connection "), "{lines:?}");
    assert!(lines[1].fields.contains("retry_in="), "{lines:?}");
}

// R: OBS-01
#[test]
fn what_an_operator_must_know_is_a_warning() {
    let capture = Capture::new(Level::DEBUG);
    with_default(capture.clone(), || {
        let (mut world, client) =
            World::connected(ProtocolVersion::V5, Options::default(), |builder| builder);
        let _kept = world.finish(client.subscribe("kept")).unwrap();
        world.cut();
        // Another server, that has no sessions.
        world.broker = Broker::new(Options::default());
        world.pass(Duration::from_secs(5));
        let latest = OnFull::DropOldest { messages: 1, bytes: 1_024 };
        let _inbox = world.finish(client.subscribe("a").on_full(latest)).unwrap();
        for _ in 0..2 {
            world.flood("a", (0..3).map(|n| n.to_string()));
            world.settle();
        }
        world.pass(Duration::from_secs(2));
        world.flood("a", ["4".to_owned()]);
        world.settle();
    });
    let dropped = (Level::WARN, "messages dropped");
    let (warnings, details): (Vec<_>, Vec<_>) =
        capture.told().into_iter().partition(|(level, _)| *level == Level::WARN);
    // Of what was dropped at most one a second.
    assert_eq!(warnings, pairs(&[(Level::WARN, "session lost"), dropped, dropped]));
    for detail in ["messages dropped", "subscribed again"] {
        assert!(details.contains(&(Level::DEBUG, detail.to_owned())), "{detail}: {details:?}");
    }
}

// R: OBS-01
#[test]
fn a_refusal_tells_why() {
    let capture = Capture::new(Level::INFO);
    with_default(capture.clone(), || {
        let credentials = Credentials::default().allow("ann", "right");
        let options = Options { credentials, ..Options::default() };
        let (mut world, client) = World::new(ProtocolVersion::V5, options, |builder| builder);
        assert!(world.finish(client.connect()).is_err());
    });
    assert_eq!(capture.told(), pairs(&[(Level::INFO, "refused"), (Level::WARN, "closed")]));
}

/// Shows a secret to the server.
struct Secretive;

impl Authenticator for Secretive {
    fn start(&mut self) -> Option<Vec<u8>> {
        Some(b"auth-secret".to_vec())
    }

    fn step(&mut self, _: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
        Ok(Some(b"auth-secret-2".to_vec()))
    }
}

// R: OBS-01
#[test]
fn every_packet_is_traced_and_nothing_secret() {
    let capture = Capture::new(Level::TRACE);
    let mut seen = 0;
    with_default(capture.clone(), || {
        let authentication = Authentication::new("WATCHWORD")
            .step("auth-secret", "server-auth-secret")
            .step("auth-secret-2", "server-auth-secret-2");
        let options = Options { authentication: Some(authentication), ..Options::default() };
        let (mut world, client) = World::new(ProtocolVersion::V5, options, |builder| {
            let builder = builder.user_name("user-secret").password("password-secret");
            builder.authentication("WATCHWORD", Secretive)
        });
        let mut events = client.events();
        a_life(&mut world, &client);
        world.finish(client.connect()).unwrap();
        world.finish(client.publish("a/b", "payload-secret").qos(QoS::ExactlyOnce)).unwrap();
        while let Poll::Ready(Some(event)) = poll(&mut Box::pin(events.next())) {
            assert!(!format!("{event:?}").contains("Packet"), "nobody has asked for these: {event:?}");
            seen += 1;
        }
    });
    assert!(seen > 4);
    let text = format!("{:?}", capture.lines());
    for secret in ["user-secret", "password-secret", "payload-secret", "auth-secret"] {
        assert!(!text.contains(secret), "{secret}: {text}");
        let bytes = format!("{:?}", secret.as_bytes());
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "{secret}: {text}");
    }
    for (message, field) in [
        ("sent", "packet=Connect "),
        ("received", "packet=ConnAck "),
        ("sent", "packet=PubRel id=3 size=4"),
        ("connecting", "attempt=2"),
        ("resolving", "host=broker port=1883"),
        ("dialling", "address=10.0.0.0:1883"),
        ("transport open", "endpoint=mqtt://broker:1883"),
        ("subscribed", "filter=a/# reason="),
        ("disconnected", "attempt=2"),
    ] {
        let found = capture.lines().iter().any(|line| line.message == message && line.fields.contains(field));
        assert!(found, "{message} {field}: {text}");
    }
}

// R: OBS-01
#[test]
fn a_subscriber_may_use_the_client() {
    let capture = Capture::new(Level::TRACE);
    with_default(capture.clone(), || {
        let (mut world, client) =
            World::connected(ProtocolVersion::V5, Options::default(), |builder| builder);
        *capture.client.lock().unwrap() = Some(client.clone());
        world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
        world.finish(client.disconnect()).unwrap();
        capture.client.lock().unwrap().take();
    });
    assert_eq!(capture.told().last(), pairs(&[(Level::INFO, "closed")]).last());
}
