//! The protocol alone, over a blocking socket: `cargo run --example by_hand -- mqtt://HOST:PORT`.
//!
//! `sterna::protocol::Connection` does no I/O. A driver has to do no more for it than this one: carry out its actions,
//! write what it gives, feed it what was read, and be back at its deadline. It reconnects by itself.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sterna::protocol::bytes::{Buf, BytesMut};
use sterna::protocol::packet::{FiltersBuf, SubscribeFilter, SubscribeOptions};
use sterna::protocol::{
    Action, Config, ConnectOverrides, Connection, Disconnect, Event, Instant, Lost, LostKind, Publish,
    Subscribe, Transmit,
};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: by_hand mqtt://HOST:PORT")?;
    let server = url.trim_start_matches("mqtt://");
    let origin = std::time::Instant::now();
    let now = || Instant::ZERO + origin.elapsed();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let mut connection = Connection::new(Config::new(seed), now())?;
    let (mut link, mut transmit, mut input) = (None, Transmit::new(), BytesMut::new());
    connection.connect(now());
    loop {
        while let Some(action) = connection.poll_action() {
            let (attempt, result) = match action {
                Action::Connect { attempt, .. } => (attempt, TcpStream::connect(server)),
                Action::Close { attempt } => (attempt, Err(ErrorKind::NotConnected.into())),
            };
            input.clear();
            match &result {
                Ok(_) => connection.handle_connected(now(), attempt, ConnectOverrides::default()),
                Err(error) => connection.handle_disconnected(now(), attempt, lost(error)),
            }
            link = result.ok().map(|stream| (attempt, stream));
        }
        if !application(&mut connection, now())? {
            return Ok(());
        }
        connection.poll_transmit(now(), &mut transmit);
        let pause = connection.poll_timeout().map_or(Duration::MAX, |(at, _)| at - now());
        let result = match &mut link {
            Some((_, stream)) if transmit.has_remaining() => stream.write(transmit.chunk()).map(|count| {
                transmit.advance(count);
                connection.handle_written(now(), count);
            }),
            Some((_, stream)) => read(stream, &mut input, pause),
            None => {
                std::thread::sleep(pause);
                Ok(())
            }
        };
        connection.handle_input(now(), &mut input);
        if let (Err(error), Some((attempt, _))) = (result, &link) {
            connection.handle_disconnected(now(), *attempt, lost(&error));
            link = None;
        }
        connection.handle_timeout(now());
    }
}

/// What the user of the connection does; false at the end.
fn application(connection: &mut Connection, now: Instant) -> Result<bool, Box<dyn Error>> {
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Connected { .. } => {
                let mut filters = FiltersBuf::default();
                filters.push(SubscribeFilter { filter: "presence", options: SubscribeOptions::default() })?;
                let filters = filters.as_filters();
                connection.subscribe(now, Subscribe::new(filters))?;
                connection.publish(now, Publish::new("presence", "Hello mqtt"))?;
            }
            Event::Closed { .. } => return Ok(false),
            other => eprintln!("{other:?}"),
        }
    }
    while let Some(message) = connection.poll_message() {
        println!("{}", message.text()?);
        connection.disconnect(now, Disconnect::default())?;
    }
    Ok(true)
}

/// Reads once, and waits no longer than `pause` for something to read.
fn read(stream: &mut TcpStream, input: &mut BytesMut, pause: Duration) -> io::Result<()> {
    let mut buffer = [0; 4096];
    stream.set_read_timeout(Some(pause.max(Duration::from_millis(1))))?;
    match stream.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        result => result.map(|count| input.extend_from_slice(&buffer[..count])),
    }
}

fn lost(error: &io::Error) -> Lost {
    Lost { kind: LostKind::Io, detail: error.to_string().into() }
}
