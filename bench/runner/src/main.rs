//! Runs the clients against a sink, checks what they claim, and writes tables, JSON and plots. `../run` builds and starts
//! it; see there.

mod clients;
mod measure;
mod options;
mod process;
mod results;
mod scenario;
mod sink;
mod statistics;
mod tables;

use std::process::ExitCode;

use options::Options;

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
    print!("{}", tables::throughput(&results));
    if let Err(error) = results.write(&options.results) {
        eprintln!("{}: {error}", options.results.display());
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
