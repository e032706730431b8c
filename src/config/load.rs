//! Finds the documents of a configuration and lays the user's file over its profile. Checks form, not meaning.

use super::document::{Document, ProfileName};
use super::problem::ConfigError;
use super::source::{Environment, read_bounded};
use super::{Config, validate};
use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The most that is read from a configuration file: 1 MiB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

const BIFROST: &str = include_str!("profiles/bifrost.yaml");
const NONE: &str = include_str!("profiles/none.yaml");

/// What the command line says instead of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--profile`.
    pub profile: Option<ProfileName>,
    /// `--grpc`.
    pub grpc: Option<SocketAddr>,
    /// `--admin`.
    pub admin: Option<SocketAddr>,
}

/// A configuration, and what it was made from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its origin in words: `profile bifrost`, or `FILE on profile bifrost`.
    pub origin: String,
}

/// Loads a configuration: the file, if there is one, laid over its profile.
///
/// # Errors
/// Everything that is wrong, with file, place and path.
pub fn load(file: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    let user = file.map(read_file).transpose()?;
    let (user_document, user_value) = match &user {
        Some((name, text)) => (parse::<Document>(name, text)?, parse::<Value>(name, text)?),
        None => (Document::default(), Value::Null),
    };
    let profile = overrides.profile.or(user_document.profile).unwrap_or(ProfileName::Bifrost);
    let (profile_name, profile_text) = match profile {
        ProfileName::Bifrost => ("profile bifrost", BIFROST),
        ProfileName::None => ("profile none", NONE),
    };
    let origin = match &user {
        Some((name, _)) => format!("{name} on {profile_name}"),
        None => profile_name.to_owned(),
    };
    let merged = merge(parse(profile_name, profile_text)?, user_value);
    let document: Document = serde_json::from_value(merged).map_err(|error| ConfigError::Form {
        origin: origin.clone(),
        location: None,
        message: error.to_string(),
    })?;
    let base = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
    let mut config = validate::config(&document, environment, &base)
        .map_err(|problems| ConfigError::Invalid { origin: origin.clone(), problems })?;
    config.server.grpc = overrides.grpc.unwrap_or(config.server.grpc);
    config.server.admin = overrides.admin.unwrap_or(config.server.admin);
    Ok(Loaded { config, origin })
}

fn read_file(file: &Path) -> Result<(String, String), ConfigError> {
    let text = read_bounded(file, MAX_FILE_BYTES)
        .map_err(|error| ConfigError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| ConfigError::TooLarge { file: file.to_path_buf(), limit: MAX_FILE_BYTES })?;
    if text.trim().is_empty() {
        return Err(ConfigError::Empty { file: file.to_path_buf() });
    }
    Ok((file.display().to_string(), text))
}

/// A file of comments alone is a document that says nothing. What YAML takes for a number or a truth value is no text: it
/// would not survive the way through a [`Value`] as it was written.
fn parse<T: serde::de::DeserializeOwned + Default>(origin: &str, text: &str) -> Result<T, ConfigError> {
    let form = |error: &serde_saphyr::Error| ConfigError::Form {
        origin: origin.to_owned(),
        location: error.location().map(|place| (place.line(), place.column())),
        message: message(error.without_snippet()),
    };
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options::<Option<T>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|error| form(&error))
}

/// What the parser says, without the place, which stands before it.
fn message(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::QuotingRequired { value, .. } => {
            return format!("`{value}` is a number or a truth value where a text is expected; put a text in quotes");
        }
        serde_saphyr::Error::Unexpected { expected: "sequence start", .. } => return "expected a list".to_owned(),
        serde_saphyr::Error::Unexpected { expected: "mapping start", .. } => {
            return "expected `key: value`, one or more".to_owned();
        }
        _ => {}
    }
    let text = error.render_with_formatter(&UserMessageFormatter);
    let place = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    place.and_then(|place| text.strip_suffix(&place)).unwrap_or(&text).to_owned()
}

/// Lays one document over another: maps merge, everything else replaces. `null` says nothing.
fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (below, Value::Null) => below,
        (Value::Object(mut below), Value::Object(above)) => {
            for (key, value) in above {
                let merged = merge(below.remove(&key).unwrap_or(Value::Null), value);
                below.insert(key, merged);
            }
            Value::Object(below)
        }
        (_, above) => above,
    }
}
