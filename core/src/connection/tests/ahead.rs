//! QoS 0 that is encoded while it waits for the transport, and whose outcome is asked for later, or never.

use proptest::prelude::*;

use super::*;
use crate::command::Data;
use crate::config::QueuePolicy;
use crate::error::CancelError;
use crate::event::Sent;

/// The send buffer of these clients is full after the first message or two.
const SMALL: usize = 20;

fn small() -> Config {
    Config { send_buffer: SMALL, ..config() }
}

impl Rig {
    fn send_unreported(&mut self, topic: &str) -> Option<Sent> {
        self.connection.publish_unreported(self.now, &Publish::new(topic, "payload"))
    }

    /// The transport takes so many bytes.
    pub(super) fn write(&mut self, most: usize) {
        self.connection.poll_transmit(self.now, &mut self.transmit);
        let count = self.transmit.remaining().min(most);
        let bytes = self.transmit.copy_to_bytes(count);
        self.wire.extend_from_slice(&bytes);
        self.connection.handle_written(self.now, count);
    }

    fn ask(&mut self, sent: Sent) -> Option<Result<(), OperationError>> {
        self.connection.report_sent(sent).map(|outcome| outcome.map(drop))
    }
}

// R: PUB-01
#[test]
fn calls_are_sent_in_their_order_whatever_waits() {
    let mut rig = Rig::connected(small());
    let large = bytes::Bytes::from(vec![b'x'; 5_000]);
    for _ in 0..2 {
        rig.send_unreported("a").unwrap();
        rig.send_unreported("b").unwrap();
        rig.publish("c", QoS::AtLeastOnce);
        rig.send_unreported("d").unwrap();
        // This one is not copied, and becomes a record.
        let shared = Publish::new("e", Data::Bytes(large.clone()));
        assert_eq!(rig.connection.publish_unreported(rig.now, &shared), None);
        rig.connection.publish(rig.now, shared).unwrap();
        rig.send_unreported("f").unwrap();
        rig.subscribe(&["g"]);
        rig.send_unreported("h").unwrap();
        rig.send_unreported("i").unwrap();
    }
    assert!(rig.connection.queued() > 10, "{}", rig.connection.queued());
    let expected = ["q0 a", "q0 b", "q1 c", "q0 d", "q0 e", "q0 f", "g", "q0 h", "q0 i"];
    let sent = rig.sent();
    let sent: Vec<_> = sent.iter().map(|packet| packet.splitn(3, ' ').nth(2).unwrap()).collect();
    assert_eq!(sent, [expected, expected].concat());
    assert_eq!((rig.connection.queued(), rig.connection.statistics().packets_sent), (0, 19));
}

// R: PUB-01
// R: REC-07
#[test]
fn what_waited_for_a_lost_connection_is_sent_on_the_next() {
    let mut rig = Rig::connected(small());
    let sent: Vec<_> = ["a", "b", "c", "d"].map(|topic| rig.send_unreported(topic).unwrap()).into();
    // `a` and `b` are among the bytes enqueued.
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    rig.lose();
    assert_eq!(rig.outcomes(), []);
    assert_eq!(rig.ask(sent[1]), Some(Err(OperationError::Lost)));
    // It waits: its outcome will be told.
    assert_eq!(rig.ask(sent[3]), None);
    rig.next_deadline(seconds(60));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 0 q0 c", "Publish 0 q0 d"]);
    let outcomes = rig.outcomes();
    assert!(outcomes.contains(&(sent[3].token(), Ok(0))), "{outcomes:?}");
    assert_eq!(rig.ask(sent[2]), Some(Ok(())));
}

// R: PUB-05
#[test]
fn it_can_be_cancelled_while_it_waits() {
    let mut rig = Rig::connected(small());
    let sent: Vec<_> = ["a", "b", "c", "d"].map(|topic| rig.send_unreported(topic).unwrap()).into();
    assert_eq!(rig.ask(sent[2]), None);
    assert_eq!(rig.connection.cancel(rig.now, sent[2].token()), Ok(()));
    assert_eq!(rig.outcomes(), [(sent[2].token(), Err(OperationError::Cancelled))]);
    assert_eq!(rig.sent(), ["Publish 0 q0 a", "Publish 0 q0 b", "Publish 0 q0 d"]);
    assert_eq!(rig.connection.cancel(rig.now, sent[3].token()), Err(CancelError));
    assert_eq!(rig.ask(sent[2]), Some(Err(OperationError::Lost)), "asked for the second time");
}

// R: REC-07
#[test]
fn the_bounds_and_policies_of_the_queue_hold() {
    for policy in [QueuePolicy::Wait, QueuePolicy::Reject, QueuePolicy::DropNewest] {
        let mut rig = Rig::connected(Config { queue_limit: 3, queue_policy: policy, ..small() });
        let accepted = (0..10).take_while(|_| rig.send_unreported("a").is_some()).count();
        assert_eq!((accepted, rig.connection.queued()), (5, 3), "{policy:?}");
        assert!(!rig.connection.has_room());
        rig.write(SMALL);
        assert!(rig.send_unreported("a").is_some());
    }
    for policy in [QueuePolicy::DropOldest, QueuePolicy::LatestPerTopic] {
        let mut rig = Rig::connected(Config { queue_policy: policy, ..small() });
        let accepted = (0..10).take_while(|_| rig.send_unreported("a").is_some()).count();
        assert_eq!((accepted, rig.connection.queued()), (2, 0), "{policy:?}");
    }
}

// R: PUB-02
#[test]
fn no_more_is_handed_over_at_a_time_than_the_send_buffer_is_for() {
    for send_buffer in [SMALL, 10_000] {
        let mut rig = Rig::connected(Config { send_buffer, ..config() });
        for _ in 0..5_000 {
            rig.send_unreported("a").unwrap();
        }
        while rig.connection.queued() > 0 {
            rig.write(usize::MAX);
            let unsent = rig.connection.unsent();
            // A run goes as a whole.
            assert!(unsent < 2 * send_buffer as u64 + 5_000, "{unsent} of {send_buffer}");
        }
    }
}

#[test]
fn what_waits_fails_with_a_client_that_closes() {
    let mut rig = Rig::connected(small());
    let sent: Vec<_> = ["a", "b", "c", "d"].map(|topic| rig.send_unreported(topic).unwrap()).into();
    assert_eq!(rig.ask(sent[2]), None);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.lose();
    assert_eq!(rig.ask(sent[3]), Some(Err(OperationError::Lost)));
    assert_eq!(rig.ask(sent[0]), Some(Err(OperationError::Lost)));
    let outcomes = rig.outcomes();
    assert!(outcomes.contains(&(sent[2].token(), Err(OperationError::Closed))), "{outcomes:?}");
    assert_eq!(rig.connection.queued(), 0);
}

#[derive(Debug, Clone)]
enum Operation {
    Send(usize),
    Publish(QoS),
    Write(usize),
    Ask(usize),
    Cancel(usize),
    Reconnect,
    Acknowledge,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => (0..3_000_usize).prop_map(Operation::Send),
        2 => prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce)].prop_map(Operation::Publish),
        6 => (0..20_000_usize).prop_map(Operation::Write),
        3 => any::<usize>().prop_map(Operation::Ask),
        1 => any::<usize>().prop_map(Operation::Cancel),
        1 => Just(Operation::Reconnect),
        2 => Just(Operation::Acknowledge),
    ]
}

/// A client, and what is known of its messages.
struct Checked {
    rig: Rig,
    /// Messages of QoS 0 that nobody has asked for, by their numbers, which are their topics.
    unasked: Vec<(u32, Sent)>,
    asked: Vec<(u32, Token)>,
    ended: Vec<(u32, bool)>,
    /// The numbers of the messages that the transport took whole.
    taken: Vec<u32>,
    next: u32,
    losses: usize,
}

impl Checked {
    fn topic(&mut self) -> String {
        self.next += 1;
        self.next.to_string()
    }

    fn run(&mut self, operation: &Operation) {
        match operation {
            Operation::Send(size) => {
                let (topic, payload) = (self.topic(), vec![b'x'; *size]);
                let publish = Publish::new(&topic, &payload[..]);
                let rig = &mut self.rig;
                if let Some(sent) = rig.connection.publish_unreported(rig.now, &publish) {
                    self.unasked.push((self.next, sent));
                } else {
                    let token = rig.connection.publish(rig.now, publish).unwrap();
                    self.asked.push((self.next, token));
                }
            }
            Operation::Publish(qos) => {
                let topic = self.topic();
                let token = self.rig.publish(&topic, *qos);
                if *qos == QoS::AtMostOnce {
                    self.asked.push((self.next, token));
                }
            }
            Operation::Write(most) => self.rig.write(*most),
            Operation::Ask(at) if !self.unasked.is_empty() => {
                let at = at % self.unasked.len();
                let (number, sent) = self.unasked.remove(at);
                self.ask(number, sent);
            }
            Operation::Cancel(at) if !self.asked.is_empty() => {
                let (_, token) = self.asked[at % self.asked.len()];
                let _ = self.rig.connection.cancel(self.rig.now, token);
            }
            Operation::Reconnect => self.reconnect(),
            Operation::Acknowledge => {
                for id in 1..=5 {
                    let is_sent = self.rig.connection.in_flight.table.get(id).is_some_and(|entry| entry.sent);
                    if is_sent {
                        self.rig.ack(PacketType::PubAck, id, ReasonCode::SUCCESS);
                    }
                }
            }
            Operation::Ask(_) | Operation::Cancel(_) => {}
        }
        self.look();
    }

    fn ask(&mut self, number: u32, sent: Sent) {
        match self.rig.ask(sent) {
            Some(outcome) => self.ended.push((number, outcome.is_ok())),
            None => self.asked.push((number, sent.token())),
        }
    }

    /// Looks at the outcomes that were told.
    fn look(&mut self) {
        for (token, outcome) in self.rig.outcomes() {
            if let Some(at) = self.asked.iter().position(|(_, asked)| *asked == token) {
                let (number, _) = self.asked.remove(at);
                self.ended.push((number, outcome.is_ok()));
            }
        }
    }

    /// Looks at the packets that were taken whole on this connection.
    fn read(&mut self) {
        let wire = std::mem::take(&mut self.rig.wire);
        let version = self.rig.version;
        let mut rest = &wire[..];
        let mut last = 0;
        while let Ok(Some(header)) = FixedHeader::parse(rest, version, PROTOCOL_MAXIMUM_PACKET_SIZE)
            && let Some((packet, after)) = rest.split_at_checked(header.packet_size())
        {
            let body = &packet[usize::from(header.header_length)..];
            if let Ok(Packet::Publish(publish)) = Packet::decode(header, body, version, Sender::Client)
                && publish.qos == QoS::AtMostOnce
            {
                let number = publish.topic.parse().unwrap();
                assert!(number > last, "{number} came after {last}");
                last = number;
                self.taken.push(number);
            }
            rest = after;
        }
    }

    fn reconnect(&mut self) {
        self.losses += 1;
        self.read();
        self.rig.lose();
        self.look();
        self.rig.next_deadline(seconds(600));
        self.rig.dial();
        self.rig.pump();
        self.rig.wire.clear();
        let reason = ReasonCode::SUCCESS;
        let properties = Properties::EMPTY;
        self.rig.send(&Packet::ConnAck(ConnAck { session_present: true, reason, properties }));
        self.look();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    // R: PUB-01
    #[test]
    fn outcomes_are_what_became_of_the_messages(
        operations in prop::collection::vec(operation(), 1..150),
        send_buffer in 1..40_000_usize,
    ) {
        let rig = Rig::connected(Config { send_buffer, ..config() });
        let mut checked = Checked {
            rig,
            unasked: Vec::new(),
            asked: Vec::new(),
            ended: Vec::new(),
            taken: Vec::new(),
            next: 0,
            losses: 0,
        };
        for operation in &operations {
            checked.run(operation);
        }
        checked.rig.pump();
        checked.look();
        checked.read();
        for (number, sent) in std::mem::take(&mut checked.unasked) {
            checked.ask(number, sent);
        }
        prop_assert!(checked.asked.is_empty(), "all were taken: {:?}", checked.asked);
        let mut taken = checked.taken.clone();
        taken.sort_unstable();
        prop_assert!(taken.is_sorted_by(|one, next| one < next), "one was sent twice");
        let cancels = operations.iter().any(|operation| matches!(operation, Operation::Cancel(_)));
        for (number, succeeded) in &checked.ended {
            let was_taken = taken.binary_search(number).is_ok();
            prop_assert!(!succeeded || was_taken, "{number} was never taken");
            prop_assert!(*succeeded || checked.losses > 0 || cancels, "{number} failed");
        }
    }
}
