//! TLS with an own certificate authority and a client certificate:
//! `cargo run --example tls -- mqtts://HOST:PORT CA.pem CERTIFICATE.pem KEY.pem`.
//!
//! Without arguments a test broker that asks for a certificate is started for the occasion.

use std::error::Error;
use std::fs;

use sterna::TlsOptions;
use sterna_simulator::{TestBroker, TestCertificates};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Until the end, if it is needed at all.
    let broker;
    let (url, authority, certificate, key) = match &arguments[..] {
        [] => {
            let made = TestCertificates::new();
            broker = TestBroker::builder().tls(&made.server, Some(&made.authority)).start().await?;
            (broker.url(), made.authority, made.client.certificate, made.client.key)
        }
        [url, authority, certificate, key] => (
            url.clone(),
            fs::read_to_string(authority)?,
            fs::read_to_string(certificate)?,
            fs::read_to_string(key)?,
        ),
        _ => return Err("usage: tls [URL CA CERTIFICATE KEY]".into()),
    };

    // Only what that authority has signed is trusted, and nothing of the platform's.
    let tls = TlsOptions::new().ca_pem(authority).client_certificate_pem(certificate, key);
    let client = sterna::tokio::builder(&url).tls(tls).connect().await?;
    let mut presence = client.subscribe("presence").await?;
    client.publish("presence", "Hello mqtt").await?;
    println!("{}", presence.next().await.ok_or("the client closed")?.text()?);
    client.disconnect().await?;
    Ok(())
}
