//! Files for `show`: see `sterna_fuzz_checks::capture`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sterna_fuzz_checks::capture(input));
