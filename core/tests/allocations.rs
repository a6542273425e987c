//! What the state machine allocates: nothing a QoS 0 message in the steady state, and little when it is idle.

use allocation_counter::measure;
use bytes::{Buf, BufMut, BytesMut};
use std::time::Duration;
use sterna_core::packet::{PropertiesBuf, Property, QoS};
use sterna_core::{
    Action, Batch, ClientId, Config, ConnectOverrides, Connection, Event, Instant, Publish, QueuePolicy,
    Session, TopicAliases, Transmit,
};

const NOW: Instant = Instant::from_micros(1);
const MESSAGES: u64 = 1_000;
/// PUBLISH of 5.0, QoS 0, topic `a/b`, payload `hello`.
const QOS_0: &[u8] = b"\x30\x0b\x00\x03a/b\x00hello";

/// A client and the driver's buffers.
struct Driven {
    connection: Connection,
    transmit: Transmit,
    input: BytesMut,
    written: Vec<u8>,
}

impl Driven {
    fn connected() -> Self {
        Self::connected_to(Config::new(1), b"\x20\x03\x00\x00\x00")
    }

    fn connected_to(config: Config, connack: &[u8]) -> Self {
        let mut connection = Connection::new(config, NOW).unwrap();
        connection.connect(NOW);
        let Some(Action::Connect { attempt, .. }) = connection.poll_action() else { panic!() };
        connection.handle_connected(NOW, attempt, ConnectOverrides::default());
        let (transmit, input) = (Transmit::new(), BytesMut::with_capacity(4_096));
        let mut driven = Self { connection, transmit, input, written: Vec::with_capacity(4_096) };
        driven.write();
        driven.read(connack);
        while driven.connection.poll_event().is_some() {}
        driven
    }

    fn write(&mut self) {
        self.written.clear();
        if self.connection.poll_transmit(NOW, &mut self.transmit) {
            let length = self.transmit.remaining();
            self.written.put(&mut self.transmit);
            self.connection.handle_written(NOW, length);
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        // The read buffer is the driver's: it takes back what is not used any more.
        self.input.reserve(bytes.len());
        self.input.extend_from_slice(bytes);
        self.connection.handle_input(NOW, &mut self.input);
    }

    fn publish(&mut self, qos: QoS) {
        self.connection.publish(NOW, Publish::new("a/b", "hello").qos(qos)).unwrap();
        self.write();
    }

    fn expect_published(&mut self) {
        assert!(matches!(self.connection.poll_event(), Some(Event::Published { result: Ok(_), .. })));
    }

    fn expect_message(&mut self) {
        let message = self.connection.poll_message().unwrap();
        assert_eq!((message.topic(), message.payload()), ("a/b", &b"hello"[..]));
    }

    /// One message of each kind; the acknowledgements name the packet identifier that was given out.
    fn send_qos_0(&mut self) {
        self.publish(QoS::AtMostOnce);
        self.expect_published();
    }

    fn send_qos_1(&mut self) {
        self.publish(QoS::AtLeastOnce);
        let [high, low] = self.connection.last_packet_id().unwrap().to_be_bytes();
        self.read(&[0x40, 2, high, low]);
        self.expect_published();
    }

    fn send_qos_2(&mut self) {
        self.publish(QoS::ExactlyOnce);
        let [high, low] = self.connection.last_packet_id().unwrap().to_be_bytes();
        self.read(&[0x50, 2, high, low]);
        self.write();
        self.read(&[0x70, 2, high, low]);
        self.expect_published();
    }

    fn receive_qos_0(&mut self) {
        self.read(QOS_0);
        self.expect_message();
    }

    fn receive_qos_1(&mut self) {
        self.read(b"\x32\x0d\x00\x03a/b\x00\x07\x00hello");
        self.expect_message();
        self.write();
        assert_eq!(self.written, b"\x40\x02\x00\x07");
    }

    fn receive_qos_2(&mut self) {
        self.read(b"\x34\x0d\x00\x03a/b\x00\x07\x00hello");
        self.expect_message();
        self.read(b"\x62\x02\x00\x07");
        self.write();
        assert_eq!(self.written, b"\x50\x02\x00\x07\x70\x02\x00\x07");
    }
}

/// How many allocations `step` needs when it is repeated, once everything has its size.
fn steady(mut step: impl FnMut(&mut Driven)) -> u64 {
    let mut driven = Driven::connected();
    for _ in 0..MESSAGES {
        step(&mut driven);
    }
    let info = measure(|| {
        for _ in 0..MESSAGES {
            step(&mut driven);
        }
    });
    assert_eq!(info.bytes_current, 0, "memory grows with the messages");
    info.count_total
}

#[test]
fn qos_0_allocates_nothing_in_the_steady_state() {
    assert_eq!(steady(Driven::send_qos_0), 0, "sending");
    assert_eq!(steady(Driven::receive_qos_0), 0, "receiving");
}

#[test]
fn qos_1_and_2_allocate_nothing_in_the_steady_state() {
    assert_eq!(steady(Driven::send_qos_1), 0, "sending QoS 1");
    assert_eq!(steady(Driven::receive_qos_1), 0, "receiving QoS 1");
    assert_eq!(steady(Driven::send_qos_2), 0, "sending QoS 2");
    assert_eq!(steady(Driven::receive_qos_2), 0, "receiving QoS 2");
}

// R: REC-07, REC-08
#[test]
fn deadlines_and_expiry_allocate_nothing_either() {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(60)).unwrap();
    let allocations = steady(|driven| {
        let publish = Publish::new("a/b", "hello").qos(QoS::AtLeastOnce).deadline(Duration::from_secs(9));
        driven.connection.publish(NOW, publish.properties(properties.as_properties())).unwrap();
        driven.write();
        let [high, low] = driven.connection.last_packet_id().unwrap().to_be_bytes();
        driven.read(&[0x40, 2, high, low]);
        driven.expect_published();
    });
    assert_eq!(allocations, 0);
}

// R: PUB-04
#[test]
fn assigned_aliases_allocate_nothing_either() {
    // Twice as many topics as aliases: every message takes one from another topic.
    let topics: Vec<String> = (0..32).map(|number| format!("sensor/{number:03}")).collect();
    let mut config = Config::new(1);
    config.topic_alias = TopicAliases::Assign;
    let mut driven = Driven::connected_to(config, b"\x20\x06\x00\x00\x03\x22\x00\x10");
    let round = |driven: &mut Driven| {
        for topic in &topics {
            driven.connection.publish(NOW, Publish::new(topic, "hello")).unwrap();
            driven.write();
            driven.expect_published();
        }
    };
    round(&mut driven);
    round(&mut driven);
    assert_eq!(measure(|| round(&mut driven)).count_total, 0);
}

#[test]
fn many_messages_at_once_allocate_nothing_either() {
    let batch = QOS_0.repeat(100);
    let allocations = steady(|driven| {
        for _ in 0..100 {
            driven.connection.publish(NOW, Publish::new("a/b", "hello")).unwrap();
        }
        driven.write();
        for _ in 0..100 {
            driven.expect_published();
        }
    });
    assert_eq!(allocations, 0, "sending");
    // While many wait they are copied out of the read buffer, one allocation each, rather than pin it.
    let allocations = steady(|driven| {
        driven.read(&batch);
        for _ in 0..100 {
            driven.expect_message();
        }
    });
    assert!(allocations <= MESSAGES * 100, "receiving: {allocations}");
}

/// As `steady`, for steps of many messages.
fn steady_in_batches(config: Config, mut step: impl FnMut(&mut Driven)) -> u64 {
    let mut driven = Driven::connected_to(config, b"\x20\x03\x00\x00\x00");
    for _ in 0..5 {
        step(&mut driven);
    }
    measure(|| (0..5).for_each(|_| step(&mut driven))).count_total
}

#[test]
fn whole_windows_allocate_nothing_either() {
    let config = Config { in_flight_limit: u16::MAX, ..Config::new(1) };
    let allocations = steady_in_batches(config, |driven| {
        let mut acks = Vec::with_capacity(4 * 2_000);
        for _ in 0..2_000 {
            driven.connection.publish(NOW, Publish::new("a/b", "hello").qos(QoS::AtLeastOnce)).unwrap();
            let [high, low] = driven.connection.last_packet_id().unwrap().to_be_bytes();
            acks.extend([0x40, 2, high, low]);
        }
        driven.write();
        driven.read(&acks);
        for _ in 0..2_000 {
            driven.expect_published();
        }
    });
    // One for the list of acknowledgements of each batch.
    assert_eq!(allocations, 5);
}

#[test]
fn batches_of_the_whole_send_buffer_allocate_nothing_either() {
    let payload = [b'x'; 100];
    let allocations = steady_in_batches(Config::new(1), |driven| {
        for _ in 0..2_000 {
            driven.connection.publish(NOW, Publish::new("a/b", &payload)).unwrap();
        }
        driven.write();
        for _ in 0..2_000 {
            driven.expect_published();
        }
    });
    assert_eq!(allocations, 0);
}

// R: SUB-09
#[test]
fn messages_with_an_alias_allocate_nothing_either() {
    // Topic `a/b` with Topic Alias 1, and then the alias alone.
    let mut driven = Driven::connected();
    driven.read(b"\x30\x0e\x00\x03a/b\x03\x23\x00\x01hello");
    driven.expect_message();
    let info = measure(|| {
        for _ in 0..MESSAGES {
            driven.read(b"\x30\x0b\x00\x00\x03\x23\x00\x01hello");
            driven.expect_message();
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn an_idle_connection_takes_less_than_2_kib() {
    let mut connection = None;
    let heap = measure(|| {
        let mut driven = Driven::connected();
        driven.transmit.release();
        connection = Some(driven.connection);
    });
    let inline = size_of::<Connection>();
    let total = inline + usize::try_from(heap.bytes_current).unwrap();
    println!(
        "{total} bytes: {inline} inline, {} on the heap in {} pieces",
        heap.bytes_current, heap.count_current
    );
    assert!(total < 2_048, "{total} bytes, {inline} of them inline");
    drop(connection);
}

/// A client with a store that carries nothing out after its first commit.
fn with_hung_store(queue_policy: QueuePolicy) -> Driven {
    let client_id = ClientId::Given("me".into());
    let config = Config { client_id, queue_policy, queue_limit: 100, ..Config::new(1) };
    let mut connection = Connection::restore(config, Session::new(), NOW).unwrap();
    connection.connect(NOW);
    let (transmit, input) = (Transmit::new(), BytesMut::with_capacity(4_096));
    let mut driven = Driven { connection, transmit, input, written: Vec::new() };
    let mut batch = Batch::new();
    assert!(driven.connection.poll_persist(&mut batch).is_some());
    driven.connection.poll_action();
    driven.connection.poll_event();
    driven
}

// R: REC-07, STO-02
#[test]
fn what_a_policy_drops_does_not_pile_up_before_a_slow_store() {
    let policies =
        [QueuePolicy::Wait, QueuePolicy::DropNewest, QueuePolicy::DropOldest, QueuePolicy::LatestPerTopic];
    let topics: Vec<String> = (0..50).map(|number| format!("sensor/{number}")).collect();
    for policy in policies {
        let mut driven = with_hung_store(policy);
        let mut publish = |count: usize| {
            for number in 0..count {
                let publish =
                    Publish::new(&topics[number % topics.len()], "0123456789").qos(QoS::ExactlyOnce);
                let _ = driven.connection.publish(NOW, publish);
                while driven.connection.poll_event().is_some() {}
            }
        };
        // 100 messages of less than 100 bytes in the queue, as many before the store, and what was replaced there.
        let first = measure(|| publish(100_000));
        assert!(first.bytes_max < 3 * 100 * 256, "{policy:?}: {} bytes", first.bytes_max);
        let rest = measure(|| publish(100_000));
        assert_eq!(rest.bytes_current, 0, "{policy:?}");
        if policy != QueuePolicy::LatestPerTopic {
            // The header promises 1,024 tokens at a time, and is renewed when half of them are gone.
            assert!(rest.count_total <= 100_000 / 512, "{policy:?}: {}", rest.count_total);
        }
        let mut batch = Batch::new();
        assert!(driven.connection.poll_persist(&mut batch).is_some());
        assert!(batch.iter().len() <= 101, "{policy:?}: {} changes", batch.iter().len());
    }
}
