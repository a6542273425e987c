//! SUBSCRIBE and UNSUBSCRIBE with many filters, in parts.

use super::*;
use crate::error::{ServerLimit, SubscribeError};

fn in_batches(batch: usize) -> Config {
    Config { subscribe_batch: batch, ..config() }
}

// R: SUB-03
#[test]
fn a_batch_size_splits_and_all_parts_together_are_the_answer() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut rig = Rig::connected(Config { subscribe_batch: 2, ..config_of(version) });
        let token = rig.subscribe(&["a", "b", "c", "d", "e"]);
        assert_eq!(rig.sent(), ["Subscribe 1 a b", "Subscribe 2 c d", "Subscribe 3 e"]);
        rig.suback(3, &[2]);
        rig.suback(1, &[0, 1]);
        assert_eq!(rig.granted(), []);
        rig.suback(2, &[0x80, 2]);
        assert_eq!(rig.granted(), [(token, Ok(vec![0, 1, 0x80, 2, 2]))]);
        let token = rig.unsubscribe(&["a", "b", "c"]);
        assert_eq!(rig.sent(), ["Unsubscribe 4 a b", "Unsubscribe 5 c"]);
        let v5 = version == ProtocolVersion::V5;
        for (packet_id, codes) in [(4, &[0, 0x11][..]), (5, &[0][..])] {
            rig.unsuback(packet_id, if v5 { codes } else { &[] });
        }
        assert_eq!(rig.granted(), [(token, Ok(vec![0, if v5 { 0x11 } else { 0 }, 0]))]);
        assert_eq!((rig.connection.in_flight(), rig.connection.queued()), (0, 0));
    }
}

// R: SUB-03
#[test]
fn parts_fit_the_servers_packet_size_to_the_byte() {
    // SUBSCRIBE of 5.0 takes 2 + 2 + 1 bytes, and each of these filters 5.
    for (limit, expected) in [(20, "Subscribe 1 aa bb cc"), (19, "Subscribe 1 aa bb"), (10, "Subscribe 1 aa")]
    {
        let mut rig = Rig::connected_to(config(), &[Property::MaximumPacketSize(limit)]);
        rig.subscribe(&["aa", "bb", "cc"]);
        assert_eq!(rig.sent()[0], expected, "{limit}");
    }
    let mut rig = Rig::connected_to(config(), &[Property::MaximumPacketSize(9)]);
    let filters = filters_buf(&["a", "bb"], SubscribeOptions::default());
    let subscribe = Subscribe::new(filters.as_filters());
    let limit = ServerLimit::MaximumPacketSize { size: 10, limit: 9 };
    assert_eq!(rig.connection.subscribe(rig.now, subscribe), Err(SubscribeError::Limit(limit)));
    assert_eq!((rig.sent(), rig.connection.queued()), (vec![], 0), "nothing was kept");
}

// R: SUB-03
#[test]
fn only_what_lacks_an_answer_is_sent_after_a_reconnect() {
    let mut rig = Rig::connected(in_batches(1));
    let token = rig.subscribe(&["a", "b", "c", "d"]);
    assert_eq!(rig.sent(), ["Subscribe 1 a", "Subscribe 2 b", "Subscribe 3 c", "Subscribe 4 d"]);
    rig.suback(2, &[1]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Subscribe 5 a", "Subscribe 6 c", "Subscribe 7 d"]);
    rig.suback(7, &[2]);
    rig.suback(6, &[0x87]);
    rig.lose();
    rig.next_deadline(seconds(60));
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 8 a"]);
    rig.suback(8, &[0]);
    assert_eq!(rig.granted(), [(token, Ok(vec![0, 1, 0x87, 2]))]);
    rig.reconnect(false);
    let mut again = rig.sent();
    again.sort();
    assert_eq!(again, ["Subscribe 10 b", "Subscribe 11 d", "Subscribe 9 a"], "batches here as well");
}

// R: SUB-03
#[test]
fn a_part_is_split_again_for_a_server_that_takes_less() {
    let mut rig = Rig::new(config());
    let token = rig.subscribe(&["aa", "bb", "cc", "a-rather-long-filter", "dd"]);
    rig.connection.connect(rig.now);
    rig.accept(false, properties(&[Property::MaximumPacketSize(15)]).as_properties());
    assert_eq!(rig.sent(), ["Subscribe 1 aa bb", "Subscribe 2 cc", "Subscribe 4 dd"]);
    rig.suback(1, &[0, 0]);
    rig.reconnect_to(true, &[Property::MaximumPacketSize(10)]);
    assert_eq!(rig.sent(), ["Subscribe 5 cc", "Subscribe 6 dd"]);
    rig.suback(5, &[1]);
    rig.suback(6, &[2]);
    assert_eq!(rig.granted(), [(token, Ok(vec![0, 0, 1, 0x95, 2]))], "the one that is too large fails alone");
}

// R: SUB-03, REC-08
#[test]
fn an_operation_in_parts_ends_once_with_the_client() {
    let mut rig = Rig::connected(in_batches(1));
    let subscribe = rig.subscribe(&["a", "b", "c"]);
    let unsubscribe = rig.unsubscribe(&["x", "y"]);
    rig.sent();
    rig.suback(1, &[0]);
    rig.lose();
    rig.connection.disconnect(rig.now, crate::command::Disconnect::default()).unwrap();
    let closed = || Err(OperationError::Closed);
    assert_eq!(rig.granted(), [(subscribe, closed()), (unsubscribe, closed())]);
    assert_eq!(rig.connection.queue.bytes(), 0);
}

// R: SUB-03, REC-03
#[test]
fn an_unsubscribe_in_parts_whose_session_is_lost_completes_here() {
    let mut rig = Rig::connected(in_batches(1));
    let token = rig.unsubscribe(&["a", "b"]);
    assert_eq!(rig.sent(), ["Unsubscribe 1 a", "Unsubscribe 2 b"]);
    rig.unsuback(1, &[0]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), [""; 0]);
    assert_eq!(rig.granted(), [(token, Ok(vec![0, 0x11]))]);
}

// R: SUB-03
#[test]
fn a_set_of_thousands_is_split_in_one_go() {
    let names: Vec<String> = (0..2_000).map(|number| format!("sensor/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rig = Rig::connected(in_batches(1));
    let token = rig.subscribe(&names);
    let mut answered = 0;
    while rig.connection.in_flight() > 0 {
        answered += rig.sent().len();
        for packet_id in 1..=2_000 {
            rig.suback(packet_id, &[0]);
        }
    }
    assert_eq!(answered, names.len());
    assert_eq!(rig.granted(), [(token, Ok(vec![0; names.len()]))]);
}
