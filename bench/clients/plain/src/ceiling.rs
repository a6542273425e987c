//! The ceiling: a blocking socket, bytes that are encoded beforehand, and incoming packets that are counted by their
//! lengths. No client can be quicker than this, and this is no client: it keeps nothing, checks nothing and hands nothing
//! over.

use std::io::{Read, Write};
use std::net::TcpStream;

use bench_common::{
    CONNECT, Meter, PAYLOAD, PUBACK_LENGTH, TOPIC, Trips, WINDOW, Work, flood_end, publish, publish_into,
};
use serde_json::Value;

/// How much is written and read at once.
const CHUNK: usize = 64 * 1_024;
const VERSION: u8 = 4;

pub(crate) fn run(work: &Work) -> Value {
    let mut socket = connect(work);
    match work.scenario() {
        "pub0" => publish_at_most_once(&mut socket, work),
        "pub1" => publish_at_least_once(&mut socket, work),
        "recv0" => receive(&mut socket, 0),
        "recv1" => receive(&mut socket, 1),
        "trip0" => trips(&mut socket, work, 0),
        "trip1" => trips(&mut socket, work, 1),
        _ => work.unknown(),
    }
}

fn connect(work: &Work) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", work.port())).expect("the sink listens");
    socket.set_nodelay(true).expect("a socket");
    write(&mut socket, CONNECT);
    let mut connack = [0; 4];
    read(&mut socket, &mut connack);
    assert_eq!(connack, [0x20, 2, 0, 0], "CONNACK");
    socket
}

fn write(socket: &mut TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).expect("the sink takes it");
}

fn read(socket: &mut TcpStream, bytes: &mut [u8]) {
    socket.read_exact(bytes).expect("the sink answers");
}

fn publish_at_most_once(socket: &mut TcpStream, work: &Work) -> Value {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut each = 0;
    while chunk.len() + 88 <= CHUNK {
        publish_into(&mut chunk, 0, 0, PAYLOAD, VERSION);
        each += 1;
    }
    let mut meter = Meter::start_slow(work);
    while meter.more() {
        write(socket, &chunk);
        meter.add(each - 1);
    }
    write(socket, &publish(1, 1, PAYLOAD, VERSION));
    read(socket, &mut [0; PUBACK_LENGTH]);
    meter.finish()
}

fn publish_at_least_once(socket: &mut TcpStream, work: &Work) -> Value {
    let mut packets = Vec::new();
    for id in 1..=u16::MAX {
        publish_into(&mut packets, 1, id, PAYLOAD, VERSION);
    }
    let length = packets.len() / usize::from(u16::MAX);
    let mut acknowledgements = [0; WINDOW * PUBACK_LENGTH];
    let (mut next, mut under_way, mut pending) = (0, 0, 0);
    let mut meter = Meter::start_slow(work);
    loop {
        let room = (WINDOW - under_way).min(usize::from(u16::MAX) - next);
        if !meter.more() {
            break;
        }
        meter.add(room as u64 - 1);
        write(socket, &packets[next * length..(next + room) * length]);
        next = (next + room) % usize::from(u16::MAX);
        under_way += room;
        // At least one has to be acknowledged.
        let before = under_way;
        while under_way == before {
            pending += socket.read(&mut acknowledgements).expect("the sink answers");
            under_way -= pending / PUBACK_LENGTH;
            pending %= PUBACK_LENGTH;
        }
    }
    while under_way > 0 {
        pending += socket.read(&mut acknowledgements).expect("the sink answers");
        under_way -= pending / PUBACK_LENGTH;
        pending %= PUBACK_LENGTH;
    }
    meter.finish()
}

fn subscribe(socket: &mut TcpStream, qos: u8) {
    let mut packet = vec![0x82, TOPIC.len() as u8 + 5, 0, 1, 0, TOPIC.len() as u8];
    packet.extend_from_slice(TOPIC.as_bytes());
    packet.push(qos);
    write(socket, &packet);
    let mut suback = [0; 5];
    read(socket, &mut suback);
    assert_eq!(suback, [0x90, 3, 0, 1, qos], "SUBACK");
}

/// Looks at the first byte of the payload of each message, and no more.
fn receive(socket: &mut TcpStream, qos: u8) -> Value {
    subscribe(socket, qos);
    let header = 2 + 2 + TOPIC.len() + if qos > 0 { 2 } else { 0 };
    let length = header + PAYLOAD.len();
    let mut acknowledgements = Vec::with_capacity(usize::from(u16::MAX) * PUBACK_LENGTH);
    for id in 1..=u16::MAX {
        let [high, low] = id.to_be_bytes();
        acknowledgements.extend([0x40, 2, high, low]);
    }
    let mut next = 0;
    let mut buffer = vec![0; CHUNK];
    let mut filled = 0;
    let mut meter = Meter::start_unlimited();
    loop {
        filled += socket.read(&mut buffer[filled..]).expect("the sink sends");
        let mut packets = buffer[..filled].chunks_exact(length);
        let ordinary = packets.by_ref().take_while(|packet| packet[header] == PAYLOAD[0]).count();
        meter.add(ordinary as u64);
        if qos > 0 && ordinary > 0 {
            let until = (next + ordinary).min(usize::from(u16::MAX));
            write(socket, &acknowledgements[next * PUBACK_LENGTH..until * PUBACK_LENGTH]);
            let rest = next + ordinary - until;
            write(socket, &acknowledgements[..rest * PUBACK_LENGTH]);
            next = if until == usize::from(u16::MAX) { rest } else { until };
        }
        let taken = ordinary * length;
        if let Some(count) = buffer[taken..filled].get(header..).and_then(flood_end) {
            assert_eq!(meter.count(), count, "messages received");
            let outcome = meter.finish();
            if qos > 0 {
                write(socket, &acknowledgements[next * PUBACK_LENGTH..(next + 1) * PUBACK_LENGTH]);
            }
            return outcome;
        }
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

fn trips(socket: &mut TcpStream, work: &Work, qos: u8) -> Value {
    if qos == 0 {
        subscribe(socket, 0);
    }
    let packet = publish(qos, 1, PAYLOAD, VERSION);
    let mut answer = vec![0; if qos == 0 { packet.len() } else { PUBACK_LENGTH }];
    let mut trips = Trips::start(work);
    while trips.more() {
        write(socket, &packet);
        read(socket, &mut answer);
        trips.arrived();
    }
    trips.finish()
}
