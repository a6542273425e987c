//! Several servers, and servers that send their clients to others.

use sterna::protocol::packet::PacketType;
use sterna::{Cause, Client, Event, ProtocolVersion, QoS};
use sterna_simulator::broker::{Options, Redirect};

use crate::brokers::{Broker, Memory, Setup};
use crate::cell::{ANYWHERE, Kind, Runtime, Scope, Transport};
use crate::tools::{connected, event};

scenarios! {
    ANYWHERE => the_next_server_takes_over;
    REDIRECTING => sent_on_when_connecting, sent_on_while_connected;
}

/// A Server Reference has a host and a port; the transport stays.
const REDIRECTING: Scope =
    Scope::only(|cell| cell.kind == Kind::TestBroker && cell.transport != Transport::Unix)
        .and_usual(|cell| cell.runtime == Runtime::Tokio && cell.version == ProtocolVersion::V5);

/// Two servers without a common session: what was subscribed is subscribed again, and nothing that waits is lost.
// R: CON-10, REC-03, REC-07
async fn the_next_server_takes_over(setup: Setup) {
    let (mut first, mut second) = (setup.broker().await, setup.broker().await);
    second.stop(Memory::Lost).await;
    let client = setup.builder(&second.url(), "mover").server(&first.url()).connect().await;
    let client = client.expect("the second in the list is there");
    let mut stream = client.subscribe("news").qos(QoS::AtLeastOnce).await.expect("granted");
    for round in 0..2 {
        let mut events = client.events();
        let (from, to) = if round == 0 { (&mut first, &mut second) } else { (&mut second, &mut first) };
        from.stop(Memory::Lost).await;
        let delivery = client.publish("news", format!("{round}")).qos(QoS::AtLeastOnce).send();
        to.start().await;
        connected(&mut events).await;
        delivery.expect("queued").await.expect("acknowledged by the other");
        client.publish("news", "marker").qos(QoS::AtLeastOnce).await.expect("acknowledged");
        // What was published before the subscription was made again may have found nobody.
        while crate::tools::text(&mut stream).await != "marker" {}
    }
}

fn reference(broker: &Broker) -> String {
    broker.model().address().to_string()
}

async fn redirected(events: &mut sterna::Events) {
    event(events, |event| match event {
        Event::Disconnected { cause: Cause::Refused(_) | Cause::ServerDisconnected(_), retry_in, .. } => {
            assert_eq!(*retry_in, Some(std::time::Duration::ZERO), "a redirection is followed at once");
            Some(())
        }
        Event::Disconnected { cause, .. } => panic!("{cause}"),
        _ => None,
    })
    .await;
}

async fn is_served_by(client: &Client, broker: &Broker, client_id: &str, count: usize) {
    client.publish("here", "?").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    broker.model().wait_for(client_id, PacketType::Publish, count).await;
}

// R: CON-13
async fn sent_on_when_connecting(setup: Setup) {
    let there = setup.test_broker(Options::default()).await;
    for permanent in [false, true] {
        let redirect = Redirect { permanent, reference: format!("nowhere.invalid {}", reference(&there)) };
        let here = setup.test_broker(Options { redirect: Some(redirect), ..Options::default() }).await;
        let client_id = if permanent { "moved" } else { "guest" };
        let builder = || here.builder(client_id);
        if !setup.is_v5() {
            // Only 5.0 servers can send a client on; the option changes nothing.
            let client = builder().redirects(1).connect().await.expect("served here");
            is_served_by(&client, &here, client_id, 1).await;
            continue;
        }
        let refused = builder().connect().await.expect_err("the option is off");
        assert!(matches!(refused, sterna::ConnectError::Closed(Cause::Refused(_))), "{refused}");
        let client = builder().redirects(1).connect().await.expect("served there");
        is_served_by(&client, &there, client_id, 1).await;
        assert!(here.model().with(|model, _| model.connection_of(client_id)).is_none());
    }
}

// R: CON-13, REC-04
async fn sent_on_while_connected(setup: Setup) {
    if !setup.is_v5() {
        return; // A server of 3.x has no DISCONNECT.
    }
    let (here, there) =
        (setup.test_broker(Options::default()).await, setup.test_broker(Options::default()).await);
    let client = here.builder("c").redirects(1).connect().await.expect("connected");
    let mut events = client.events();
    let redirect = Redirect { permanent: false, reference: reference(&there) };
    here.model().with(|model, now| {
        let id = model.connection_of("c").expect("it is connected");
        model.redirect(now, id, &redirect);
    });
    redirected(&mut events).await;
    connected(&mut events).await;
    is_served_by(&client, &there, "c", 1).await;
    // For that connection only.
    there.model().with(|model, now| {
        let id = model.connection_of("c").expect("it is connected");
        model.drop_connection(now, id);
    });
    connected(&mut events).await;
    is_served_by(&client, &here, "c", 1).await;
}
