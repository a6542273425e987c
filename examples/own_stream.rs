//! A byte stream of one's own in the place of a socket: `cargo run --example own_stream -- mqtt://HOST:PORT`.
//!
//! Here it is one end of a pipe in memory: what comes out at the other end a task carries to the server, and back.

use std::error::Error;

use tokio::io::{copy_bidirectional, duplex};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: own_stream URL")?;
    // Called for each attempt to connect; nothing else opens sockets or resolves names.
    let builder = sterna::tokio::builder_over(&url, |endpoint| async move {
        let mut server = TcpStream::connect((&*endpoint.host, endpoint.port)).await?;
        let (ours, mut theirs) = duplex(64 << 10);
        tokio::spawn(async move {
            if let Ok((sent, received)) = copy_bidirectional(&mut theirs, &mut server).await {
                println!("{sent} bytes sent, {received} received");
            }
        });
        Ok(ours)
    });

    let client = builder.connect().await?;
    let mut presence = client.subscribe("presence").await?;
    client.publish("presence", "Hello mqtt").await?;
    println!("{}", presence.next().await.ok_or("the client closed")?.text()?);
    client.disconnect().await?;
    Ok(())
}
