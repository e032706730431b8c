//! `modgud openapi check`: checks if a module with this description can join the gateway.

use super::super::{Exit, fail, say};
use super::{Gateway, OpenApiError, module_of, read};
use crate::openapi::{Module, Report, check};
use modgud_core::authz::ModuleReading;
use std::path::PathBuf;

/// Maximum number of warnings shown: a description without any security has one for each operation. Further ones are
/// counted.
pub(super) const MAX_WARNINGS: usize = 100;

/// Checks the description of a module's API.
///
/// It reports reserved names, `/docs`, operations without security requirements, paths that no rule can express, and
/// paths that match the same requests. Each finding has its location. Exit code 0: the module can join. 1: there is an
/// error, or the file can't be read. Warnings affect the exit code only with --deny-warnings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud openapi check swagger.json --module crm --config modgud.yaml")]
pub(in crate::cli) struct Args {
    /// The description (OpenAPI 2.0 or 3.x, YAML or JSON)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the module, present or planned
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    #[command(flatten)]
    gateway: Gateway,
    /// Exit with code 1 if there is a warning, too: for CI
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, OpenApiError> {
    let Args { file, module, gateway, deny_warnings } = args;
    let config = gateway.load()?;
    let api = read(file)?;
    let name = module.as_deref();
    let (joined, plain) = (module_of(&config, name), ModuleReading::default());
    let module = Module {
        name,
        prefix: joined.map(|module| &module.prefix),
        reading: joined.map_or(&plain, |module| &module.reading),
        reserved: &config.gateway.core.reserved,
    };
    let Report { errors, warnings } = check(&api, &module);
    say(format_args!("{}: {}, {} operations", file.display(), api.version, api.operations()));
    for warning in warnings.iter().take(MAX_WARNINGS) {
        say(format_args!("warning: {warning}"));
    }
    if let Some(more) = warnings.len().checked_sub(MAX_WARNINGS).filter(|more| *more > 0) {
        say(format_args!("warning: and {more} more"));
    }
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Ok(fail(lines.join("\n")));
    }
    Ok(match (warnings.len(), deny_warnings) {
        (0, _) | (_, false) => Exit::Done,
        (1, true) => fail("1 warning; --deny-warnings allows none"),
        (many, true) => fail(format_args!("{many} warnings; --deny-warnings allows none")),
    })
}
