//! Through a SOCKS or HTTP proxy: `cargo run --features proxy --example proxy -- URL socks5h://USER:PASSWORD@HOST:PORT`.
//!
//! With `socks5h:` and `http:` the proxy resolves the server's name, with `socks5:` this machine does. Without a second
//! argument the proxy is taken from the environment: `ALL_PROXY`, and `NO_PROXY` for what needs none.

use std::error::Error;

use sterna::{Proxies, Proxy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: proxy URL [PROXY]")?;
    let proxies = match arguments.next() {
        Some(proxy) => Proxy::parse(&proxy)?.into(),
        // The environment is looked at only because it is asked for here.
        None => Proxies::from_environment(|name| std::env::var(name).ok())?,
    };

    let client = sterna::tokio::builder(&url).proxy(proxies).connect().await?;
    let mut presence = client.subscribe("presence").await?;
    client.publish("presence", "Hello mqtt").await?;
    println!("{}", presence.next().await.ok_or("the client closed")?.text()?);
    client.disconnect().await?;
    Ok(())
}
