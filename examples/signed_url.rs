//! A WebSocket whose URL is signed anew for each attempt, as cloud services want it:
//! `cargo run --features websocket --example signed_url -- ws://HOST:PORT/PATH`.
//!
//! Without an argument a test broker is started for the occasion.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use sterna::{BoxError, WebSocketOptions};
use sterna_simulator::TestBroker;

/// In place of the service that signs: it may ask the network, since it is awaited, within the connect time-out.
#[expect(clippy::unused_async, reason = "a real one asks a service")]
async fn sign(url: &str) -> Result<String, BoxError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(format!("{url}?expires={}&signature=0123456789abcdef", now + 60))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Until the end, if it is needed at all.
    let broker;
    let url = if let Some(url) = std::env::args().nth(1) {
        url
    } else {
        broker = TestBroker::builder().websocket().start().await?;
        broker.url()
    };

    let place = url.clone();
    let client = sterna::tokio::builder(&url)
        .websocket(WebSocketOptions::new().header("User-Agent", "an example"))
        // Before the first attempt, and before each one after a loss: an old signature would be refused by then.
        .before_connect(move |mut attempt| {
            let place = place.clone();
            async move {
                attempt.set_url(&sign(&place).await?)?;
                Ok(attempt)
            }
        })
        .connect()
        .await?;
    let mut presence = client.subscribe("presence").await?;
    client.publish("presence", "Hello mqtt").await?;
    println!("{}", presence.next().await.ok_or("the client closed")?.text()?);
    client.disconnect().await?;
    Ok(())
}
