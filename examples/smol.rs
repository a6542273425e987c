//! The client on smol: `cargo run --example smol --features smol -- mqtt://HOST:PORT`.

use std::error::Error;
use std::time::Duration;

use sterna::QoS;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: smol URL")?;
    smol::block_on(async {
        let client = sterna::smol::builder(&url).keep_alive(Duration::from_secs(20)).connect().await?;

        // A task of its own receives, with handles of its own.
        let mut presence = client.subscribe("presence/#").qos(QoS::AtLeastOnce).await?;
        let receiver = smol::spawn(async move { presence.next().await });

        // Awaiting a publish waits for the server's acknowledgement, and `send` for nothing.
        let receipt = client.publish("presence/anna", "Hello mqtt").qos(QoS::AtLeastOnce).await?;
        println!("the server answers: {}", receipt.reason);
        println!("{}", receiver.await.ok_or("the client closed")?.text()?);

        client.disconnect().await?;
        Ok(())
    })
}
