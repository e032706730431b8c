//! `modgud token`: makes tokens for development, and inspects tokens.

mod inspect;
pub(super) mod mint;

use super::{Exit, fail, keygen, say};

/// Makes tokens for development, and shows the content of a token.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  modgud token mint --key modgud-dev.key.pem\n  \
    modgud token mint --key modgud-dev.key.pem | modgud token inspect -")]
pub(super) enum Command {
    Mint(mint::Mint),
    Inspect(inspect::Inspect),
}

pub(super) fn run(command: Command) -> Exit {
    match command {
        Command::Mint(mint) => mint::run(mint),
        Command::Inspect(inspect) => inspect::run(&inspect),
    }
}
