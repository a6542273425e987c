//! A client and everything that can happen to it: see `sterna_fuzz_checks::connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::connection(input));
