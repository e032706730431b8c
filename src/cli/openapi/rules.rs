//! `modgud openapi rules`: generates rules to review and paste, from the description of a module's API.

use super::super::{Exit, fail, say};
use super::check::MAX_WARNINGS;
use super::{Gateway, OpenApiError, module_of, read};
use crate::diagnostic::Located;
use crate::openapi::{Finding, Rules, rules};
use modgud_core::authz::{ModulePrefix, ModuleReading};
use std::io::Write as _;
use std::path::PathBuf;

/// Prints rules that require what the description of a module's API requires: one for each operation, below the
/// module's prefix.
///
/// Review them: comments mark open operations, missing requirements, and rules that are stricter than the description
/// because no rule can express it exactly. If an operation can't have a rule, nothing is printed. The prefix is that of
/// the module in the configuration, else `/NAME`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud openapi rules swagger.json --module crm > crm-rules.yaml && modgud check --config crm-rules.yaml"
)]
pub(in crate::cli) struct Args {
    /// The description (OpenAPI 2.0 or 3.x, YAML or JSON)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the module
    #[arg(long, value_name = "NAME")]
    module: String,
    #[command(flatten)]
    gateway: Gateway,
}

/// Writes the warnings on standard error, so that standard output can go into a file.
fn warning(warnings: &[Located<Finding>]) {
    let mut errors = std::io::stderr().lock();
    for warning in warnings.iter().take(MAX_WARNINGS) {
        // A closed standard error is no reason to stop.
        let _ = writeln!(errors, "modgud: warning: {warning}");
    }
    if let Some(more) = warnings.len().checked_sub(MAX_WARNINGS).filter(|more| *more > 0) {
        let _ = writeln!(errors, "modgud: warning: and {more} more");
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, OpenApiError> {
    let Args { file, module, gateway } = args;
    let config = gateway.load()?;
    let (prefix, reading) = match module_of(&config, Some(module)) {
        Some(joined) => (joined.prefix.clone(), joined.reading.clone()),
        None => match ModulePrefix::parse(&format!("/{module}")) {
            Ok(prefix) => (prefix, ModuleReading::default()),
            Err(fault) => return Ok(fail(format_args!("--module: `/{module}` can't be a prefix: {fault}"))),
        },
    };
    let api = read(file)?;
    let Rules { text, warnings } = rules(&api, &file.display().to_string(), module, &prefix, &reading)?;
    say(text.trim_end());
    warning(&warnings);
    Ok(Exit::Done)
}
