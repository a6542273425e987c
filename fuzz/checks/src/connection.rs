//! A client, and everything that can happen to it: commands, packets of any kind, time, cuts, a slow or failing store,
//! and crashes.

mod packets;
mod world;

use std::time::Duration;

use sterna_core::packet::{
    FiltersBuf, ProtocolVersion, QoS, ReasonCode, SubscribeFilter, SubscribeOptions, TopicFiltersBuf,
};
use sterna_core::{
    Acknowledge, Auth, Authentication, Backlog, CleanStart, ClientId, Config, Disconnect, Publish,
    QueuePolicy, Reconnect, Subscribe, TopicAliases, Unsubscribe, VersionPolicy,
};

use self::world::{RESERVE, World};
use crate::input::Input;

const TOPICS: [&str; 5] = ["t", "a/b", "a/longer/topic/name", "", "not/+/lawful"];
const FILTERS: [&str; 5] = ["t", "a/#", "$share/g/a/+", "+", "not#lawful"];

/// First two bytes: the client's options. Then what happens, a byte for its kind and what belongs to it:
///
/// | Kind modulo 24 | What |
/// |---|---|
/// | 0 | time passes up to the next deadline, or a second |
/// | 1 | milliseconds pass: two bytes |
/// | 2 | the server sends bytes: their length, the bytes |
/// | 3 | the server sends a packet that fits: see `packets` |
/// | 4 | the connection is lost |
/// | 5 | the dialled connection is up |
/// | 6 | dialling fails |
/// | 7 | the transport takes bytes: how many, 0 all |
/// | 8 | the store has carried out its oldest batch |
/// | 9 | the store has failed |
/// | 10 | publish: a byte for topic (the upper half), QoS and flags, then payload, alias and deadline |
/// | 11 | subscribe: filters and QoS, then identifier and deadline |
/// | 12 | unsubscribe: the filter (the upper half), then the deadline |
/// | 13 | cancel an operation: which |
/// | 14 | acknowledge a message: which, the reason |
/// | 15 | the application takes messages: how many |
/// | 16 | answer to an authentication |
/// | 17 | begin one |
/// | 18 | disconnect: bit 0 at once |
/// | 19 | connect |
/// | 20 | reconnect |
/// | 21 | the driver keeps messages for the application: how many |
/// | 22 | the process is killed, and another one begins with what the store has |
/// | 23 | dialling, the transport and the store do their work at once from now on, or no more |
pub fn connection(input: &[u8]) {
    let mut input = Input::new(input);
    let (config, has_store) = config(input.byte(), input.byte());
    let mut world = World::new(config, has_store);
    while let Some(kind) = input.next() {
        happen(&mut world, kind % 24, &mut input);
        world.drive();
    }
    world.end();
}

/// Small bounds, so that they are met.
fn config(first: u8, second: u8) -> (Config, bool) {
    let mut config = Config::new(1);
    config.client_id = ClientId::Given("fuzz".into());
    config.version = match first % 4 {
        0 => VersionPolicy::Only(ProtocolVersion::V3_1),
        1 => VersionPolicy::Only(ProtocolVersion::V3_1_1),
        2 => VersionPolicy::Only(ProtocolVersion::V5),
        _ => VersionPolicy::Automatic { on_close: true },
    };
    let has_store = first & 4 != 0;
    if first & 8 != 0 {
        config.acknowledge = Acknowledge::Explicit;
    }
    if first & 16 != 0 && first & 2 != 0 {
        config.authentication = Some(Box::new(Authentication { method: "M".into(), data: None }));
    }
    config.packet_events = first & 32 != 0;
    config.topic_alias = if first & 64 != 0 { TopicAliases::Assign } else { TopicAliases::Use };
    if first & 128 != 0 {
        config.clean_start = CleanStart::Never;
    }
    config.queue_policy = match second % 5 {
        0 => QueuePolicy::Wait,
        1 => QueuePolicy::Reject,
        2 => QueuePolicy::DropOldest,
        3 => QueuePolicy::DropNewest,
        _ => QueuePolicy::LatestPerTopic,
    };
    (config.servers, config.redirects) = (1 + u16::from(second >> 3 & 1), second >> 4 & 1);
    config.discard_on_close = second & 32 != 0;
    config.subscribe_batch = usize::from(second >> 6);
    config.reconnect = Reconnect { first: true, ..Reconnect::default() };
    (config.incoming_limit, config.incoming_bytes, config.incoming_reserve) = (8, 1 << 10, RESERVE);
    (config.queue_limit, config.queue_bytes, config.in_flight_limit) = (8, 4 << 10, 4);
    (config.receive_maximum, config.send_buffer, config.topic_alias_maximum) = (4, 256, 2);
    (config, has_store)
}

fn happen(world: &mut World, kind: u8, input: &mut Input<'_>) {
    match kind {
        0 => world.pass_to_deadline(),
        1 => world.pass(Duration::from_millis(input.number().into())),
        2 => world.receive(input.piece()),
        3 => packets::receive(world, input),
        4 => world.lose(),
        5 => world.dialled(true),
        6 => world.dialled(false),
        7 => world.write(match input.byte() {
            0 => usize::MAX,
            count => count.into(),
        }),
        8 => world.persisted(true),
        9 => world.persisted(false),
        10..=14 => command(world, kind, input),
        15 => world.take_messages(input.byte()),
        16..=18 => authenticate_or_end(world, kind, input),
        19 => world.connection.connect(world.now),
        20 => world.connection.reconnect(world.now),
        21 => {
            let messages = usize::from(input.byte() % 16);
            let backlog = Backlog {
                messages,
                bytes: messages * 100,
                expendable: Some(messages * 50),
                ..Backlog::default()
            };
            world.connection.handle_backlog(backlog);
            if world.connection.poll_excess() > 0 {
                world.connection.handle_dropped(1);
            }
        }
        22 => world.crash(),
        _ => world.is_prompt = !world.is_prompt,
    }
}

fn qos(number: u8) -> QoS {
    QoS::try_from(number % 3).unwrap_or(QoS::AtMostOnce)
}

fn reason(number: u8) -> ReasonCode {
    ReasonCode::from_value(number).unwrap_or(ReasonCode::SUCCESS)
}

/// A deadline of so many tenths of a second.
fn deadline(tenths: u8) -> Option<Duration> {
    (tenths > 0).then(|| Duration::from_millis(u64::from(tenths) * 100))
}

fn command(world: &mut World, kind: u8, input: &mut Input<'_>) {
    let now = world.now;
    let choice = input.byte();
    let at = usize::from(choice >> 4) % TOPICS.len();
    let token = match kind {
        10 => {
            let mut publish = Publish::new(TOPICS[at], vec![b'p'; usize::from(input.byte()) * 4]);
            publish = publish.qos(qos(choice)).retain(choice & 4 != 0).requeue(choice & 8 != 0);
            publish.topic_alias = Some(u16::from(input.byte() % 4)).filter(|alias| *alias > 0);
            publish.deadline = deadline(input.byte());
            world.connection.publish(now, publish).ok()
        }
        11 => {
            let mut filters = FiltersBuf::new();
            for index in at..at + 1 + usize::from(choice >> 2 & 3) {
                let options = SubscribeOptions { qos: qos(choice), ..SubscribeOptions::default() };
                // One that is not lawful is left out here as well.
                let _ = filters.push(SubscribeFilter { filter: FILTERS[index % FILTERS.len()], options });
            }
            let mut subscribe = Subscribe::new(filters.as_filters());
            subscribe.identifier = Some(u32::from(input.byte())).filter(|identifier| *identifier > 0);
            subscribe.deadline = deadline(input.byte());
            world.connection.subscribe(now, subscribe).ok()
        }
        12 => {
            let mut filters = TopicFiltersBuf::new();
            let _ = filters.push(FILTERS[at]);
            let mut unsubscribe = Unsubscribe::new(filters.as_filters());
            unsubscribe.deadline = deadline(input.byte());
            world.connection.unsubscribe(now, unsubscribe).ok()
        }
        13 => {
            world.cancel(choice.into());
            None
        }
        _ => {
            world.acknowledge(choice.into(), reason(input.byte()));
            None
        }
    };
    if let Some(token) = token {
        world.begun(token);
    }
}

fn authenticate_or_end(world: &mut World, kind: u8, input: &mut Input<'_>) {
    let (now, choice) = (world.now, input.byte());
    let attempt = world.connection.attempt();
    let auth = Auth { data: (choice & 1 != 0).then_some(b"data"), ..Auth::default() };
    match kind {
        // What cannot be at this time is refused, and that is all.
        16 if choice & 2 == 0 => drop(world.connection.authenticate(now, attempt, auth)),
        16 => drop(world.connection.refuse_authentication(now, attempt, reason(choice))),
        17 => {
            if let Ok(token) = world.connection.reauthenticate(now, auth) {
                world.begun(token);
            }
        }
        _ => {
            let reason = if choice & 2 == 0 { ReasonCode::NORMAL_DISCONNECTION } else { reason(choice) };
            let disconnect = Disconnect { at_once: choice & 1 != 0, reason, ..Disconnect::default() };
            let _ = world.connection.disconnect(now, disconnect);
        }
    }
}
