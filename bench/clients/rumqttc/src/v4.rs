//! MQTT 3.1.1.

use bench_common::Work;
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};

fn client(work: &Work, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", work.port());
    if work.best() {
        options.set_inflight(bench_common::WINDOW as u16);
    }
    let (client, mut event_loop) = AsyncClient::new(options, super::capacity(work));
    if work.best() {
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        event_loop.set_network_options(network);
    }
    (client, event_loop)
}

fn incoming(event: Result<Event, ConnectionError>) -> Option<Packet> {
    match event.expect("connected") {
        Event::Incoming(packet) => Some(packet),
        Event::Outgoing(_) => None,
    }
}

include!("scenarios.rs");
include!("memory.rs");
