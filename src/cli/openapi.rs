//! `modgud openapi`: checks descriptions of modules' APIs, generates rules from them, and merges them.

mod merge;
mod page;

use super::{Exit, counted, print_error, print_line, print_warnings_error};
use crate::config::{
    Config, ConfigError, Environment, EphemeralKeys, Keys, Loaded, Overrides, ProfileName, load_with_keys,
};
use crate::diagnostic::{Diagnostic, Located};
use crate::openapi::{Api, MAX_BYTES, MergeErrors, Module, Mount, PageError, Report, Rules, Unreadable, check, rules};
use crate::read_limit::read_file_to_limit;
use modgud_core::authz::ModulePrefix;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Maximum number of warnings shown: a description without any security has one for each operation. Further ones are
/// counted.
const MAX_WARNINGS: usize = 100;

/// Checks the description of a module's API (OpenAPI 2.0 or 3.x, YAML or JSON), generates rules from it, or merges those of all modules
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Example:\n  modgud openapi check swagger.json --module crm\n  modgud openapi rules swagger.json --module crm\n  modgud openapi merge crm=swagger.json --output all.json"
)]
pub(super) enum Command {
    Check(CheckArgs),
    Rules(RulesArgs),
    Merge(merge::MergeArgs),
    Page(page::PageArgs),
}

/// Checks the description of a module's API.
///
/// It reports reserved names, `/docs`, operations without security requirements, paths that no rule can express, and
/// paths that match the same requests. Each finding has its location. Exit code 0: the module can join. 1: there is an
/// error, or the file can't be read. Warnings affect the exit code only with --deny-warnings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud openapi check swagger.json --module crm --config modgud.yaml")]
pub(super) struct CheckArgs {
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
pub(super) struct RulesArgs {
    /// The description (OpenAPI 2.0 or 3.x, YAML or JSON)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the module
    #[arg(long, value_name = "NAME")]
    module: String,
    #[command(flatten)]
    gateway: Gateway,
}

/// The configuration of the gateway that the module joins.
#[derive(Debug, clap::Args)]
struct Gateway {
    /// The configuration of the gateway that the module joins. It provides reserved names and, if the
    /// module is configured, its prefix and path options (`keep_prefix`, `case`, `suffixes`)
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
    #[error("{}: the file is larger than {} bytes, the limit for a file of Swagger UI", .0.display(), page::MAX_PART_BYTES)]
    PartTooLarge(PathBuf),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Merge(#[from] MergeErrors),
    #[error("the module `{0}` is named twice; write one file for it")]
    Repeated(String),
    #[error("`/{0}` can't be a prefix: {1}")]
    Prefix(String, String),
    #[error("no module has a description; write NAME=FILE, or `openapi` of a module in the configuration")]
    NoModule,
    #[error("the document can't be written: {0}")]
    Write(io::Error),
    #[error("--output {} is {used}; write another file", .file.display())]
    OutputIsInput { file: PathBuf, used: String },
    #[error("{0}")]
    Description(Box<Diagnostic>),
    #[error("{}: the file can't be written: {error}", .file.display())]
    WriteFile { file: PathBuf, error: io::Error },
}

pub(super) fn run(command: &Command) -> Exit {
    let done = match command {
        Command::Check(args) => run_check(args),
        Command::Rules(args) => run_rules(args),
        Command::Merge(args) => merge::run(args),
        Command::Page(args) => page::run(args),
    };
    done.unwrap_or_else(print_error)
}

impl Gateway {
    /// Loads the configuration without its keys.
    fn load(&self) -> Result<Config, OpenApiError> {
        Ok(self.load_with_locations()?.config)
    }

    /// Loads the configuration without its keys, with the locations of its values.
    fn load_with_locations(&self) -> Result<Loaded, OpenApiError> {
        let Self { config, profile } = self;
        let overrides = Overrides { profile: *profile, ..Overrides::default() };
        let keys = Keys::Replaced(EphemeralKeys::default());
        Ok(load_with_keys(config.as_deref(), &overrides, &Environment::process(), keys)?)
    }
}

/// Returns the mount of the module of this name; `None` if the configuration has none.
fn mount_of(config: &Config, name: Option<&str>) -> Option<Mount> {
    let joined = config.gateway.modules.iter().find(|module| Some(module.name.as_str()) == name)?;
    let (prefix, keep_prefix, reading) = (joined.prefix.clone(), joined.keep_prefix, joined.reading.clone());
    Some(Mount { prefix, keep_prefix, reading })
}

/// Reads a description.
fn read(file: &Path) -> Result<Api, OpenApiError> {
    Ok(Api::read(&file.display().to_string(), &read_text(file)?)?)
}

/// Reads the text of a description.
fn read_text(file: &Path) -> Result<String, OpenApiError> {
    let content = read_file_to_limit(file, MAX_BYTES)
        .map_err(|error| OpenApiError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| OpenApiError::TooLarge(file.to_path_buf()))?;
    String::from_utf8(content).map_err(|_| OpenApiError::NotText(file.to_path_buf()))
}

/// Checks that the output replaces none of the files that the command reads. Each has its use in words.
fn check_output<'f>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = (&'f Path, String)>,
) -> Result<(), OpenApiError> {
    let Some(file) = output else { return Ok(()) };
    // A file that does not exist yet is no input.
    let Ok(target) = file.canonicalize() else { return Ok(()) };
    let same = |(input, _): &(&Path, String)| input.canonicalize().is_ok_and(|input| input == target);
    match inputs.into_iter().find(same) {
        Some((_, used)) => Err(OpenApiError::OutputIsInput { file: file.to_path_buf(), used }),
        None => Ok(()),
    }
}

/// Writes a text into a file, which it replaces, or on standard output.
fn write(file: Option<&Path>, text: &str) -> Result<Exit, OpenApiError> {
    match file {
        Some(file) => {
            std::fs::write(file, text).map_err(|error| OpenApiError::WriteFile { file: file.to_path_buf(), error })?;
        }
        None => print_line(text.trim_end()),
    }
    Ok(Exit::Done)
}

fn run_check(args: &CheckArgs) -> Result<Exit, OpenApiError> {
    let CheckArgs { file, module, gateway, deny_warnings } = args;
    let config = gateway.load()?;
    let api = read(file)?;
    let name = module.as_deref();
    let mount = mount_of(&config, name);
    let module = Module { name, mount: mount.as_ref(), reserved: &config.gateway.core.reserved };
    let Report { errors, warnings } = check(&api, &module);
    let operations = counted(api.operations(), "operation", "operations");
    print_line(format_args!("{}: {}, {operations}", file.display(), api.version));
    for warning in warnings.iter().take(MAX_WARNINGS) {
        print_line(format_args!("warning: {warning}"));
    }
    if let Some(more) = warnings.len().checked_sub(MAX_WARNINGS).filter(|more| *more > 0) {
        print_line(format_args!("warning: and {more} more"));
    }
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        return Ok(print_error(lines.join("\n")));
    }
    Ok(if *deny_warnings && !warnings.is_empty() { print_warnings_error(warnings.len()) } else { Exit::Done })
}

/// Writes the warnings on standard error, so that standard output can go into a file.
fn print_warnings<F: std::fmt::Display>(warnings: &[Located<F>]) {
    let mut errors = io::stderr().lock();
    for warning in warnings.iter().take(MAX_WARNINGS) {
        // A closed standard error is no reason to stop.
        let _ = writeln!(errors, "modgud: warning: {warning}");
    }
    if let Some(more) = warnings.len().checked_sub(MAX_WARNINGS).filter(|more| *more > 0) {
        let _ = writeln!(errors, "modgud: warning: and {more} more");
    }
}

fn run_rules(args: &RulesArgs) -> Result<Exit, OpenApiError> {
    let RulesArgs { file, module, gateway } = args;
    let config = gateway.load()?;
    let mount = match mount_of(&config, Some(module)) {
        Some(mount) => mount,
        None => match ModulePrefix::parse(&format!("/{module}")) {
            Ok(prefix) => Mount::new(prefix),
            Err(error) => return Ok(print_error(format_args!("--module: `/{module}` can't be a prefix: {error}"))),
        },
    };
    let api = read(file)?;
    let Rules { text, warnings } = rules(&api, &file.display().to_string(), module, &mount)?;
    print_line(text.trim_end());
    print_warnings(&warnings);
    Ok(Exit::Done)
}
