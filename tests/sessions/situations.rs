//! What is recorded: what happens between a client and a server. Each situation is recorded if it is wanted.

use std::time::Duration;

use sterna::tokio::Runtime;
use sterna::{
    AckMode, Client, ClientBuilder, Event, Events, PropertiesBuf, Property, ProtocolVersion, QoS, Reconnect,
    Subscription,
};

use crate::other_brokers::OtherBroker;
use crate::place::Place;
use crate::support::mosquitto::Mosquitto;
use crate::{Result, Studio};

pub(crate) const V5: ProtocolVersion = ProtocolVersion::V5;
pub(crate) const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub(crate) async fn next(subscription: &mut Subscription) -> Result<sterna::Message> {
    let next = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
    Ok(next.map_err(|_| "no message came")?.ok_or("the subscription has ended")?)
}

pub(crate) async fn wait_for(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Result<()> {
    let wait = async {
        while let Some(event) = events.next().await {
            if wanted(&event) {
                return Ok(());
            }
        }
        Err("the client has ended")
    };
    Ok(tokio::time::timeout(Duration::from_secs(20), wait).await.map_err(|_| "no such event came")??)
}

pub(crate) async fn connected(events: &mut Events) -> Result<()> {
    wait_for(events, |event| matches!(event, Event::Connected { .. })).await
}

/// Publishing and receiving at each quality of service, a retained message, and properties where there are some.
pub(crate) async fn traffic(studio: &Studio, place: &Place, levels: &[QoS]) -> Result<()> {
    if !studio.wants(place, "traffic") {
        return Ok(());
    }
    studio
        .record(place, "traffic", async |builder: ClientBuilder<Runtime>| {
            let client = builder.connect().await?;
            let best = levels.last().copied().unwrap_or_default();
            let mut stream = client.subscribe("house/+/temperature").qos(best).await?;
            for (n, qos) in levels.iter().enumerate() {
                let mut publish = client.publish("house/hall/temperature", format!("2{n}.5")).qos(*qos);
                if place.version == V5 {
                    let mut properties = PropertiesBuf::new();
                    properties.push(Property::ContentType("text/plain"))?;
                    properties.push(Property::UserProperty { name: "unit", value: "degree Celsius" })?;
                    publish = publish.properties(properties);
                }
                publish.await?;
                next(&mut stream).await?;
            }
            for n in 0..12 {
                drop(
                    client
                        .publish("house/cellar/temperature", n.to_string())
                        .qos(levels[n % levels.len()])
                        .send()?,
                );
            }
            for _ in 0..12 {
                next(&mut stream).await?;
            }
            client.publish("house/hall/light", "on").qos(QoS::AtLeastOnce).retain(true).await?;
            let mut light = client.subscribe("house/hall/light").qos(QoS::AtLeastOnce).await?;
            next(&mut light).await?;
            client.publish("house/hall/light", "").qos(QoS::AtLeastOnce).retain(true).await?;
            light.unsubscribe().await?;
            stream.unsubscribe().await?;
            end(client).await
        })
        .await
}

/// Messages that wait at the server for a session.
pub(crate) async fn backlog(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "backlog") {
        return Ok(());
    }
    let name = "returning";
    let client = place.builder().client_id(name).persistent().connect().await?;
    drop(client.subscribe("post/#").qos(QoS::AtLeastOnce).await?);
    client.disconnect().await?;
    let other = place.other().connect().await?;
    for n in 0..20 {
        other.publish("post/letter", n.to_string()).qos(QoS::AtLeastOnce).await?;
    }
    other.disconnect().await?;
    studio
        .record(place, "backlog", async |builder: ClientBuilder<Runtime>| {
            let client = builder.client_id(name).persistent().build()?;
            let mut stream = client.subscribe("post/#").qos(QoS::AtLeastOnce).send()?;
            client.connect().await?;
            for _ in 0..20 {
                next(&mut stream).await?;
            }
            stream.unsubscribe().await?;
            end(client).await
        })
        .await
}

/// A server that can be away for a while.
pub(crate) trait Restart {
    fn stop(&mut self);
    fn start(&mut self);
}

impl Restart for Mosquitto {
    fn stop(&mut self) {
        self.stop();
    }

    fn start(&mut self) {
        self.start();
    }
}

impl Restart for OtherBroker {
    fn stop(&mut self) {
        self.stop();
    }

    fn start(&mut self) {
        self.launch();
    }
}

/// The server goes and comes back while messages are on their way. Some remember the session.
pub(crate) async fn restart(
    studio: &Studio,
    place: &Place,
    levels: &[QoS],
    broker: &mut impl Restart,
) -> Result<()> {
    if !studio.wants(place, "restart") {
        return Ok(());
    }
    studio
        .record(place, "restart", async |builder: ClientBuilder<Runtime>| {
            // Some take their time to come back.
            let reconnect = Reconnect {
                initial: Duration::from_millis(50),
                maximum: Duration::from_secs(5),
                ..Reconnect::default()
            };
            let client = builder.reconnect(reconnect).persistent().connect().await?;
            let mut events = client.events();
            let best = levels.last().copied().unwrap_or_default();
            let mut stream = client.subscribe("ship/log").qos(best).await?;
            for (n, qos) in levels.iter().enumerate() {
                client.publish("ship/log", n.to_string()).qos(*qos).await?;
                next(&mut stream).await?;
            }
            tokio::task::block_in_place(|| broker.stop());
            wait_for(&mut events, |event| matches!(event, Event::Offline)).await?;
            let mut deliveries = Vec::new();
            for n in 3..9 {
                let qos = levels[n % levels.len()];
                deliveries.push(client.publish("ship/log", n.to_string()).qos(qos).send()?);
            }
            tokio::task::block_in_place(|| broker.start());
            connected(&mut events).await?;
            for delivery in deliveries {
                delivery.await?;
            }
            // A server that has forgotten the session may have had the first of them before the subscription.
            client.publish("ship/log", "moored").qos(QoS::AtLeastOnce).await?;
            while next(&mut stream).await?.text()? != "moored" {}
            stream.unsubscribe().await?;
            end(client).await
        })
        .await
}

/// A wrong password. The recording does not show it.
pub(crate) async fn refusal(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "refusal") {
        return Ok(());
    }
    studio
        .record(place, "refusal", async |builder: ClientBuilder<Runtime>| {
            let client = builder.user_name("nurse").password("lightning").build()?;
            let refused = client.connect().await;
            if refused.is_ok() {
                return Err("the server lets everybody in".into());
            }
            Ok(())
        })
        .await
}

/// Another client takes the session over.
pub(crate) async fn takeover(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "takeover") {
        return Ok(());
    }
    studio
        .record(place, "takeover", async |builder: ClientBuilder<Runtime>| {
            // Otherwise the two would take each other's place for ever.
            let client = builder.reconnect(Reconnect::off()).connect().await?;
            let mut events = client.events();
            let mut stream = client.subscribe("a/b").qos(QoS::AtLeastOnce).await?;
            client.publish("a/b", "mine").qos(QoS::AtLeastOnce).await?;
            next(&mut stream).await?;
            let usurper = place.builder().connect().await?;
            wait_for(&mut events, |event| matches!(event, Event::Closed { .. })).await?;
            usurper.disconnect().await?;
            drop((client, stream));
            Ok(())
        })
        .await
}

/// An application that takes its messages slowly, and acknowledges each by hand.
pub(crate) async fn slow_consumer(studio: &Studio, place: &Place, receive_maximum: u16) -> Result<()> {
    if !studio.wants(place, "slow-consumer") {
        return Ok(());
    }
    studio
        .record(place, "slow-consumer", async |builder: ClientBuilder<Runtime>| {
            let builder = builder.incoming_limit(4, 1 << 20).receive_maximum(receive_maximum);
            let client = builder.ack(AckMode::Manual).connect().await?;
            let mut stream = client.subscribe("flood").qos(QoS::AtLeastOnce).await?;
            flood(place).await?;
            for _ in 0..20 {
                let message = next(&mut stream).await?;
                tokio::time::sleep(Duration::from_millis(2)).await;
                message.ack()?;
            }
            stream.unsubscribe().await?;
            end(client).await
        })
        .await
}

async fn flood(place: &Place) -> Result<()> {
    let other = place.other().connect().await?;
    for n in 0..20 {
        other.publish("flood", n.to_string()).qos(QoS::AtLeastOnce).await?;
    }
    end(other).await
}

/// The server sends more than the client's Receive Maximum, is told so, and the client comes back without one.
pub(crate) async fn overrun(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "overrun") {
        return Ok(());
    }
    studio
        .record(place, "overrun", async |builder: ClientBuilder<Runtime>| {
            let client = builder.receive_maximum(6).ack(AckMode::Manual).connect().await?;
            let mut events = client.events();
            let mut stream = client.subscribe("flood").qos(QoS::AtLeastOnce).await?;
            flood(place).await?;
            wait_for(&mut events, |event| matches!(event, Event::Resubscribed { .. })).await?;
            client.publish("flood", "the last").qos(QoS::AtLeastOnce).await?;
            loop {
                let message = next(&mut stream).await?;
                // What came on the first connection is owed no acknowledgement any more.
                let _ = message.ack();
                if message.text()? == "the last" {
                    break;
                }
            }
            end(client).await
        })
        .await
}

pub(crate) async fn end(client: Client) -> Result<()> {
    client.disconnect().await?;
    Ok(())
}
