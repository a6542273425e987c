//! The tasks: one that accepts and keeps the time, and one for each connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{self, timeout};

use super::layers::Layers;
use super::shared::Shared;
use super::socket::{Listener, Place};
use super::stream::{AnyStream, Cut};
use crate::broker::{Broker, ConnectionId, Output};

/// Room that is made for each read, in bytes.
const READ_SIZE: usize = 8 * 1024;
/// How long a closed connection is read on, so that a reset does not overtake what was sent last.
const LINGER: Duration = Duration::from_secs(1);
/// How long nothing is accepted after an error, such as no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the handle has the listener's task do.
#[derive(Debug)]
pub(super) enum Command {
    Down(oneshot::Sender<()>),
    Up(oneshot::Sender<io::Result<()>>),
}

/// Accepts connections, keeps the time, and owns every other task: when it is aborted, they are.
pub(super) async fn serve(
    shared: Arc<Shared>,
    listener: Listener,
    place: Place,
    layers: Arc<Layers>,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    loop {
        tokio::select! {
            result = accept(listener.as_ref()) => match result {
                Ok(stream) => {
                    accepted += 1;
                    let id = ConnectionId(accepted);
                    // Before anything else can happen, so that a restart concerns this connection too.
                    let wake = shared.connected(id);
                    let stream = match shared.next_cut() {
                        Some(left) => Box::new(Cut { inner: stream, left }),
                        None => stream,
                    };
                    connections.spawn(serve_connection(
                        Arc::clone(&shared),
                        id,
                        stream,
                        Arc::clone(&layers),
                        wake,
                    ));
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = shared.deadline() => shared.with(None, Broker::handle_timeout),
            () = shared.earlier.notified() => {}
            command = commands.recv() => match command {
                Some(Command::Down(done)) => {
                    listener = None;
                    let _ = done.send(());
                }
                Some(Command::Up(done)) => {
                    // An old socket at the same place must be closed first.
                    drop(listener.take());
                    let bound = Listener::bind_again(&place).await;
                    let _ = done.send(bound.map(|bound| listener = Some(bound)));
                }
                None => return,
            },
        }
    }
}

async fn accept(listener: Option<&Listener>) -> io::Result<AnyStream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => core::future::pending().await,
    }
}

async fn serve_connection(
    shared: Arc<Shared>,
    id: ConnectionId,
    stream: AnyStream,
    layers: Arc<Layers>,
    wake: Arc<Notify>,
) {
    let opened = if layers.is_plain() {
        Ok(stream)
    } else {
        tokio::select! {
            opened = layers.open(stream) => opened,
            () = closed(&shared, id, &wake) => Err(io::ErrorKind::TimedOut.into()),
        }
    };
    let ended = match opened {
        Ok(mut stream) => exchange(&shared, id, &mut stream, &wake).await.map(|()| stream),
        Err(error) => Err(error),
    };
    shared.with(Some(id), |broker, now| broker.disconnected(now, id));
    shared.lock().wakers.remove(&id);
    let Ok(mut stream) = ended else { return };
    let last = async {
        stream.shutdown().await?;
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client closes or the time is over, the connection is done with.
    let _ = timeout(LINGER, last).await;
}

/// Completes when the model closes a connection that has sent nothing yet.
async fn closed(shared: &Shared, id: ConnectionId, wake: &Notify) {
    loop {
        let output = shared.with(Some(id), |broker, _| broker.poll_connection(id));
        if output == Some(Output::Close) {
            return;
        }
        wake.notified().await;
    }
}

/// Carries bytes between a connection and the model until one of them ends it; `Ok` if it was the model.
async fn exchange(
    shared: &Shared,
    id: ConnectionId,
    stream: &mut AnyStream,
    wake: &Notify,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut input = BytesMut::new();
    let mut output = Bytes::new();
    let mut is_reading = true;
    let mut is_flushed = true;
    loop {
        if output.is_empty() {
            let next = shared.with(Some(id), |broker, now| {
                broker.input(now, id, &mut input);
                let next = broker.poll_connection(id);
                is_reading = broker.is_reading(id);
                next
            });
            match next {
                Some(Output::Send(bytes)) => output = bytes,
                Some(Output::Close) => return Ok(()),
                None => {}
            }
        }
        input.reserve(READ_SIZE);
        tokio::select! {
            read = reader.read_buf(&mut input), if is_reading => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if !output.is_empty() {
                    is_reading = shared.with(Some(id), |broker, now| {
                        broker.input(now, id, &mut input);
                        broker.is_reading(id)
                    });
                }
            }
            written = write_or_flush(&mut writer, &output), if !output.is_empty() || !is_flushed => {
                let written = written?;
                is_flushed = output.is_empty();
                output.advance(written);
            }
            () = wake.notified() => {}
        }
    }
}

/// Writes some of the output, or without any flushes what was written. Dropped before its end it has done nothing, or
/// a part of flushing.
async fn write_or_flush(writer: &mut (impl AsyncWrite + Unpin), output: &[u8]) -> io::Result<usize> {
    if output.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    writer.write(output).await
}
