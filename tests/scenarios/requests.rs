//! Requests and answers between two clients (5.0).

use std::time::Duration;

use sterna::{Client, ProtocolVersion, QoS, RequestError};

use crate::brokers::{Memory, Setup};
use crate::cell::{ON_V3, ON_V5};
use crate::tools::{connected, next, number, text};

scenarios! {
    ON_V5 => requests_of_many_tasks_at_once, a_request_over_a_restart_of_the_broker;
    ON_V3 => no_requests_on_older_versions;
}

/// Answers each request with the double of its number; of those that are there, the last one first.
async fn serve(client: Client) {
    let mut requests = client.subscribe("double/+").qos(QoS::AtLeastOnce).await.expect("granted");
    while let Some(request) = requests.next().await {
        let mut there = vec![request];
        there.extend(std::iter::from_fn(|| requests.try_next()));
        for request in there.into_iter().rev() {
            let answer = (2 * number(&request)).to_string();
            request.respond(answer).expect("it is a request").await.expect("acknowledged");
        }
    }
}

// R: PUB-08
async fn requests_of_many_tasks_at_once(setup: Setup) {
    const COUNT: usize = 200;
    let broker = setup.broker().await;
    let service = setup.spawn(serve(broker.connect("service").await));
    let client = broker.connect("client").await;
    // The service may not be there yet.
    while let Err(error) = client.request("double/ready", "0").timeout(Duration::from_millis(50)).await {
        assert!(matches!(error, RequestError::TimedOut | RequestError::NobodyListens), "{error}");
    }
    let requests = (0..COUNT).map(|n| {
        let client = client.clone();
        setup.spawn(async move {
            let answer = client.request(format!("double/{n}"), n.to_string()).await.expect("answered");
            assert_eq!(number(&answer), 2 * n);
        })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await;
    }
    service.abort();
}

// R: PUB-08
async fn a_request_over_a_restart_of_the_broker(setup: Setup) {
    let mut broker = setup.broker().await;
    let service = broker.builder("service").persistent().connect().await.expect("connected");
    let mut requests = service.subscribe("service").qos(QoS::AtLeastOnce).await.expect("granted");
    let client = broker.connect("client").await;
    let request = setup.spawn(async move { client.request("service", "question").await });
    let question = next(&mut requests).await;
    let mut events = service.events();
    broker.stop(Memory::Lost).await;
    broker.start().await;
    connected(&mut events).await;
    // The other client may come back later, and subscribe to its response topic again.
    let mut request = request;
    let answer = loop {
        question.respond("answer").expect("it is a request").await.expect("acknowledged");
        let again = Duration::from_millis(50);
        if let Ok(answer) = tokio::time::timeout(again, &mut request).await {
            break answer;
        }
    };
    assert_eq!(answer.expect("answered").text(), Ok("answer"));
}

// R: PUB-08, CON-02
async fn no_requests_on_older_versions(setup: Setup) {
    assert_ne!(setup.version(), ProtocolVersion::V5);
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let error = client.request("service", "question").await.expect_err("there are none");
    assert_eq!(error, RequestError::UnsupportedByVersion);
    let mut stream = client.subscribe("a").await.expect("granted");
    client.publish("a", "still alive").await.expect("sent");
    assert_eq!(text(&mut stream).await, "still alive");
}
