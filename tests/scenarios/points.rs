//! Every future dropped at every point where it waits: after no poll, after the first, after the second, and so on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sterna::{Client, Event, QoS, State, Subscription};

use crate::brokers::{Broker, Setup};
use crate::cell::{ANYWHERE, ON_V5};
use crate::tools::{event, next, number};

scenarios! {
    ANYWHERE => connecting_is_dropped, publishing_is_dropped, subscribing_is_dropped, disconnecting_is_dropped;
    ON_V5 => a_request_is_dropped;
}

/// No future here waits more often.
const POINTS: usize = 50;

/// Notes that it was woken, and passes that on.
struct Noting {
    woken: AtomicBool,
    outer: Waker,
}

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.outer.wake_by_ref();
    }
}

/// Polls a future at most so often, each time after it was woken, and drops it; its value if it was ready by then.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    let mut noting: Option<Arc<Noting>> = None;
    std::future::poll_fn(|cx| {
        if noting.as_ref().is_some_and(|noting| !noting.woken.load(Ordering::Acquire)) {
            return Poll::Pending; // the task was polled for another reason
        }
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let mine = Arc::new(Noting { woken: AtomicBool::new(false), outer: cx.waker().clone() });
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&mine))));
        if left == 0 && polled.is_pending() {
            return Poll::Ready(None);
        }
        noting = Some(mine);
        polled.map(Some)
    })
    .await
}

/// The client does what it is asked to, one thing after the other.
async fn works(setup: Setup, client: &Client, stream: &mut Subscription, round: usize) {
    client.publish("works", round.to_string()).qos(setup.highest_qos()).await.expect("acknowledged");
    assert_eq!(number(&next(stream).await), round);
}

async fn working(setup: Setup, broker: &Broker) -> (Client, Subscription) {
    let client = broker.connect("client").await;
    let stream = client.subscribe("works").qos(setup.highest_qos()).await.expect("granted");
    (client, stream)
}

// R: CON-12
async fn connecting_is_dropped(setup: Setup) {
    let broker = setup.broker().await;
    for times in 0..POINTS {
        let client = broker.builder("early").build().expect("a client");
        let done = polled(client.connect(), times).await;
        assert!(times > 0 || client.state() == State::Idle, "nothing happens before the first poll");
        client.connect().await.expect("dropping it did not stop it");
        client.disconnect().await.expect("graceful");
        if let Some(result) = done {
            result.expect("connected");
            break;
        }
        assert!(times + 1 < POINTS);
    }
    for times in 0..POINTS {
        if let Some(result) = polled(broker.builder("late").connect(), times).await {
            result.expect("connected");
            break;
        }
        assert!(times + 1 < POINTS);
    }
}

// R: PUB-01, REC-08
async fn publishing_is_dropped(setup: Setup) {
    let broker = setup.broker().await;
    let (client, mut stream) = working(setup, &broker).await;
    let mut numbers = client.subscribe("numbers").qos(setup.highest_qos()).await.expect("granted");
    for &qos in setup.every_qos() {
        for times in 0..POINTS {
            let done = polled(client.publish("numbers", times.to_string()).qos(qos), times).await;
            if times > 0 {
                assert_eq!(
                    number(&next(&mut numbers).await),
                    times,
                    "once it waits in the queue, it is sent"
                );
            }
            works(setup, &client, &mut stream, times).await;
            assert!(numbers.try_next().is_none(), "without a poll nothing is sent");
            if done.is_some() {
                break;
            }
            assert!(times + 1 < POINTS);
        }
        for times in 0..POINTS {
            let mut delivery = client.publish("numbers", "0").qos(qos).send().expect("there is room");
            let done = polled(&mut delivery, times).await;
            assert_eq!(number(&next(&mut numbers).await), 0);
            if let Some(result) = done {
                result.expect("acknowledged");
                break;
            }
            delivery.await.expect("acknowledged");
            assert!(times + 1 < POINTS);
        }
    }
}

// R: SUB-01, SUB-04
async fn subscribing_is_dropped(setup: Setup) {
    let broker = setup.broker().await;
    let (client, mut stream) = working(setup, &broker).await;
    for times in 0..POINTS {
        let done = polled(client.subscribe("numbers").qos(QoS::AtLeastOnce), times).await;
        works(setup, &client, &mut stream, times).await;
        if let Some(result) = done {
            let mut numbers = result.expect("granted");
            client.publish("numbers", "1").qos(QoS::AtLeastOnce).await.expect("acknowledged");
            assert_eq!(number(&next(&mut numbers).await), 1);
            break;
        }
        assert!(times + 1 < POINTS);
    }
    for times in 0..POINTS {
        let mut numbers = client.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");
        // What asks for the next message loses none.
        for polls in 0..3 {
            assert!(polled(numbers.next(), polls.min(1)).await.is_none(), "there is nothing yet");
            client.publish("numbers", polls.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
            assert_eq!(number(&next(&mut numbers).await), polls);
        }
        let done = polled(client.unsubscribe("numbers"), times).await;
        works(setup, &client, &mut stream, times).await;
        if let Some(result) = done {
            result.expect("unsubscribed");
            break;
        }
        assert!(times + 1 < POINTS);
    }
}

// R: REC-10
async fn disconnecting_is_dropped(setup: Setup) {
    let broker = setup.broker().await;
    for times in 0..POINTS {
        let client = broker.connect("leaving").await;
        let mut events = client.events();
        let done = polled(client.disconnect(), times).await;
        if times == 0 {
            client.publish("a", "still here").qos(QoS::AtLeastOnce).await.expect("acknowledged");
            continue;
        }
        event(&mut events, |event| matches!(event, Event::Closed { .. }).then_some(())).await;
        if let Some(result) = done {
            result.expect("graceful");
            break;
        }
        assert!(times + 1 < POINTS);
    }
}

// R: PUB-08
async fn a_request_is_dropped(setup: Setup) {
    let broker = setup.broker().await;
    let (client, mut stream) = working(setup, &broker).await;
    let service = broker.connect("service").await;
    let mut requests = service.subscribe("service").qos(QoS::AtLeastOnce).await.expect("granted");
    let answering = setup.spawn(async move {
        while let Some(request) = requests.next().await {
            request
                .respond(request.payload().to_vec())
                .expect("it is a request")
                .await
                .expect("acknowledged");
        }
    });
    for times in 0..POINTS {
        let done = polled(client.request("service", times.to_string()), times).await;
        works(setup, &client, &mut stream, times).await;
        if let Some(answer) = done {
            assert_eq!(number(&answer.expect("answered")), times, "and not the answer to an earlier one");
            break;
        }
        assert!(times + 1 < POINTS);
    }
    answering.abort();
}
