//! Requests of the application, and its answers to those of others.

use std::time::Duration;

use sterna_client::{Message, RequestError};

use super::super::plan::Event;
use super::super::promises::Terms;
use super::super::wire::number_of;
use super::subscribing::check_subscribe_error;
use super::{Application, Operation, Surroundings, Task};

impl Application {
    pub(in super::super) fn request(&mut self, event: &Event, around: &mut Surroundings<'_>) {
        let Event::Request { topic, qos, count, timeout, drop_after, .. } = *event else { return };
        for _ in 0..count {
            // It leaves when its response topic is known.
            let terms = Terms { has_no_order: true, ..Terms::default() };
            let number = around.promises.offer(around.client, topic, qos, terms);
            let requesting = self.client.request(topic, format!("{number:08x}?").into_bytes());
            let requesting = requesting.qos(qos).timeout(Duration::from_micros(timeout));
            self.start(
                Operation::Request(Box::new(requesting), timeout),
                Some(number),
                drop_after,
                around.now,
            );
            self.poll_task(self.tasks.len() - 1, around);
        }
    }

    /// A request that should have ended by `now`, for people.
    pub(in super::super) fn overdue(&self, now: u64) -> Option<(Option<u32>, u64)> {
        let is_late = |task: &&Task| matches!(&task.operation, Operation::Request(_, timeout) if now > task.since + timeout);
        self.tasks.iter().find(is_late).map(|task| (task.number, task.since))
    }

    /// A request has ended: with its own answer, or for a reason.
    pub(super) fn answered(
        &mut self,
        index: usize,
        result: Result<Message, RequestError>,
        around: &mut Surroundings<'_>,
    ) {
        let Task { number, since, operation: Operation::Request(_, timeout), .. } = &self.tasks[index] else {
            return;
        };
        let (number, due) = (number.unwrap_or_default(), since + timeout);
        let requests = self.tasks.iter().filter(|task| matches!(task.operation, Operation::Request(..)));
        around.promises.requests[usize::from(result.is_err())] += 1;
        let is_explained = match &result {
            Ok(answer) => {
                around.promises.answered(around.client, number, answer, around.findings);
                true
            }
            Err(RequestError::Publish(error)) => {
                around.promises.resolved::<()>(number, &Err(error.clone()), around.findings);
                return;
            }
            Err(RequestError::Subscribe(error)) => {
                check_subscribe_error(error, self.has_closed, around);
                true
            }
            Err(RequestError::TimedOut) => around.now >= due || around.promises.has_jumped(around.client),
            Err(RequestError::NobodyListens) => !around.promises.was_heard(number),
            Err(RequestError::Full) => requests.count() > around.setup.choices.request_limit,
            Err(RequestError::UnsupportedByVersion) => !around.setup.is_v5(),
            Err(RequestError::Closed) => self.has_closed || around.promises.has_closed(around.client),
            Err(_) => false,
        };
        around.promises.abandoned(number);
        around.findings.require(is_explained, "a request failed without reason", || {
            format!("message {number}: {:?}", result.err())
        });
    }

    /// Answers a request: once, or not at all, or twice.
    pub(super) fn respond(&mut self, request: &Message, around: &mut Surroundings<'_>) {
        let Some(number) = number_of(request.payload()) else { return };
        let asked = request.properties().response_topic().unwrap_or_default();
        let Some(topic) = around.promises.response_topic(number, asked) else {
            return around.findings.violated("a request has another's response topic", asked);
        };
        let times = match number % 8 {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..times {
            let terms = Terms { answers: Some(number), ..Terms::default() };
            let answer = around.promises.offer(around.client, topic, request.qos(), terms);
            match request.respond(format!("{answer:08x}{number:08x}").into_bytes()) {
                Ok(publishing) => {
                    let operation = Operation::Enqueue(publishing.enqueue());
                    self.start(operation, Some(answer), None, around.now);
                    self.poll_task(self.tasks.len() - 1, around);
                }
                Err(error) => around.findings.violated("a request cannot be answered", error),
            }
        }
    }
}
