//! `modgud completions`: completion scripts for shells, from the definitions of the command line.

use super::{Exit, definitions};
use clap_complete::{Shell, generate};
use std::io::Write;

/// Prints a script that completes commands, options and values in a shell.
///
/// The script is made from the same definitions as `--help`, so write it again after an upgrade.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  source <(modgud completions bash)        # in ~/.bashrc\n  modgud completions zsh > \"${fpath[1]}/_modgud\"\n  modgud completions fish > ~/.config/fish/completions/modgud.fish"
)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut command = definitions();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut command, name, &mut script);
    // A closed reader is not an error, as for every output.
    let _ = std::io::stdout().lock().write_all(&script);
    Exit::Done
}
