//! Makes the recordings in `tests/vectors/sessions/`: clients against real brokers, one situation a file.
//!
//! ```text
//! cargo test --test record-sessions -- FOLDER [PART-OF-A-NAME]
//! ```
//! It is no test, but uses what the tests have. It needs Mosquitto. Brokers of other makes are recorded too where `STERNA_BROKERS` names the folder that
//! `./test --brokers` has put them into. Each recording is replayed at once. What is written differs from run to run; the
//! recordings that are there are replayed by the tests of `sterna-record` and made anew only to record other situations.

mod bounds;
#[allow(dead_code, reason = "the scenarios use the rest")]
#[path = "../scenarios/other_brokers/mod.rs"]
mod other_brokers;
mod place;
mod plan;
mod situations;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use sterna::ClientBuilder;
use sterna::record::{Recorder, Recording};
use sterna::tokio::Runtime;

use self::place::Place;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where recordings go, and which are wanted.
struct Studio {
    folder: PathBuf,
    part: String,
}

impl Studio {
    /// Whether a situation at a place is wanted.
    fn wants(&self, place: &Place, situation: &str) -> bool {
        file_name(place, situation).contains(&self.part)
    }

    /// Records what `scene` does with a client for `place`, which it ends.
    async fn record(
        &self,
        place: &Place,
        situation: &str,
        scene: impl AsyncFnOnce(ClientBuilder<Runtime>) -> Result<()>,
    ) -> Result<()> {
        let path = self.folder.join(file_name(place, situation));
        let recorder = Recorder::create(&path)?
            .without_date()
            .about("broker", place.broker)
            .about("protocol", place.version.to_string())
            .about("transport", place.transport.name())
            .about("situation", situation);
        let finished = recorder.finished();
        scene(place.builder().record(recorder)).await?;
        tokio::task::block_in_place(|| finished.wait())?;
        report(&path)
    }
}

fn file_name(place: &Place, situation: &str) -> String {
    format!("{}-{}-{}-{situation}.jsonl", place.broker, place.version, place.transport.name())
}

fn report(path: &Path) -> Result<()> {
    let size = std::fs::metadata(path)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let summary = Recording::load(path)?.replay().map_err(|error| format!("{name}: {error}"))?;
    println!("{name}: {size} bytes, {} entries, {} ms", summary.entries, summary.duration / 1_000);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    support::network::isolate();
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("say where to: record-sessions FOLDER [PART-OF-A-NAME]")?;
    let studio = Studio { folder: folder.into(), part: arguments.next().unwrap_or_default() };
    std::fs::create_dir_all(&studio.folder)?;
    plan::mosquitto(&studio).await?;
    plan::test_broker(&studio).await?;
    plan::other_brokers(&studio).await
}
