//! What a packet costs in the codecs and the cores of Sterna's peers, without a socket, and in a few lines by hand. The same
//! steps as those of `../../counts`, which has Sterna's; `../../runner` has both counted by callgrind.

mod by_hand;
mod measured;
mod message;
mod ntex;
mod protocol_core;
mod rumqttc;

/// Instructions and allocations are counted while it runs; how many messages that were.
type Run = fn() -> u64;

const ENCODE: &str = "encode PUBLISH 3.1.1, 88 bytes";
const DECODE: &str = "decode PUBLISH 3.1.1, 88 bytes";
const DECODE_OWNED: &str = "decode PUBLISH 3.1.1, 88 bytes, owned";
const ENCODE_RICH: &str = "encode PUBLISH 5.0, five properties, 256 bytes";
const DECODE_RICH: &str = "decode PUBLISH 5.0, five properties, 256 bytes, owned";
const SEND_BATCH: &str = "send QoS 0, 3.1.1, batch of 256";
const SEND_ONE: &str = "send QoS 0, 3.1.1, singly";
const RECEIVE_BATCH: &str = "receive QoS 0, 3.1.1, 186 a read";
const RECEIVE_ONE: &str = "receive QoS 0, 3.1.1, one a read";
/// What `SEND_BATCH` and `RECEIVE_BATCH` have.
const SENT: u64 = 256;
const READ: u64 = 186;
/// With so many in flight one is acknowledged and another one sent.
const IN_FLIGHT: [(&str, u16); 4] = [
    ("send QoS 1, acknowledged in order, in flight: 1", 1),
    ("send QoS 1, acknowledged in order, in flight: 100", 100),
    ("send QoS 1, acknowledged in order, in flight: 10000", 10_000),
    ("send QoS 1, acknowledged in order, in flight: 65535", u16::MAX),
];

/// Who, what, and how.
struct Scenario {
    who: &'static str,
    what: &'static str,
    run: Box<dyn Fn() -> u64>,
}

fn all() -> Vec<Scenario> {
    let plain = |who, scenarios: &[(&'static str, Run)]| -> Vec<Scenario> {
        scenarios.iter().map(|&(what, run)| Scenario { who, what, run: Box::new(run) }).collect()
    };
    let in_flight = |who, run: fn(u16) -> u64| {
        IN_FLIGHT.map(|(what, many)| Scenario { who, what, run: Box::new(move || run(many)) })
    };
    let mut all = plain("by hand", by_hand::SCENARIOS);
    all.extend(plain("rumqttc 0.25", rumqttc::SCENARIOS));
    all.extend(in_flight("rumqttc 0.25", rumqttc::in_flight));
    all.extend(plain("ntex-mqtt 9.0", ntex::SCENARIOS));
    all.extend(plain("mqtt-protocol-core 0.7", protocol_core::SCENARIOS));
    all.extend(in_flight("mqtt-protocol-core 0.7", protocol_core::in_flight));
    all
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["--list"] => all().iter().for_each(|scenario| println!("{}: {}", scenario.who, scenario.what)),
        ["--run", name] => {
            let is_it = |scenario: &&Scenario| name.split_once(": ") == Some((scenario.who, scenario.what));
            let scenarios = all();
            let scenario = scenarios.iter().find(is_it).expect("a name that --list has");
            let messages = (scenario.run)();
            println!("{messages} {}", measured::allocations());
        }
        _ => panic!("--list, or --run NAME"),
    }
}
