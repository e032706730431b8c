//! `modgud explain --diff OLD NEW`: the decisions that differ between two configurations, of one request or of a log.

mod groups;
mod log;
mod outcome;
mod request;

use super::{Args, ExplainError};
use crate::cli::Exit;
use crate::cli::terminal::Terminal;
use crate::config::Config;

/// Compares the decisions of two configurations, the old one first.
pub(super) fn run(args: Args, configs: [&Config; 2], terminal: &Terminal) -> Result<Exit, ExplainError> {
    match args.log.clone() {
        Some(file) => log::run(&file, args, configs, terminal),
        None => request::run(args, configs, terminal),
    }
}
