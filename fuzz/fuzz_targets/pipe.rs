//! Hostile servers below MQTT: see `sterna_fuzz_checks::pipe`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::pipe(input));
