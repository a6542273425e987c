//! Packets: see `sterna_fuzz_checks::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::decode(input));
