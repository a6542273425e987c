//! Publishes "Hello mqtt" and receives it: `cargo run --example hello [-- URL]`.
//!
//! The URL is the server's, such as `mqtt://localhost`. Without one a test broker is started for the occasion.

use std::error::Error;

use sterna_simulator::TestBroker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Until the end, if it is needed at all.
    let broker;
    let url = if let Some(url) = std::env::args().nth(1) {
        url
    } else {
        broker = TestBroker::start().await?;
        broker.url()
    };

    let client = sterna::tokio::connect(&url).await?;
    let mut presence = client.subscribe("presence").await?;
    client.publish("presence", "Hello mqtt").await?;
    println!("{}", presence.next().await.ok_or("the client closed")?.text()?);
    client.disconnect().await?;
    Ok(())
}
