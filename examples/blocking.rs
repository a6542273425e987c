//! The client without an async runtime: `cargo run --example blocking --features blocking -- mqtt://HOST:PORT`.

use std::error::Error;
use std::thread;
use std::time::Duration;

use sterna::QoS;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: blocking URL")?;
    let client = sterna::blocking::builder(&url).keep_alive(Duration::from_secs(20)).connect()?;

    // A thread of its own receives, with handles of its own. A subscription is an iterator.
    let presence = client.subscribe("presence/#").qos(QoS::AtLeastOnce).wait()?;
    let receiver = thread::spawn(move || {
        for message in presence.take(2) {
            println!("{}", message.text().unwrap_or("it is no text"));
        }
    });

    // `wait` waits for the server's acknowledgement, `wait_timeout` not for ever, and `send` for nothing.
    let receipt = client.publish("presence/anna", "Hello mqtt").qos(QoS::AtLeastOnce).wait()?;
    println!("the server answers: {}", receipt.reason);
    let call = client.publish("presence/bert", "Hello again").qos(QoS::AtLeastOnce);
    call.wait_timeout(Duration::from_secs(10))??;
    receiver.join().map_err(|_| "the receiver panicked")?;
    client.disconnect().wait()?;

    // The same without a thread for the client: it is driven by the calls that wait.
    let client = sterna::blocking::builder(&url).on_this_thread().connect()?;
    let mut absence = client.subscribe("absence").wait()?;
    client.publish("absence", "Goodbye mqtt").wait()?;
    println!("{}", absence.recv_timeout(Duration::from_secs(10))?.text()?);
    client.disconnect().wait()?;
    Ok(())
}
