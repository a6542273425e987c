//! Records of a store: see `sterna_fuzz_checks::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::session(input));
