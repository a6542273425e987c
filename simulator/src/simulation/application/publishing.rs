//! How the application publishes.

use std::time::Duration;

use sterna_client::{Property, Publishing, QoS};

use super::super::choices::{Extras, properties};
use super::super::plan::{Event, How, Patience};
use super::super::promises::{Standing, Terms};
use super::super::unasked::Asking;
use super::{Application, Operation, Surroundings};

/// The topic alias of publishes that may wait, which never stands for a topic alone.
const WAITING_ALIAS: u16 = 3;

impl Application {
    pub(in super::super) fn publish(&mut self, event: &Event, around: &mut Surroundings<'_>) {
        let Event::Publish { topic, qos, how, count, patience, extras, .. } = *event else { return };
        let drop_after = match patience {
            Patience::DropAfter(after) | Patience::CancelAfter(after) => Some(after),
            _ => None,
        };
        let may_end = !matches!(patience, Patience::Endless | Patience::DropAfter(_))
            || matches!(extras.asking, Asking::CancelAfter(_));
        // What was enqueued is asked for in the application's next turn.
        let is_asked_late =
            qos == QoS::AtMostOnce && (extras.asking != Asking::AtOnce || how == How::Enqueue);
        let is_typed = extras.typed && around.setup.is_v5();
        for _ in 0..count {
            let requeues = extras.requeue;
            let terms = Terms { may_end, requeues, is_asked_late, is_typed, ..Terms::default() };
            let number = around.promises.offer(around.client, topic, qos, terms);
            let publishing = self.prepare(event, number, around);
            let operation = match how {
                How::Await => Operation::Publish(publishing),
                How::Enqueue => Operation::Enqueue(publishing.enqueue()),
                How::Send => {
                    let Ok(delivery) = publishing.send() else {
                        around.promises.stand(number, Standing::Void);
                        continue;
                    };
                    around.findings.require(
                        !around.store_failed,
                        "a message is accepted though the store failed",
                        || number.to_string(),
                    );
                    if let Some(alias) = extras.alias {
                        self.aliases.insert(alias, topic);
                    }
                    around.promises.stand(number, Standing::Accepted);
                    Operation::Deliver(delivery)
                }
            };
            self.start(operation, Some(number), drop_after, around.now);
            // The order of the calls is that of the numbers.
            let last = self.tasks.len() - 1;
            self.tasks[last].cancels = matches!(patience, Patience::CancelAfter(_));
            self.tasks[last].asking = extras.asking;
            let is_accepted = matches!(self.tasks[last].operation, Operation::Deliver(_));
            if !is_accepted || !self.put_off(last, around) && self.tasks[last].flag.is_raised() {
                self.poll_task(last, around);
            }
        }
    }

    fn prepare(&self, event: &Event, number: u32, around: &Surroundings<'_>) -> Publishing<'static> {
        let Event::Publish { topic, qos, retain, size, how, patience, extras, .. } = *event else {
            unreachable!("only publishes are prepared")
        };
        let Extras { requeue, alias, typed, .. } = extras;
        let is_v5 = around.setup.is_v5();
        let alias = alias.filter(|_| is_v5);
        // The alias alone, where it was given to this topic before.
        let is_known = how == How::Send && alias.and_then(|alias| self.aliases.get(&alias)) == Some(&topic);
        let payload = format!("{number:08x}{:size$}", "").into_bytes();
        let mut publishing = self.client.publish(if is_known { "" } else { topic }, payload);
        publishing = publishing.qos(qos).retain(retain).requeue(requeue);
        if let Some(alias) = alias {
            publishing = publishing.topic_alias(if how == How::Send { alias } else { WAITING_ALIAS });
        }
        let content_type = format!("{number:08x}");
        let mut all = Vec::new();
        if typed && is_v5 {
            all.push(Property::ContentType(&content_type));
        }
        match patience {
            Patience::Deadline(after) => publishing = publishing.deadline(Duration::from_micros(after)),
            Patience::Expiry(seconds) if is_v5 => all.push(Property::MessageExpiryInterval(seconds)),
            _ => {}
        }
        if all.is_empty() { publishing } else { publishing.properties(properties(&all)) }
    }
}
