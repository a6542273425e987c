//! Topic names and filters: see `sterna_fuzz_checks::topic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::topic(input));
