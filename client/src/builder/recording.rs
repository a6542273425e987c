//! A recorder beside the client.

use sterna_record::Recorder;

use super::{ClientBuilder, Runtime};

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// Records everything that the client does, from its first call to its last; see [`Recorder`] for what is written, and
    /// what is left out. Default: nothing is recorded.
    ///
    /// ```
    /// # use sterna_client::{ClientBuilder, Runtime};
    /// # use sterna_client::record::Recorder;
    /// # async fn example(builder: ClientBuilder<impl Runtime>) -> Result<(), Box<dyn std::error::Error>> {
    /// let recorder = Recorder::create("session.jsonl")?;
    /// let finished = recorder.finished();
    /// let client = builder.record(recorder).connect().await?;
    /// client.publish("presence", "Hello mqtt").await?;
    /// client.disconnect().await?;
    /// drop(client);
    /// finished.wait()?; // blocks until the client's driver has ended and everything was written
    /// # Ok(())
    /// # }
    /// ```
    pub fn record(mut self, recorder: Recorder) -> Self {
        self.recorder.recorder = Some(recorder);
        self
    }
}
