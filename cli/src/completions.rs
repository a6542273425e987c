//! `sterna completions` and `sterna man`: what a package puts beside the binary.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;
use crate::exit::Failure;

const COMPLETIONS_EXAMPLES: &str = "\
Exit status: 0 written, 1 not written, 2 wrong usage.

Examples:
  sterna completions bash > ~/.local/share/bash-completion/completions/sterna
  sterna completions zsh > ~/.zfunc/_sterna
  sterna completions fish > ~/.config/fish/completions/sterna.fish";

const MAN_EXAMPLES: &str = "\
Exit status: 0 written, 1 not written, 2 wrong usage.

Examples:
  sterna man | man -l -
  sterna man --folder ~/.local/share/man/man1     a page for each subcommand: man sterna-pub";

/// Write completions for a shell on standard output.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual page on standard output, or all of them into a folder.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArguments {
    /// Write the pages of all subcommands into this folder; it is made if need be
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Carries out `sterna completions`.
pub(crate) fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "sterna", &mut script);
    print(&script)
}

/// Carries out `sterna man`.
pub(crate) fn manual(arguments: &ManArguments) -> Result<(), Failure> {
    let command = Arguments::command().disable_help_subcommand(true);
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| Failure::Failed(format!("the manual page: {error}")))?;
        return print(&page);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush()).map_err(|error| Failure::of_output(&error))
}
