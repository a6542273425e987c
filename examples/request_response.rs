//! Asking and answering, over MQTT 5.0: `cargo run --example request_response -- URL`.

use std::error::Error;
use std::time::Duration;

use sterna::{ProtocolVersion, QoS, VersionPolicy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: request_response URL")?;
    // Response Topic and Correlation Data are 5.0's.
    let connect = || sterna::tokio::builder(&url).version(VersionPolicy::Only(ProtocolVersion::V5)).connect();

    let service = connect().await?;
    let mut questions = service.subscribe("service/square").qos(QoS::AtLeastOnce).await?;
    let serving = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let answer = match question.text().ok().and_then(|text| text.parse::<i64>().ok()) {
                Some(number) => (number * number).to_string(),
                None => "not a number".to_owned(),
            };
            // Whoever asked without a Response Topic gets no answer.
            if let Ok(response) = question.respond(answer.as_str()) {
                let _ = response.await;
            }
        }
    });

    let client = connect().await?;
    // Many at a time find their own answers.
    let (three, twelve) = tokio::join!(
        client.request("service/square", "3").timeout(Duration::from_secs(10)),
        client.request("service/square", "12").timeout(Duration::from_secs(10)),
    );
    println!("3 squared is {}, 12 squared is {}", three?.text()?, twelve?.text()?);

    client.disconnect().await?;
    service.disconnect().await?;
    serving.await?;
    Ok(())
}
