//! `sterna pub` and `sterna sub` over the restart of their server.

mod support;

use sterna_core::packet::{PacketType, ReasonCode};
use sterna_simulator::broker::{Fault, OnReceive, Sessions};

use support::{Broker, Sterna, VERSIONS, first_copies, publish, subscriber};

fn numbers(range: std::ops::Range<u32>) -> String {
    range.map(|number| number.to_string() + "\n").collect()
}

// R: REC-01 CLI-01
#[test]
fn every_line_is_delivered_over_a_restart() {
    for version in VERSIONS {
        let broker = Broker::start();
        let url = broker.url();
        let arguments = ["sub", &url, "-c", "-i", "sub", "-t", "a", "-q", "1", "-V", version, "-W", "60"];
        let mut sub = Sterna::start(&arguments);
        broker.wait_for("sub", PacketType::Subscribe, 1);
        let arguments = ["pub", &url, "-i", "pub", "-t", "a", "-l", "-q", "1", "-V", version, "-W", "60"];
        let mut lines = Sterna::start(&arguments);
        lines.write(numbers(0..50).as_bytes());
        broker.wait_for("pub", PacketType::Publish, 50);
        let mut heard = sub.read_lines(50);
        broker.take_down(Sessions::Keep);
        lines.wait_to_say("next attempt in");
        lines.write(numbers(50..100).as_bytes());
        broker.bring_up();
        lines.write(numbers(100..150).as_bytes());
        lines.close_input();
        lines.end().expect(0);
        while heard.last().is_none_or(|last| last != "149") {
            heard.extend(sub.read_lines(1));
        }
        assert_eq!(first_copies(&heard), (0..150).collect::<Vec<_>>(), "MQTT {version}");
        sub.signal("TERM");
        let ended = sub.end().expect(0);
        assert!(ended.errors.iter().any(|line| line == "sterna: connected again"), "{ended:?}");
    }
}

// R: REC-03
#[test]
fn a_subscriber_subscribes_again_where_the_session_is_lost() {
    for version in VERSIONS {
        let broker = Broker::start();
        let mut sub = subscriber(&broker, &["-t", "a", "-q", "1", "-C", "1", "-V", version]);
        broker.take_down(Sessions::Lose);
        sub.wait_to_say("next attempt in");
        broker.bring_up();
        broker.wait_for("sub", PacketType::Subscribe, 2);
        publish(&broker, &["-t", "a", "-m", "x", "-q", "1"]);
        assert_eq!(sub.end().expect(0).text(), "x\n");
    }
}

// R: REC-03 CLI-01
#[test]
fn a_subscriber_ends_when_nothing_is_subscribed_any_more() {
    let broker = Broker::start();
    let mut sub = subscriber(&broker, &["-t", "a", "-d"]);
    sub.wait_to_say("subscribed to a");
    let refusal = OnReceive::Answer(ReasonCode::NOT_AUTHORIZED);
    broker.model.with(|model, _| model.add_fault(Fault::receiving(PacketType::Subscribe, refusal)));
    broker.take_down(Sessions::Lose);
    broker.bring_up();
    let ended = sub.end().expect(1);
    let said = &ended.errors;
    let refused = "sterna: the server now refuses the subscription to a: Not authorized (0x87)";
    assert!(said.iter().any(|line| line == refused), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("sterna: no subscription is left"));
    broker.wait_for("sub", PacketType::Disconnect, 1);
}

// R: CLI-01
#[test]
fn a_refusal_after_a_loss_is_the_end() {
    for (version, status) in [("3.1.1", 5), ("5", 135)] {
        let broker = Broker::start();
        let sub = subscriber(&broker, &["-t", "a", "-V", version, "--quiet"]);
        let refusal = OnReceive::Answer(ReasonCode::NOT_AUTHORIZED);
        broker.model.with(|model, now| {
            model.add_fault(Fault::receiving(PacketType::Connect, refusal));
            let connection = model.connection_of("sub").expect("it is connected");
            model.drop_connection(now, connection);
        });
        let ended = sub.end().expect(status);
        assert_eq!(ended.error(), "the server refused the connection: Not authorized (0x87)");
    }
}
