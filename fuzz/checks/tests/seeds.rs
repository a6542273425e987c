//! Every seed of every fuzz target, without a fuzzer.

use std::fs;
use std::path::Path;

use sterna_fuzz_checks::TARGETS;

/// The names of what is in a folder beside this crate.
fn names(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().expect("the name is UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn every_seed_passes() {
    for (target, check) in TARGETS {
        let folder = format!("seeds/{target}");
        let seeds = names(&folder);
        assert!(seeds.len() > 1, "{target} has seeds");
        for seed in seeds {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&folder).join(&seed);
            // A failure's output ends with its seed.
            println!("{target}/{seed}");
            check(&fs::read(path).unwrap());
        }
        // No input at all is one too.
        check(&[]);
    }
}

#[test]
fn every_target_is_in_the_list() {
    let listed: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("seeds"), listed);
    let files: Vec<_> = listed.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names("fuzz_targets"), files);
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")).unwrap();
    for name in listed {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "fuzz/Cargo.toml has {name}"
        );
    }
}
