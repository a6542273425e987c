//! Damaged files of a store: see `sterna_fuzz_checks::store`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::store(input));
