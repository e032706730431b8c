//! Finds the documents of a configuration, lays the user's file over its profile, and checks the whole. The one way by which
//! commands and the server get a configuration.

use super::document::{Document, ProfileName};
use super::problem::{ConfigError, Placed};
use super::source::{Environment, read_bounded};
use super::tree::{Node, SyntaxFault, Value};
use super::{Config, de, validate};
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

impl ProfileName {
    fn document(self) -> (&'static str, &'static str) {
        match self {
            Self::Bifrost => ("profile bifrost", BIFROST),
            Self::None => ("profile none", NONE),
        }
    }
}

/// Loads a configuration: the file, if there is one, laid over its profile, and the command line over both.
///
/// # Errors
/// Everything that is wrong, all at once, each with its place and path.
pub fn load(file: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    let user = file.map(read_file).transpose()?;
    let profile = overrides.profile.or_else(|| user.as_ref().and_then(named_profile)).unwrap_or(ProfileName::Bifrost);
    let (profile_name, profile_text) = profile.document();
    let origin = match file {
        Some(file) => format!("{} on {profile_name}", file.display()),
        None => profile_name.to_owned(),
    };
    let mut root = read(profile_name, profile_text)?;
    if let Some(user) = user {
        root = root.overlay(user);
    }
    let base = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
    let mut config = check(root, environment, &base)?;
    config.server.grpc = overrides.grpc.unwrap_or(config.server.grpc);
    config.server.admin = overrides.admin.unwrap_or(config.server.admin);
    Ok(Loaded { config, origin })
}

fn read_file(file: &Path) -> Result<Node, ConfigError> {
    let text = read_bounded(file, MAX_FILE_BYTES)
        .map_err(|error| ConfigError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| ConfigError::TooLarge { file: file.to_path_buf(), limit: MAX_FILE_BYTES })?;
    read(&file.display().to_string(), &text)
}

fn read(origin: &str, text: &str) -> Result<Node, ConfigError> {
    Node::read(origin, text).map_err(|SyntaxFault { place, message }| ConfigError::Syntax { place: place.to_string(), message })
}

/// The profile that a file names; a name that is none is found when the whole is checked.
fn named_profile(user: &Node) -> Option<ProfileName> {
    let Value::Map(entries) = &user.value else { return None };
    let entry = entries.iter().find(|entry| entry.key == "profile")?;
    serde::Deserialize::deserialize(&entry.node).ok()
}

/// Checks form, then meaning, and gives every problem of both.
fn check(mut root: Node, environment: &Environment, base: &Path) -> Result<Config, ConfigError> {
    let (document, faults) = de::read::<Document>(&mut root);
    let mut problems: Vec<Placed> = faults.into_iter().map(Placed::from).collect();
    let checked = validate::config(&document.unwrap_or_default(), environment, base);
    match checked {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(found) => problems.extend(found.placed(&root)),
    }
    problems.sort_by(|one, other| one.order().cmp(&other.order()));
    Err(ConfigError::Invalid(problems))
}
