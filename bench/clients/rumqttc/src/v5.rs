//! MQTT 5.0.

use bench_common::Work;
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};

fn client(work: &Work, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", work.port());
    if work.best() {
        options.set_outgoing_inflight_upper_limit(bench_common::WINDOW as u16);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
    }
    AsyncClient::new(options, super::capacity(work))
}

fn incoming(event: Result<Event, ConnectionError>) -> Option<Packet> {
    match event.expect("connected") {
        Event::Incoming(packet) => Some(packet),
        Event::Outgoing(_) => None,
    }
}

include!("scenarios.rs");
include!("memory.rs");
