//! Recordings that anybody may have written: refused, replayed or found different, but nothing panics.

use sterna_inspect::{TextOptions, read_recording, write_json, write_text};
use sterna_record::{Reader, Recording};

/// The bytes of a recording.
pub fn recording(input: &[u8]) {
    let Ok(recording) = Recording::read(input) else {
        // Entry by entry it is good up to its first error, and ends there.
        if let Ok(mut reader) = Reader::new(input) {
            let error = reader.by_ref().find_map(Result::err);
            assert!(error.is_some(), "the whole was refused, its parts are not");
            assert!(reader.next().is_none(), "nothing follows an error");
        }
        return;
    };
    let whole = recording.replay();
    let streamed = Reader::new(input).expect("it was read before").replay();
    assert_eq!(format!("{whole:?}"), format!("{streamed:?}"), "a replay has one outcome");
    if let Ok(blessed) = recording.bless() {
        let mut text = Vec::new();
        blessed.recording.write(&mut text).expect("memory takes all");
        let again = Recording::read(&text[..]).expect("what was written is read");
        assert_eq!(again.entries(), blessed.recording.entries(), "writing changed the recording");
    }
    if let Ok(timeline) = read_recording(input) {
        let mut out = Vec::new();
        write_text(&timeline, &TextOptions::default(), &mut out).expect("memory takes all");
        write_json(&timeline, &sterna_inspect::Filter::default(), false, &mut out).expect("memory takes all");
    }
}
