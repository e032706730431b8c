//! `modgud openapi merge`: one description of all modules' APIs.

use super::{Gateway, OpenApiError, print_warnings, read_text};
use crate::cli::{Exit, counted};
use crate::config::nearest;
use crate::envoy::bootstrap::Module as GatewayModule;
use crate::openapi::{self, Merged, ModuleApi, Source};
use modgud_core::authz::{ModulePrefix, ModuleReading};
use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Merges the descriptions of all modules' APIs into one OpenAPI document, that of the gateway, and writes it as JSON.
///
/// The modules are those of the configuration that have `openapi`, and those that are named here. Swagger 2.0 is converted. Paths get the
/// prefixes of their modules; components, tags and operations get the names of their modules. Security is that of the configuration's
/// authenticators and rules, and modgud's denials are described. An operation that a rule denies to all callers is left out with a warning.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud openapi merge --config modgud.yaml --output swagger.json\n  modgud openapi merge crm=crm/swagger.json shop=shop/openapi.yaml --server https://api.example.com > swagger.json"
)]
pub(in crate::cli) struct MergeArgs {
    /// A module and its description; it replaces `openapi` of that module. A module that the configuration does not have gets the prefix
    /// `/NAME`
    #[arg(value_name = "NAME=FILE", value_parser = module)]
    modules: Vec<(String, PathBuf)>,
    #[command(flatten)]
    gateway: Gateway,
    /// The URL of the gateway; several are alternatives
    #[arg(long, value_name = "URL", default_value = "/", value_parser = server)]
    server: Vec<String>,
    /// The title of the document
    #[arg(long, value_name = "TEXT", default_value = "API of the gateway")]
    title: String,
    /// The version of the API
    #[arg(long, value_name = "TEXT", default_value = "1.0.0")]
    api_version: String,
    /// The file to write, which is replaced; by default standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn module(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("write a module and its file, such as `crm=swagger.json`".to_owned()),
    }
}

fn server(text: &str) -> Result<String, String> {
    let has_host =
        ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'?' | b'#' | b'\\'));
    if is_plain && (has_host || (text.starts_with('/') && !text.starts_with("//"))) {
        Ok(text.to_owned())
    } else {
        Err("write a URL such as `https://api.example.com`, or a path such as `/`".to_owned())
    }
}

pub(super) fn run(args: &MergeArgs) -> Result<Exit, OpenApiError> {
    let MergeArgs { modules: named, gateway, server, title, api_version, output } = args;
    let loaded = gateway.load_with_locations()?;
    let config = &loaded.config;
    let configured = &config.gateway.modules;
    check_output(args, configured)?;
    let mut modules = Vec::new();
    for (number, GatewayModule { name, openapi, .. }) in configured.iter().enumerate() {
        let file = named.iter().find(|(other, _)| other == name.as_str()).map(|(_, file)| file);
        match (file, openapi) {
            (Some(file), _) => modules.push(described(name.as_str(), file, configured)?),
            (None, Some(file)) => {
                let read = described(name.as_str(), file, configured);
                modules.push(read.map_err(|error| match error {
                    OpenApiError::Read { .. } | OpenApiError::TooLarge(_) | OpenApiError::NotText(_) => {
                        let text = format!("the description of the module `{name}`: {error}");
                        OpenApiError::Description(Box::new(loaded.unreadable_openapi(number, text)))
                    }
                    other => other,
                })?);
            }
            (None, None) => warn(&format!("the module `{name}` has no `openapi`, so the document lacks it")),
        }
    }
    let mut known = HashSet::new();
    for (name, file) in named {
        if !known.insert(name) {
            return Err(OpenApiError::Repeated(name.clone()));
        }
        if configured.iter().all(|module| module.name.as_str() != name) {
            if let Some(file) = &gateway.config {
                warn(&unrouted(file, name, configured));
            }
            modules.push(described(name, file, configured)?);
        }
    }
    if modules.is_empty() {
        return Err(OpenApiError::NoModule);
    }
    let configured = configured.iter().map(|module| (module.name.as_str(), &module.prefix));
    let others = modules.iter().map(|module| (module.name, &module.prefix));
    let of_gateway = openapi::Gateway {
        snapshot: &config.snapshot,
        prefixes: configured.chain(others).collect(),
        reserved: &config.gateway.core.reserved,
        title,
        version: api_version,
        servers: server,
    };
    let merged = openapi::merge(&modules, &of_gateway)?;
    print_warnings(&merged.warnings);
    let Merged { version, operations, .. } = merged;
    let json = merged.json().map_err(|error| OpenApiError::Write(io::Error::other(error)))?;
    let exit = super::write(output.as_deref(), &format!("{json}\n"))?;
    if let Some(file) = output {
        let (modules, operations) =
            (counted(modules.len(), "module", "modules"), counted(operations, "operation", "operations"));
        crate::cli::print_line(format_args!("{}: OpenAPI {version}, {modules}, {operations}", file.display()));
    }
    Ok(exit)
}

/// Checks that the output is none of the files that are read.
fn check_output(args: &MergeArgs, configured: &[GatewayModule]) -> Result<(), OpenApiError> {
    let describes = |name: &str| format!("the description of the module `{name}`");
    let named = args.modules.iter().map(|(name, file)| (file.as_path(), describes(name)));
    let own = configured.iter().filter_map(|module| module.openapi.as_deref().zip(Some(&module.name)));
    let own = own.map(|(file, name)| (file, describes(name.as_str())));
    let config = args.gateway.config.as_deref().map(|file| (file, "the configuration".to_owned()));
    super::check_output(args.output.as_deref(), named.chain(own).chain(config))
}

/// Returns the warning about a module that the configuration does not have.
fn unrouted(config: &Path, name: &str, configured: &[GatewayModule]) -> String {
    let names: Vec<&str> = configured.iter().map(|module| module.name.as_str()).collect();
    let help = match nearest(name, &names) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    };
    let file = config.display();
    format!("{file} has no module `{name}`; its paths begin with `/{name}`, which `modgud envoy` does not route{help}")
}

/// Writes a warning on standard error. A closed one is no reason to stop.
fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "modgud: warning: {text}");
}

/// Reads the description of a module.
fn described<'m>(name: &'m str, file: &Path, configured: &[GatewayModule]) -> Result<ModuleApi<'m>, OpenApiError> {
    let own = configured.iter().find(|module| module.name.as_str() == name);
    let prefix = match own {
        Some(module) => module.prefix.clone(),
        None => ModulePrefix::parse(&format!("/{name}"))
            .map_err(|error| OpenApiError::Prefix(name.to_owned(), error.to_string()))?,
    };
    let source = Source::read(&file.display().to_string(), &read_text(file)?)?;
    Ok(ModuleApi {
        name,
        prefix,
        reading: own.map_or_else(ModuleReading::default, |module| module.reading.clone()),
        keeps_prefix: own.is_some_and(|module| module.keep_prefix),
        has_access_list: own.is_some_and(|module| module.has_access_list),
        source,
    })
}
