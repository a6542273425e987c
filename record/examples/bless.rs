//! Takes what comes out of the recorded sessions now for right, and shows what is new about it.
//!
//! ```text
//! cargo run -p sterna-record --example bless [--dry-run] [FILE…]
//! ```
//! Without files: every session in `tests/vectors/sessions/`. With `--dry-run` nothing is written. To be run after a change
//! of behaviour that is intended, and looked at before it is committed.

use std::path::PathBuf;
use std::{env, fs};

use sterna_record::Recording;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (options, mut files): (Vec<_>, Vec<_>) =
        env::args().skip(1).map(PathBuf::from).partition(|argument| argument.as_os_str() == "--dry-run");
    if files.is_empty() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions");
        files =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
        files.sort();
    }
    for file in files {
        let blessed =
            Recording::load(&file).map_err(|error| format!("{}: {error}", file.display()))?.bless()?;
        if blessed.changes.is_empty() {
            continue;
        }
        println!("{}", file.display());
        for change in &blessed.changes {
            println!("{change}");
        }
        if options.is_empty() {
            let mut text = Vec::new();
            blessed.recording.write(&mut text)?;
            fs::write(&file, text)?;
        }
    }
    Ok(())
}
