//! The client on tokio: `cargo run --example tokio -- mqtt://HOST:PORT`.

use std::error::Error;
use std::time::Duration;

use sterna::QoS;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: tokio URL")?;
    let client = sterna::tokio::builder(&url).keep_alive(Duration::from_secs(20)).connect().await?;

    // A task of its own receives, with handles of its own.
    let mut presence = client.subscribe("presence/#").qos(QoS::AtLeastOnce).await?;
    let receiver = tokio::spawn(async move { presence.next().await });

    // Awaiting a publish waits for the server's acknowledgement, and `send` for nothing.
    let receipt = client.publish("presence/anna", "Hello mqtt").qos(QoS::AtLeastOnce).await?;
    println!("the server answers: {}", receipt.reason);
    println!("{}", receiver.await?.ok_or("the client closed")?.text()?);

    client.disconnect().await?;
    Ok(())
}
