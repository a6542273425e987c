//! A session that outlives the process: `cargo run --features store-redb --example persistent_session -- URL [FILE]`.
//!
//! What was published and stored is sent by the next client with that file, whatever happened to this process; run it
//! again after killing it. Without FILE the session is kept in a file that is removed at the end.

use std::error::Error;
use std::path::PathBuf;

use sterna::{AckMode, QoS, RedbStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: persistent_session URL [FILE]")?;
    let given = arguments.next().map(PathBuf::from);
    let file = given.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("sterna-persistent-session-{}.redb", std::process::id()))
    });

    // The first life: it is not even connected when it accepts the reading.
    let client = sterna::tokio::builder(&url).store(RedbStore::open(&file)?).build()?;
    for earlier in client.pending() {
        println!("still on its way from an earlier run: {:?}", earlier.topic);
    }
    let mut reading = client.publish("meter/7", "1024 kWh").qos(QoS::ExactlyOnce).enqueue().await?;
    reading.stored().await?;
    client.disconnect().await?;
    println!("stored, and gone: {:?}", reading.await.map(|receipt| receipt.reason));

    // The second life sends it, under the same client identifier, which the store knows.
    let client = sterna::tokio::builder(&url).store(RedbStore::open(&file)?).build()?;
    let mut meters = client.subscribe("meter/+").qos(QoS::ExactlyOnce).ack(AckMode::Manual).send()?;
    client.connect().await?;
    let message = meters.next().await.ok_or("the client closed")?;
    println!("{}: {}", message.topic(), message.text()?);
    // Done with it; without this it would come again.
    message.ack()?;
    client.disconnect().await?;

    if given.is_none() {
        std::fs::remove_file(file)?;
    }
    Ok(())
}
