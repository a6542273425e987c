//! Servers that refuse, for now or for good, and servers that are not there.

use sterna::protocol::packet::PacketType;
use sterna::{Cause, ConnectError, Event, LostKind, ReasonCode};
use sterna_simulator::broker::{Fault, OnReceive, Options};

use crate::brokers::{Memory, Setup};
use crate::cell::{ANYWHERE, ON_TEST_BROKER, OVER_IP, SMOKE};
use crate::tools::{connected, event};

scenarios! {
    SMOKE => wrong_password;
    ANYWHERE => nobody_listens;
    OVER_IP => credentials_in_the_url;
    ON_TEST_BROKER => refused_for_now, refused_for_good, refused_after_a_loss;
}

fn refusal(error: &ConnectError) -> ReasonCode {
    match error {
        ConnectError::Closed(Cause::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other}"),
    }
}

// R: CON-07, REC-02
async fn wrong_password(setup: Setup) {
    let broker = setup.broker_for("tern", "secret").await;
    // A retry would change nothing, so there is none, even if it was asked for.
    let anonymous = broker.builder("a").retry_first(true).connect().await.expect_err("refused");
    let wrong = broker.builder("b").user_name("tern").password("SECRET").retry_first(true);
    let wrong = wrong.connect().await.expect_err("refused");
    for error in [anonymous, wrong] {
        let reason = refusal(&error);
        let known = [ReasonCode::BAD_USER_NAME_OR_PASSWORD, ReasonCode::NOT_AUTHORIZED];
        assert!(known.contains(&reason), "{reason}");
    }
    let client = broker.builder("c").user_name("tern").password("secret").connect().await.expect("admitted");
    client.disconnect().await.expect("graceful");
}

// R: CON-01, CON-07
async fn credentials_in_the_url(setup: Setup) {
    let broker = setup.broker_for("tern", "secret").await;
    let url = broker.url().replace("://", "://tern:secret@");
    setup.builder(&url, "d").connect().await.expect("admitted");
}

// R: CON-12, REC-07
async fn nobody_listens(setup: Setup) {
    let mut broker = setup.broker().await;
    let builder = || broker.builder("early");
    let (once, patient) = (builder(), builder().retry_first(true).build().expect("a client"));
    broker.stop(Memory::Lost).await;
    let error = once.connect().await.expect_err("nobody is there");
    assert!(
        matches!(&error, ConnectError::Closed(Cause::Lost(lost)) if lost.kind == LostKind::Dial),
        "{error}"
    );

    // Who asks for it goes on trying until somebody is there; what was published meanwhile arrives.
    let mut events = patient.events();
    let mut stream = patient.subscribe("early").send().expect("queued");
    let delivery = patient.publish("early", "bird").send().expect("queued");
    let connecting = setup.spawn({
        let patient = patient.clone();
        async move { patient.connect().await }
    });
    for _ in 0..2 {
        event(&mut events, |event| match event {
            Event::Disconnected { cause: Cause::Lost(lost), retry_in: Some(_), .. } => {
                assert_eq!(lost.kind, LostKind::Dial);
                Some(())
            }
            Event::Disconnected { cause, .. } => panic!("{cause}"),
            _ => None,
        })
        .await;
    }
    broker.start().await;
    connecting.await.expect("connected");
    delivery.await.expect("sent");
    assert_eq!(crate::tools::text(&mut stream).await, "bird");
}

// R: REC-02
async fn refused_for_now(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let refuse = |times| {
        let refusal = OnReceive::Answer(ReasonCode::SERVER_UNAVAILABLE);
        broker
            .model()
            .with(|model, _| model.add_fault(Fault::receiving(PacketType::Connect, refusal).times(times)));
    };
    refuse(1);
    let error = broker.builder("hasty").connect().await.expect_err("the first failure is the end");
    assert_eq!(refusal(&error), ReasonCode::SERVER_UNAVAILABLE);
    refuse(3);
    let client = broker.builder("patient").retry_first(true).connect().await.expect("at the fourth attempt");
    assert_eq!(client.statistics().connection.reconnects, 3);
}

// R: REC-02
async fn refused_for_good(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let refusal_of_all = OnReceive::Answer(ReasonCode::NOT_AUTHORIZED);
    broker.model().with(|model, _| model.add_fault(Fault::receiving(PacketType::Connect, refusal_of_all)));
    let error = broker.builder("banned").retry_first(true).connect().await.expect_err("refused");
    assert_eq!(refusal(&error), ReasonCode::NOT_AUTHORIZED);
    let attempts = broker.model().with(|model, _| model.records_of("banned").count());
    assert_eq!(attempts, 1);
}

/// A reconnect may be refused too: for now, and then for good.
async fn refused_after_a_loss(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let client = broker.connect("client").await;
    let mut events = client.events();
    broker.model().with(|model, now| {
        let busy = OnReceive::Answer(ReasonCode::SERVER_UNAVAILABLE);
        model.add_fault(Fault::receiving(PacketType::Connect, busy).times(2));
        let id = model.connection_of("client").expect("it is connected");
        model.drop_connection(now, id);
    });
    connected(&mut events).await;
    let delivery = client.publish("here", "again").await;
    delivery.expect("sent");

    broker.model().with(|model, now| {
        model.add_fault(Fault::receiving(PacketType::Connect, OnReceive::Answer(ReasonCode::NOT_AUTHORIZED)));
        let id = model.connection_of("client").expect("it is connected");
        model.drop_connection(now, id);
    });
    let cause = event(&mut events, |event| match event {
        Event::Closed { cause } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert!(matches!(cause, Cause::Refused(refusal) if refusal.reason == ReasonCode::NOT_AUTHORIZED));
    client.publish("here", "never").await.expect_err("closed, and it says so");
}
