//! Damaged files of a store: see `sterna_fuzz_checks::store`.
#![no_main]

// libFuzzer's hook would end the process where redb panics, which the store answers for. Others still do.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/redb-")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    })),
    |input: &[u8]| sterna_fuzz_checks::store(input)
);
