//! `modgud openapi`: checks descriptions of modules' APIs and generates rules from them.

mod check;
mod rules;

use super::{Exit, fail};
use crate::config::{Config, ConfigError, Environment, EphemeralKeys, Keys, Overrides, ProfileName, load_with_keys};
use crate::envoy::bootstrap::Module;
use crate::openapi::{Api, MAX_BYTES, Unreadable};
use crate::read_limit::read_file_to_limit;
use std::io;
use std::path::{Path, PathBuf};

/// Checks the description of a module's API (OpenAPI 2.0 or 3.x, YAML or JSON), or generates rules from it
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Example:\n  modgud openapi check swagger.json --module crm\n  modgud openapi rules swagger.json --module crm"
)]
pub(super) enum Command {
    Check(check::Args),
    Rules(rules::Args),
}

/// The configuration of the gateway that the module joins.
#[derive(Debug, clap::Args)]
struct Gateway {
    /// The configuration of the gateway that the module joins. It provides reserved names, path options (`case`,
    /// `suffixes`) and, if the module is configured, its prefix
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
}

/// Errors of reading a description.
#[derive(Debug, thiserror::Error)]
enum OpenApiError {
    #[error("{}: {error}", .file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("{}: the file is larger than {MAX_BYTES} bytes, the limit for an API description", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: the file is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

pub(super) fn run(command: &Command) -> Exit {
    let done = match command {
        Command::Check(args) => check::run(args),
        Command::Rules(args) => rules::run(args),
    };
    done.unwrap_or_else(fail)
}

impl Gateway {
    /// Loads the configuration without its keys.
    fn load(&self) -> Result<Config, OpenApiError> {
        let Self { config, profile } = self;
        let overrides = Overrides { profile: *profile, ..Overrides::default() };
        let keys = Keys::Replaced(EphemeralKeys::default());
        Ok(load_with_keys(config.as_deref(), &overrides, &Environment::process(), keys)?.config)
    }
}

/// Returns the module of this name; `None` if the configuration has none.
fn module_of<'c>(config: &'c Config, name: Option<&str>) -> Option<&'c Module> {
    config.gateway.modules.iter().find(|module| Some(module.name.as_str()) == name)
}

/// Reads a description.
fn read(file: &Path) -> Result<Api, OpenApiError> {
    let content = read_file_to_limit(file, MAX_BYTES)
        .map_err(|error| OpenApiError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| OpenApiError::TooLarge(file.to_path_buf()))?;
    let text = String::from_utf8(content).map_err(|_| OpenApiError::NotText(file.to_path_buf()))?;
    Ok(Api::read(&file.display().to_string(), &text)?)
}
