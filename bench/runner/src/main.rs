//! Runs the clients against a sink, checks what they claim, and writes tables, JSON and plots. `../run` builds and starts
//! it; see there.

mod callgrind;
mod clients;
mod counting;
mod document;
mod many;
mod measure;
mod options;
mod packets;
mod plots;
mod process;
mod results;
mod scenario;
mod sink;
mod statistics;
mod tables;
mod targets;

use std::error::Error;
use std::process::ExitCode;

use options::Options;
use results::Results;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["spin"] {
        process::spin();
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let results = results::measure(&options);
    sink::Certificate::get().clean_up();
    if let Err(error) = report(&options, &results) {
        eprintln!("The results cannot be written: {error}");
        return ExitCode::FAILURE;
    }
    if results.failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nNOT MEASURED:");
    for failure in &results.failures {
        println!("- {failure}");
    }
    ExitCode::FAILURE
}

fn report(options: &Options, results: &Results) -> Result<(), Box<dyn Error>> {
    let mut tables = tables::all(results);
    // The targets come last, where they are seen.
    for (name, table) in &tables {
        println!("\n{name}\n\n{table}");
    }
    if let Some(summary) = tables::summary(results) {
        println!("{summary}");
    }
    std::fs::create_dir_all(&options.results)?;
    results.write(&options.results.join("results.json"), &options.about)?;
    plots::write(results, &options.results)?;
    if let Some(document) = &options.document {
        tables.push(("about", format!("{}\n", options.about)));
        document::update(document, &tables)?;
        let targets = targets::all(results);
        let missed = targets.iter().filter(|target| !target.is_met()).map(|target| target.number).collect();
        for number in document::unexplained(document, &missed)? {
            println!("{}: no reason is given for target {number}", document.display());
        }
    }
    Ok(())
}
