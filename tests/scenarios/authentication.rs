//! Enhanced authentication, when connecting and while connected.

use sterna::protocol::packet::PacketType;
use sterna::{
    Authenticator, Cause, ConfigError, ConnectError, Event, OperationError, PropertyId, QoS, ReasonCode,
    ReauthenticateError,
};
use sterna_simulator::broker::{Authentication, Options};

use crate::brokers::Setup;
use crate::cell::ON_TEST_BROKER;
use crate::tools::{connected, event};

scenarios!(ON_TEST_BROKER => an_exchange_opens_and_keeps_the_connection, who_fails_is_refused);

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
