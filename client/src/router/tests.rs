//! Matching, identifiers, and what is given back.

use super::trie::Node;
use super::*;
use proptest::prelude::*;

fn router(filters: &[&str]) -> Router {
    let mut router = Router::new();
    for (stream, filter) in filters.iter().enumerate() {
        router.insert(filter, stream, stream as u32 + 1);
    }
    router
}

fn answer<'a>(router: &'a mut Router, name: &str, identifiers: &[u32]) -> Route<'a> {
    router.route(name.as_bytes(), identifiers.iter().copied());
    router.routed()
}

/// The streams of a message with these identifiers.
fn marked(router: &mut Router, name: &str, identifiers: &[u32]) -> Vec<StreamId> {
    router.route(name.as_bytes(), identifiers.iter().copied());
    match router.routed() {
        Route::Streams(streams) => streams.to_vec(),
        Route::Unclaimed | Route::Late => Vec::new(),
    }
}

fn routed(router: &mut Router, name: &str) -> Vec<StreamId> {
    marked(router, name, &[])
}

/// As a refused filter goes.
fn remove(router: &mut Router, filter: &str, stream: StreamId) -> bool {
    let unwanted = router.leave(filter, stream);
    if unwanted {
        router.remove(filter);
    }
    unwanted
}

// R: SUB-05
#[test]
fn the_specifications_examples() {
    let mut router =
        router(&["sport/tennis/player1/#", "sport/+", "/+", "+", "#", "$SYS/#", "+/monitor", "+/+"]);
    assert_eq!(routed(&mut router, "sport/tennis/player1"), [0, 4]);
    assert_eq!(routed(&mut router, "sport/tennis/player1/score/wimbledon"), [0, 4]);
    assert_eq!(routed(&mut router, "sport"), [3, 4]);
    assert_eq!(routed(&mut router, "sport/"), [1, 4, 7]);
    assert_eq!(routed(&mut router, "/finance"), [2, 4, 7]);
    assert_eq!(routed(&mut router, "$SYS/monitor"), [5]);
    assert_eq!(routed(&mut router, "$SYS"), [5]);
}

// R: SUB-05
#[test]
fn shared_subscriptions_route_by_their_filter_and_are_filters_of_their_own() {
    let mut router = router(&["$share/g/a/+", "a/+"]);
    assert_eq!(routed(&mut router, "a/b"), [0, 1]);
    assert!(remove(&mut router, "$share/g/a/+", 0));
    assert_eq!(routed(&mut router, "a/b"), [1]);
    assert!(router.streams_of("$share/g/a/+").is_empty());
    assert_eq!(router.streams_of("a/+"), [1]);
}

// R: SUB-05
#[test]
fn a_stream_gets_a_message_once_and_a_filter_may_be_shared() {
    let mut router = Router::new();
    router.insert("a/#", 7, 1);
    router.insert("a/b", 7, 1);
    router.insert("a/b", 8, 2);
    assert_eq!(routed(&mut router, "a/b"), [7, 8]);
    assert!(!remove(&mut router, "a/b", 7));
    assert!(!remove(&mut router, "a/b", 7));
    assert!(remove(&mut router, "a/b", 8));
    assert_eq!(routed(&mut router, "a/b"), [7]);
}

// R: SUB-05
#[test]
fn an_identifier_routes_if_its_filter_matches_and_else_matching_decides() {
    let mut router = router(&["a/#", "a/b", "c"]);
    assert_eq!(marked(&mut router, "a/b", &[1]), [0]);
    assert_eq!(marked(&mut router, "a/b", &[2]), [1]);
    assert_eq!(marked(&mut router, "a/b", &[2, 1]), [0, 1]);
    assert_eq!(marked(&mut router, "a/b", &[1, 77]), [0], "77 is of an earlier process");
    assert_eq!(marked(&mut router, "a/b", &[3]), [0, 1], "c has 3, and does not match");
    assert_eq!(marked(&mut router, "a/b", &[77]), [0, 1]);
    assert_eq!(marked(&mut router, "a/b", &[]), [0, 1]);
}

// R: SUB-05
#[test]
fn a_filter_subscribed_again_has_both_identifiers_until_the_session_is_lost() {
    let mut router = router(&["a/#", "a/b"]);
    router.insert("a/b", 2, 3);
    assert_eq!(marked(&mut router, "a/b", &[2]), [1, 2], "under way when it was subscribed again");
    assert_eq!(marked(&mut router, "a/b", &[3]), [1, 2]);
    router.session_lost();
    assert_eq!(marked(&mut router, "a/b", &[3]), [1, 2]);
    assert_eq!(marked(&mut router, "a/b", &[2]), [0, 1, 2], "it is nobody's now");
    for identifier in 10..30 {
        router.insert("a/b", 2, identifier);
    }
    assert_eq!(router.filters[router.names["a/b"]].identifiers.len(), IDENTIFIERS);
}

// R: SUB-05
#[test]
fn a_copy_of_a_subscription_that_is_gone_is_nobody_elses() {
    let mut router = router(&["a/#", "a/b"]);
    assert!(router.leave("a/b", 1));
    assert_eq!(answer(&mut router, "a/b", &[2]), Route::Unclaimed, "it is subscribed still");
    router.unsubscribe("a/b");
    assert_eq!(answer(&mut router, "a/b", &[2]), Route::Late);
    assert_eq!(answer(&mut router, "a/b", &[2, 1]), Route::Streams(&[0]));
    assert_eq!(answer(&mut router, "a/b", &[77]), Route::Streams(&[0]));
    // The same filter anew: what comes for the old subscription is late still.
    router.insert("a/b", 3, 5);
    assert_eq!(answer(&mut router, "a/b", &[2]), Route::Late);
    assert_eq!(answer(&mut router, "a/b", &[5]), Route::Streams(&[3]));
    // Without identifiers nothing can be told.
    assert_eq!(answer(&mut router, "a/b", &[]), Route::Streams(&[0, 3]));
    assert!(router.leave("a/#", 0) && router.leave("a/b", 3));
    router.unsubscribe("a/#");
    router.unsubscribe("a/b");
    assert_eq!(answer(&mut router, "a/b", &[]), Route::Late);
    assert_eq!(answer(&mut router, "x", &[]), Route::Unclaimed);
}

// R: SUB-05
#[test]
fn a_filter_that_the_server_has_without_identifier_takes_every_copy() {
    let mut router = router(&["a/#", "a/b"]);
    router.confirm("a/#", false);
    router.confirm("a/b", true);
    assert_eq!(marked(&mut router, "a/b", &[2]), [0, 1]);
    router.confirm("a/#", true);
    assert_eq!(marked(&mut router, "a/b", &[2]), [1]);
}

#[test]
fn removing_gives_every_node_back() {
    let filters = ["a/b/c", "a/+/c", "a/#", "#", "+", "$share/x/a/b/d"];
    let mut router = router(&filters);
    let nodes = router.trie.nodes.len();
    for (stream, filter) in filters.iter().enumerate() {
        assert!(remove(&mut router, filter, stream));
    }
    assert_eq!(router.trie.free.len(), nodes - 1);
    assert!(router.trie.nodes.iter().all(Node::is_empty));
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("a".into()), Just("b".into()), Just("$s".into())]
}

fn filter() -> impl Strategy<Value = String> {
    let levels = proptest::collection::vec(prop_oneof![3 => level(), 1 => Just("+".to_owned())], 1..4);
    (levels, any::<bool>(), any::<bool>()).prop_map(|(levels, rest, shared)| {
        let mut filter = levels.join("/");
        if rest {
            filter.push_str("/#");
        }
        if shared && !filter.is_empty() { format!("$share/g/{filter}") } else { filter }
    })
}

proptest! {
    // R: SUB-05
    #[test]
    fn agrees_with_matching_each_filter(
        filters in proptest::collection::vec((filter(), 0..4_usize), 0..12),
        gone in proptest::collection::vec(any::<bool>(), 12),
        names in proptest::collection::vec(proptest::collection::vec(level(), 1..4), 1..8),
    ) {
        let mut router = Router::new();
        let mut model = std::collections::BTreeSet::new();
        for (filter, stream) in filters.iter().filter(|(filter, _)| topic::validate_filter(filter).is_ok()) {
            router.insert(filter, *stream, 1);
            model.insert((filter.clone(), *stream));
        }
        for ((filter, stream), _) in filters.iter().zip(gone).filter(|(_, gone)| *gone) {
            remove(&mut router, filter, *stream);
            model.remove(&(filter.clone(), *stream));
        }
        for name in names.iter().map(|levels| levels.join("/")).filter(|name| !name.is_empty()) {
            let mut expected: Vec<_> =
                model.iter().filter(|(filter, _)| topic::matches(filter, &name)).map(|&(_, stream)| stream).collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(routed(&mut router, &name), expected.clone(), "{}", name);
            prop_assert_eq!(routed(&mut router, &name), expected.clone(), "{} from the memo", name);
        }
    }
}
