//! Enhanced authentication, when connecting and while connected.

use sterna::protocol::packet::PacketType;
use sterna::{
    Authenticator, Cause, ConfigError, ConnectError, Event, OperationError, PropertyId, ProtocolVersion, QoS,
    ReasonCode, ReauthenticateError, Scram,
};
use sterna_simulator::broker::{Authentication, Options};

use crate::brokers::Setup;
use crate::cell::{Kind, ON_TEST_BROKER, Scope, Transport};
use crate::tools::{connected, event};

scenarios! {
    ON_TEST_BROKER => an_exchange_opens_and_keeps_the_connection, who_fails_is_refused;
    SCRAM => a_password_that_is_never_sent;
}

/// The test broker asks for it, and only 5.0 has it; its computations are for every runtime to see.
const SCRAM: Scope = Scope::only(|cell| cell.kind == Kind::TestBroker && cell.version == ProtocolVersion::V5)
    .and_usual(|cell| cell.transport == Transport::Tcp);

/// Answers each question with the number of questions of this exchange so far.
struct Counter {
    secret: &'static str,
    questions: usize,
}

impl Authenticator for Counter {
    fn start(&mut self) -> Option<Vec<u8>> {
        self.questions = 0;
        Some(self.secret.into())
    }

    fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
        assert_eq!(challenge, Some(&b"count"[..]));
        self.questions += 1;
        Ok(Some(self.questions.to_string().into()))
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), ReasonCode> {
        if data == Some(b"well done") { Ok(()) } else { Err(ReasonCode::UNSPECIFIED_ERROR) }
    }
}

fn counter(secret: &'static str) -> Counter {
    Counter { secret, questions: 0 }
}

fn options(praise: &str) -> Options {
    let exchange = Authentication::new("COUNT").step("secret", "count").step("1", "count").step("2", praise);
    Options { authentication: Some(exchange), ..Options::default() }
}

// R: CON-09
async fn an_exchange_opens_and_keeps_the_connection(setup: Setup) {
    let broker = setup.test_broker(options("well done")).await;
    let builder = broker.builder("c").authentication("COUNT", counter("secret"));
    if !setup.is_v5() {
        let error = builder.connect().await.expect_err("3.x has no AUTH");
        let unsupported = ConfigError::UnsupportedByVersion(PropertyId::AuthenticationMethod);
        assert!(matches!(error, ConnectError::Config(found) if found == unsupported), "{error}");
        return;
    }
    let client = builder.connect().await.expect("the exchange is passed");
    let mut stream = client.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");
    for number in 0..20 {
        let delivery = client.publish("numbers", number.to_string()).qos(QoS::ExactlyOnce).send();
        client.reauthenticate().await.expect("the exchange is passed again");
        delivery.expect("queued").await.expect("acknowledged");
        assert_eq!(crate::tools::text(&mut stream).await, number.to_string());
    }
    assert_eq!(client.statistics().connection.reconnects, 0);
    // A reconnect begins from the start.
    let mut events = client.events();
    client.reconnect();
    connected(&mut events).await;
    let auths = broker.model().with(|model, _| {
        model.records_of("c").filter(|record| record.packet().packet_type() == PacketType::Auth).count()
    });
    assert_eq!(auths, 20 * 3 + 2 * 2);
}

// R: CON-09, REC-02
async fn who_fails_is_refused(setup: Setup) {
    if !setup.is_v5() {
        return;
    }
    let broker = setup.test_broker(options("well done")).await;
    let wrong = broker.builder("c").authentication("COUNT", counter("guess")).retry_first(true);
    let error = wrong.connect().await.expect_err("refused for good");
    assert!(
        matches!(&error, ConnectError::Closed(Cause::Refused(refusal)) if refusal.reason == ReasonCode::NOT_AUTHORIZED),
        "{error}"
    );
    let unknown = broker.builder("c").authentication("OTHER", counter("secret"));
    let error = unknown.connect().await.expect_err("no such method");
    assert!(
        matches!(&error, ConnectError::Closed(Cause::Refused(refusal)) if refusal.reason == ReasonCode::BAD_AUTHENTICATION_METHOD),
        "{error}"
    );
    // The server may fail as well.
    let impostor = setup.test_broker(options("whatever")).await;
    let error = impostor.builder("c").authentication("COUNT", counter("secret")).connect().await;
    assert!(matches!(error, Err(ConnectError::Closed(Cause::Authentication(_)))), "{error:?}");

    let client =
        broker.builder("c").authentication("COUNT", counter("secret")).connect().await.expect("passed");
    let mut events = client.events();
    broker.model().with(|model, _| *model.options_mut() = options("well played"));
    let error = client.reauthenticate().await;
    assert_eq!(error, Err(ReauthenticateError::Server(ReasonCode::UNSPECIFIED_ERROR)));
    broker.model().with(|model, _| *model.options_mut() = options("well done"));
    connected(&mut events).await;
    let stricter = Authentication::new("COUNT").step("another secret", "well done");
    broker.model().with(|model, _| model.options_mut().authentication = Some(stricter));
    let error = client.reauthenticate().await;
    assert!(matches!(error, Err(ReauthenticateError::Failed(OperationError::Refused(_)))), "{error:?}");
    let cause = event(&mut events, |event| match event {
        Event::Closed { cause } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert!(matches!(cause, Cause::ServerDisconnected(_)), "not authorized any more: {cause}");
}

/// SCRAM-SHA-256: with the right password on both sides, with a wrong one, and with a server that does not know it.
// R: CON-09
async fn a_password_that_is_never_sent(setup: Setup) {
    let asking = |authentication| Options { authentication: Some(authentication), ..Options::default() };
    let scram = |password| Scram::sha256("anna", password).expect("a user and a password");
    let broker = setup.test_broker(asking(Authentication::scram_sha256("anna", "secret"))).await;
    let builder = || broker.builder("c").authentication("SCRAM-SHA-256", scram("secret"));
    let client = builder().connect().await.expect("both know the password");
    let mut stream = client.subscribe("here").qos(QoS::AtLeastOnce).await.expect("granted");
    client.reauthenticate().await.expect("they still do");
    let mut events = client.events();
    client.reconnect();
    connected(&mut events).await;
    client.publish("here", "again").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    assert_eq!(crate::tools::text(&mut stream).await, "again");

    let wrong = broker.builder("guesser").authentication("SCRAM-SHA-256", scram("guess"));
    let error = wrong.connect().await.expect_err("refused");
    assert!(
        matches!(&error, ConnectError::Closed(Cause::Refused(refusal)) if refusal.reason == ReasonCode::NOT_AUTHORIZED),
        "{error}"
    );
    let impostor = Authentication::scram_sha256_without_proof("anna", "secret");
    let impostor = setup.test_broker(asking(impostor)).await;
    let error = impostor.builder("c").authentication("SCRAM-SHA-256", scram("secret")).connect().await;
    assert!(matches!(error, Err(ConnectError::Closed(Cause::Authentication(_)))), "{error:?}");
}
