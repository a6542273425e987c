//! Which of many topic filters a message belongs to: the client's router.

use super::{Scenario, count, repeat};
use crate::router::{Route, Router};

/// Topics that take turns, so that each is another one than before.
const TOPICS: usize = 100;

pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios: Vec<_> = [1, 100, 10_000]
        .map(|filters| {
            let name = format!("route another topic among filters: {filters}");
            Scenario::new(name, move || route(filters, TOPICS, false)).at_most(3_000)
        })
        .into();
    scenarios.extend([
        Scenario::new("route another topic with its identifier among filters: 10000", || {
            route(10_000, TOPICS, true)
        })
        .at_most(3_000),
        Scenario::new("route the same topic among filters: 10000", || route(10_000, 1, false)),
    ]);
    scenarios
}

/// Seven of ten are plain, two have `+` and one `#`; each topic matches one of each kind, as far as there are so many.
fn filter(number: usize) -> String {
    let (place, kind) = (number / 10, number % 10);
    match kind {
        7 => format!("building/{}/floor/+/room/{place}/temperature", place % 50),
        8 => format!("building/{}/floor/{}/room/{place}/+", place % 50, place % 7),
        9 => format!("building/{}/floor/{}/room/{place}/#", place % 50, place % 7),
        kind => format!("building/{}/floor/{}/room/{place}/sensor{kind}", place % 50, place % 7),
    }
}

fn topic(filters: usize, number: usize) -> String {
    let place = number * 7 % filters.div_ceil(10);
    format!("building/{}/floor/{}/room/{place}/sensor0", place % 50, place % 7)
}

/// `identified`: the message has the Subscription Identifier of one filter that matches.
fn route(filters: usize, topics: usize, identified: bool) -> u64 {
    let mut router = Router::new();
    for number in 0..filters {
        router.insert(&filter(number), number, number as u32 + 1);
    }
    // With one filter there is one topic that matches: another one in between does not.
    let other = |number: usize| filters == 1 && number % 2 == 1;
    let topics: Vec<(String, Option<u32>)> = (0..topics)
        .map(|number| if other(number) { "building/x".into() } else { topic(filters, number) })
        .map(|topic| (topic.clone(), identified.then(|| identifier(filters, &topic))))
        .collect();
    let mut next = 0;
    repeat(1, |counts| {
        let (topic, identifier) = &topics[next % topics.len()];
        next += 1;
        count(counts, || router.route(topic.as_bytes(), identifier.iter().copied()));
        assert_eq!(matches!(router.routed(), Route::Streams(_)), topic != "building/x");
    })
}

fn identifier(filters: usize, topic: &str) -> u32 {
    (0..filters).position(|number| filter(number) == topic).expect("one is plain") as u32 + 1
}
