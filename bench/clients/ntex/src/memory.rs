//! What clients have in memory.

use std::cell::RefCell;
use std::rc::Rc;

use bench_common::{AT_ONCE, BURST, Idle, Meter, QUIET, Work};
use ntex_mqtt::v3::{MqttSink, QoS};
use ntex_util::time::sleep;
use serde_json::Value;

use super::{Incoming, connect, connect_with, publish_all, subscribe};

pub(crate) async fn idle(work: &Work) -> Value {
    let mut sinks = vec![connect(work, Incoming::default()).await];
    sinks.reserve(work.clients());
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    while idle.more() {
        sinks.push(connect(work, Incoming::default()).await);
    }
    sleep(QUIET).await;
    idle.finish()
}

/// Each of them publishes and receives that many, all at the same time, and is idle then.
pub(crate) async fn burst(work: &Work) -> Value {
    let _first = connect(work, Incoming::default()).await;
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    let mut bursts = Vec::new();
    while idle.more() {
        let incoming = Rc::new(Incoming::default());
        let sink = connect_with(work, incoming.clone()).await;
        bursts.push(ntex_rt::spawn(one_burst(sink, incoming)));
    }
    let mut sinks = Vec::new();
    for burst in bursts {
        sinks.push(burst.await.expect("no panic"));
    }
    sleep(QUIET).await;
    idle.finish()
}

async fn one_burst(sink: MqttSink, incoming: Rc<Incoming>) -> MqttSink {
    publish_all(&sink, &mut Meter::start_messages(BURST as u64)).await;
    *incoming.meter.borrow_mut() = Some(Meter::start_unlimited());
    subscribe(&sink, QoS::AtMostOnce).await;
    incoming.until(|incoming| incoming.ended.get()).await;
    sink
}

/// It does not connect again by itself.
pub(crate) async fn many(work: &Work) -> Value {
    bench_common::end_with_input();
    let work = Rc::new(work.clone());
    let sinks = Rc::new(RefCell::new(Vec::with_capacity(work.clients())));
    while sinks.borrow().len() < work.clients() {
        let count = AT_ONCE.min(work.clients() - sinks.borrow().len());
        let connecting: Vec<_> = (0..count)
            .map(|_| {
                let (work, sinks) = (work.clone(), sinks.clone());
                ntex_rt::spawn(async move {
                    let sink = connect(&work, Incoming::default()).await;
                    sinks.borrow_mut().push(sink);
                })
            })
            .collect();
        for connecting in connecting {
            connecting.await.expect("connected");
        }
    }
    std::future::pending().await
}
