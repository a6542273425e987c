//! Recordings: see `sterna_fuzz_checks::recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::recording(input));
