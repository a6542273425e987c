//! Changed recordings: see `sterna_fuzz_checks::replay`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::replay(input));
