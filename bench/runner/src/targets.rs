//! What is wanted, and how far away it is.

use serde_json::{Value, json};

use crate::clients::{BARE, CLIENTS, CURRENT, LAYERS, REFERENCE, TOKIO};
use crate::packets::{Packet, STERNA};
use crate::results::{Results, TEN_THOUSAND, beside_socket, cost, field, herd, median_trip, rate, slow_trip};
use crate::scenario::SCENARIOS;
use crate::sink::Transport;
use crate::statistics::Middle;
use crate::tables::{curves, figures};

const REFERENCE_CURRENT: &str = "reference, current_thread";
const HERE: &str = "Sterna, blocking, on this thread";
const SMOL: &str = "Sterna, smol";
const ASYNC_STD: &str = "Sterna, async-std";
const BLOCKING: &str = "Sterna, blocking";
/// How much larger a cost that must not grow may be with much around it: the processor's caches are not in the counts, but
/// vectors that are copied as they grow are.
const FLAT: f64 = 1.15;
/// Which share of ten thousand clients may come back in a tenth of a second.
const HERD: f64 = 0.25;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// One of the targets, and what was measured.
#[derive(Debug)]
pub(crate) struct Target {
    /// Which of the nine.
    pub(crate) number: u8,
    pub(crate) what: String,
    pub(crate) measured: Middle,
    pub(crate) wanted: Wanted,
}

impl Target {
    pub(crate) fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.measured.median >= least,
            Wanted::AtMost(most) => self.measured.median <= most,
        }
    }

    pub(crate) fn wanted(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(least) => format!("≥ {}", figures(least)),
            Wanted::AtMost(most) => format!("≤ {}", figures(most)),
        }
    }

    /// Met, or how many times too little or too much it is.
    pub(crate) fn distance(&self) -> String {
        if self.is_met() {
            return "met".into();
        }
        match self.wanted {
            Wanted::AtLeast(least) => format!("{:.2} × too little", least / self.measured.median),
            Wanted::AtMost(0.0) => "not met".into(),
            Wanted::AtMost(most) => format!("{:.2} × too much", self.measured.median / most),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "target": self.number,
            "what": self.what,
            "measured": self.measured.median,
            "least": self.measured.least,
            "most": self.measured.most,
            "wanted": self.wanted(),
            "met": self.is_met(),
        })
    }
}

/// Those for which there are results.
pub(crate) fn all(results: &Results) -> Vec<Target> {
    let mut list = List { results, targets: Vec::new() };
    list.publishing();
    list.receiving();
    list.trips();
    list.memory();
    list.packets();
    list.layers();
    list.runtimes();
    list.targets.sort_by_key(|target| target.number);
    list.targets
}

struct List<'a> {
    results: &'a Results,
    targets: Vec<Target>,
}

impl List<'_> {
    fn add(&mut self, number: u8, what: impl Into<String>, measured: Option<Middle>, wanted: Wanted) {
        if let Some(measured) = measured {
            self.targets.push(Target { number, what: what.into(), measured, wanted });
        }
    }

    /// Ours against theirs, round by round: of several rows of a peer's that with the highest rate.
    fn rates(&mut self, number: u8, scenario: &str, ours: &str, family: &str, least: f64) {
        let Some(theirs) = self.quickest(scenario, family) else { return };
        let ratio = self.results.ratio(scenario, ours, theirs, rate);
        self.add(number, format!("{}: {ours} / {theirs}", title(scenario)), ratio, Wanted::AtLeast(least));
    }

    fn quickest(&self, scenario: &str, family: &str) -> Option<&'static str> {
        let rate_of = |name| self.results.middle(scenario, name, rate).map(|rate| (name, rate.median));
        let rows = CLIENTS.iter().filter(|client| client.name.starts_with(family));
        let rates = rows.filter_map(|client| rate_of(client.name));
        Some(rates.max_by(|a, b| a.1.total_cmp(&b.1))?.0)
    }

    fn count(&mut self, number: u8, scenario: &str, client: &str, kind: &str, most: f64) {
        let (suffix, name, title_of) = match kind {
            "calls" => ("calls", "calls_each", "system calls a message"),
            "instructions" => ("instructions", "instructions_each", "instructions a message"),
            _ => ("instructions", "allocations_each", "allocations a message"),
        };
        let measured = self.results.middle(&format!("{scenario}-{suffix}"), client, field(name));
        let what = format!("{}: {client}, {title_of}", title(scenario));
        self.add(number, what, measured, Wanted::AtMost(most));
    }

    fn publishing(&mut self) {
        self.rates(1, "pub0", TOKIO, "ntex", 1.5);
        self.rates(1, "pub0", CURRENT, "ntex", 2.0);
        self.rates(1, "pub0", TOKIO, "rumqttc", 8.0);
        for (ours, reference) in [(TOKIO, REFERENCE), (CURRENT, REFERENCE_CURRENT)] {
            let ratio = self.results.ratio("pub0", ours, reference, rate);
            self.add(1, format!("pub QoS 0: {ours} / {reference}"), ratio, Wanted::AtLeast(0.75));
        }
        for ours in [TOKIO, CURRENT] {
            self.count(1, "pub0", ours, "calls", 0.05);
            self.count(1, "pub0", ours, "instructions", 350.0);
            // A thousandth is what the growth of a queue leaves in 30,000 messages.
            self.count(1, "pub0", ours, "allocations", 0.001);
        }
        self.rates(2, "pub1", TOKIO, "ntex", 4.0);
        self.rates(2, "pub1", TOKIO, "rumqttc", 5.0);
        self.rates(2, "pub2", TOKIO, "rumqttc", 4.0);
    }

    fn receiving(&mut self) {
        self.rates(3, "recv0", TOKIO, "rumqttc 0.25 v4", 3.0);
        self.rates(3, "recv1", TOKIO, "rumqttc 0.25 v4", 1.5);
        if let Some(theirs) = self.quickest("recv1", "rumqttc 0.25 v4") {
            let ratio = self.results.ratio("recv1", TOKIO, theirs, cost);
            let what = format!("recv QoS 1: {TOKIO} / {theirs}, processor's time a message");
            self.add(3, what, ratio, Wanted::AtMost(0.2));
        }
        // One for each 64 KiB.
        self.count(3, "recv0", TOKIO, "allocations", 88.0 / 65_536.0);
    }

    fn trips(&mut self) {
        for client in [TOKIO, HERE] {
            for scenario in ["trip0", "trip1"] {
                for (name, number, most) in
                    [("p50", median_trip as fn(&Value) -> Option<f64>, 1.4), ("p99", slow_trip, 2.0)]
                {
                    let ratio = |sample: &Value| beside_socket(sample, number);
                    let measured = self.results.middle(scenario, client, ratio);
                    let what = format!("{}, {name}: {client} / socket", title(scenario));
                    self.add(4, what, measured, Wanted::AtMost(most));
                }
            }
        }
    }

    fn memory(&mut self) {
        let kibibytes = |scenario, name: &'static str| {
            self.results.middle(scenario, TOKIO, |sample| Some(field(name)(sample)? / 1_024.0))
        };
        let (idle, burst) = (kibibytes("idle", "heap"), kibibytes("burst", "resident"));
        let large = [kibibytes("large-pub", "beyond"), kibibytes("large-recv", "beyond")];
        let share = |sample: &Value| Some(herd(sample)? / field("clients")(sample)?);
        let herd = self.results.middle("many", TOKIO, share);
        let clients = self.results.middle("many", TOKIO, field("clients"));
        self.add(5, "idle: live heap, KiB", idle, Wanted::AtMost(6.0));
        self.add(5, "2 s after a burst: resident, KiB", burst, Wanted::AtMost(16.0));
        self.add(
            5,
            "clients of one process that were all back",
            clients,
            Wanted::AtLeast(TEN_THOUSAND as f64),
        );
        let what = "share of them that came in one tenth of a second (how many are a herd is our figure)";
        self.add(5, what, herd, Wanted::AtMost(HERD));
        let [publish, receive] = large;
        self.add(7, "publish 64 MiB: peak memory beyond the payload, KiB", publish, Wanted::AtMost(1_024.0));
        self.add(7, "receive 64 MiB: peak memory beyond the payload, KiB", receive, Wanted::AtMost(1_024.0));
    }

    fn packets(&mut self) {
        let exactly = |value| Middle::of([value]);
        let ours = |packet: &&Packet| packet.who == STERNA && packet.target.is_some();
        let packets: Vec<&Packet> = self.results.packets.iter().filter(ours).collect();
        for packet in &packets {
            let what = format!("{}, instructions", packet.what);
            self.add(
                6,
                what,
                exactly(packet.instructions),
                Wanted::AtMost(packet.target.expect("it has one")),
            );
        }
        let most = packets.iter().map(|packet| packet.allocations).max_by(f64::total_cmp);
        self.add(6, "all of these: allocations", most.and_then(exactly), Wanted::AtMost(0.0));
        // Matching may grow, but less than the filters.
        let flat = curves(self.results).into_iter().filter(|curve| curve.who == STERNA);
        let flat = flat.filter(|curve| !curve.what.starts_with("route"));
        let growth = flat.map(|curve| (curve.growth(), curve.what)).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((growth, what)) = growth {
            let what = format!("growth of the cost that grows most, {what} (what is flat is our figure)");
            self.add(6, what, exactly(growth), Wanted::AtMost(FLAT));
        }
    }

    fn layers(&mut self) {
        for scenario in
            SCENARIOS.iter().filter(|scenario| scenario.layered && scenario.transport != Transport::Tcp)
        {
            let ratio = self.results.ratio(scenario.name, LAYERS, BARE, cost);
            let what = format!("{}: {LAYERS} / {BARE}, processor's time", scenario.title);
            self.add(8, what, ratio, Wanted::AtMost(1.1));
        }
    }

    /// How many times slower than tokio each of the others is where it is slowest.
    fn runtimes(&mut self) {
        for client in [SMOL, ASYNC_STD, BLOCKING, HERE] {
            let flows = ["pub0", "pub1", "pub2", "recv0", "recv1"];
            let slower = flows.map(|scenario| (scenario, self.results.ratio(scenario, TOKIO, client, rate)));
            self.slowest(client, &slower);
            let trips = ["trip0", "trip1"];
            let slower =
                trips.map(|scenario| (scenario, self.results.ratio(scenario, client, TOKIO, median_trip)));
            self.slowest(client, &slower);
        }
    }

    fn slowest(&mut self, client: &str, slower: &[(&str, Option<Middle>)]) {
        let slower = slower.iter().filter_map(|(scenario, ratio)| Some((*scenario, (*ratio)?)));
        let Some((scenario, ratio)) = slower.max_by(|a, b| a.1.median.total_cmp(&b.1.median)) else { return };
        let what = format!("{client}: times slower than {TOKIO} where it is slowest, {}", title(scenario));
        self.add(9, what, Some(ratio), Wanted::AtMost(1.3));
    }
}

fn title(scenario: &str) -> &str {
    SCENARIOS.iter().find(|other| other.name == scenario).map_or(scenario, |other| other.title)
}

#[test]
fn a_distance_is_a_factor() {
    let target = |median, wanted| Target {
        number: 1,
        what: String::new(),
        measured: Middle { median, least: median, most: median },
        wanted,
    };
    assert_eq!(target(0.5, Wanted::AtLeast(1.5)).distance(), "3.00 × too little");
    assert_eq!(target(3.0, Wanted::AtMost(2.0)).distance(), "1.50 × too much");
    assert_eq!(target(2.0, Wanted::AtMost(2.0)).distance(), "met");
}
