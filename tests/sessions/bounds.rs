//! What is recorded of servers that take not everything: limits, quotas, redirection.

use sterna::tokio::Runtime;
use sterna::{ClientBuilder, QoS};
use sterna_simulator::TestBroker;
use sterna_simulator::broker::{Fault, OnReceive};

use crate::place::Place;
use crate::situations::{V5, connected, end, next};
use crate::{Result, Studio};

/// A server with bounds: on 5.0 they are kept to, on 3.1.1 the client finds out.
pub(crate) async fn limits_of(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "limits") {
        return Ok(());
    }
    studio
        .record(place, "limits", async |builder: ClientBuilder<Runtime>| {
            let client = builder.connect().await?;
            let mut events = client.events();
            // On 3.1.1 nobody says how many of QoS 2 it takes: it closes the connection instead.
            let qos = if place.version == V5 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
            let mut deliveries = Vec::new();
            for n in 0..10 {
                deliveries.push(client.publish("a", n.to_string()).qos(qos).send()?);
            }
            for delivery in deliveries {
                delivery.await?;
            }
            let large = client.publish("a", "x".repeat(1_200)).qos(QoS::AtMostOnce).await;
            let retained = client.publish("a", "kept").qos(QoS::AtMostOnce).retain(true).await;
            if place.version == V5 {
                if large.is_ok() || retained.is_ok() {
                    return Err("the server's limits are not known".into());
                }
            } else {
                connected(&mut events).await?;
            }
            client.publish("a", "after").qos(QoS::AtLeastOnce).await?;
            end(client).await
        })
        .await
}

/// A server that grants one subscription of QoS 1, and any number of QoS 0.
pub(crate) async fn limits_of_subscriptions(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "limits") {
        return Ok(());
    }
    studio
        .record(place, "limits", async |builder: ClientBuilder<Runtime>| {
            let client = builder.connect().await?;
            let first = client.subscribe("a").qos(QoS::AtLeastOnce).await?;
            if client.subscribe("b").qos(QoS::AtLeastOnce).await.is_ok() {
                return Err("there is no limit of subscriptions".into());
            }
            let mut second = client.subscribe("b").qos(QoS::AtMostOnce).await?;
            client.publish("b", "at most once").qos(QoS::AtLeastOnce).await?;
            next(&mut second).await?;
            drop(first);
            end(client).await
        })
        .await
}

/// The server sends the client to another.
pub(crate) async fn redirected(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "redirect") {
        return Ok(());
    }
    studio
        .record(place, "redirect", async |builder: ClientBuilder<Runtime>| {
            let client = builder.redirects(1).connect().await?;
            client.publish("a", "there").qos(QoS::AtLeastOnce).await?;
            end(client).await
        })
        .await
}

/// A server that grants two subscriptions and keeps two retained messages.
pub(crate) async fn quota(studio: &Studio, place: &Place) -> Result<()> {
    if !studio.wants(place, "quota") {
        return Ok(());
    }
    studio
        .record(place, "quota", async |builder: ClientBuilder<Runtime>| {
            let client = builder.connect().await?;
            let kept = (client.subscribe("a").await?, client.subscribe("b").await?);
            if client.subscribe("c").await.is_ok() {
                return Err("there is no quota of subscriptions".into());
            }
            for topic in ["d", "e"] {
                client.publish(topic, "kept").qos(QoS::AtLeastOnce).retain(true).await?;
            }
            for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                if client.publish("f", "too much").qos(qos).retain(true).await.is_ok() {
                    return Err("there is no quota of retained messages".into());
                }
            }
            client.publish("f", "not kept").qos(QoS::ExactlyOnce).await?;
            drop(kept);
            end(client).await
        })
        .await
}

/// A server that runs out of what it grants, in every way in which it can say so.
pub(crate) async fn every_quota(studio: &Studio, place: &Place, broker: &TestBroker) -> Result<()> {
    if !studio.wants(place, "quota") {
        return Ok(());
    }
    studio
        .record(place, "quota", async |builder: ClientBuilder<Runtime>| {
            let client = builder.connect().await?;
            let mut events = client.events();
            let kept = (client.subscribe("a").await?, client.subscribe("b").await?);
            if client.subscribe("c").await.is_ok() {
                return Err("there is no quota".into());
            }
            broker.with(|model, _| {
                let refuse = OnReceive::Answer(sterna::ReasonCode::QUOTA_EXCEEDED);
                model.add_fault(
                    Fault::receiving(sterna::protocol::packet::PacketType::Publish, refuse).times(1),
                );
            });
            if client.publish("a", "too much").qos(QoS::AtLeastOnce).await.is_ok() {
                return Err("it was not refused".into());
            }
            let mut deliveries = Vec::new();
            for n in 0..10 {
                deliveries.push(client.publish("d", n.to_string()).qos(QoS::AtLeastOnce).send()?);
            }
            for delivery in deliveries {
                delivery.await?;
            }
            broker.with(|model, _| {
                // DISCONNECT: Quota exceeded.
                let close = OnReceive::SendThenClose(sterna::protocol::bytes::Bytes::from_static(
                    b"\xe0\x02\x97\x00",
                ));
                model.add_fault(
                    Fault::receiving(sterna::protocol::packet::PacketType::Publish, close).times(1),
                );
            });
            client.publish("d", "again").qos(QoS::AtLeastOnce).await?;
            connected(&mut events).await?;
            drop(kept);
            end(client).await
        })
        .await
}
