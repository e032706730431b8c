//! Finds the documents of a configuration, lays the user's file over its profile, and checks the whole. The one way by which
//! commands and the server get a configuration.

use super::document::{Document, ProfileName};
use super::problem::{ConfigError, Placed};
use super::source::{Environment, Keys, Reader};
use super::tree::{Entry, Node, Place, SyntaxFault, Value};
use super::watch::Watched;
use super::{Config, de, print, validate};
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
    /// The values, each with its place.
    effective: Node,
}

impl Loaded {
    /// The effective configuration as YAML, each value with where it comes from; what may be a secret is left out.
    ///
    /// # Errors
    /// None that can happen: writing to a string does not fail.
    pub fn yaml(&self) -> Result<String, std::fmt::Error> {
        print::yaml(&self.effective)
    }
}

/// Loads a configuration: the defaults, the profile, the file, if there is one, and the command line, each laid over the one
/// before.
///
/// # Errors
/// Everything that is wrong, all at once, each with its place and path.
pub fn load(file: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    load_and_name_files(file, overrides, environment).0
}

/// The same as [`load`], with other keys than those that the configuration names.
///
/// # Errors
/// Those of [`load`].
pub fn load_with_keys(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &Environment,
    keys: Keys,
) -> Result<Loaded, ConfigError> {
    load_with(file, overrides, &reader(file, environment, keys))
}

/// The same as [`load`], and every file that the configuration was made from, or would have been: when one of them changes, it
/// is time to load again, whether it could be loaded this time or not.
///
/// # Errors
/// Those of [`load`].
pub fn load_and_name_files(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &Environment,
) -> (Result<Loaded, ConfigError>, Watched) {
    let reader = reader(file, environment, Keys::Configured);
    let loaded = load_with(file, overrides, &reader);
    (loaded, reader.into_files())
}

/// Relative paths in a file start from its folder.
fn reader(file: Option<&Path>, environment: &Environment, keys: Keys) -> Reader {
    let base = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
    Reader::new(environment.clone(), base, keys)
}

fn load_with(file: Option<&Path>, overrides: &Overrides, reader: &Reader) -> Result<Loaded, ConfigError> {
    let user = file.map(|file| read_file(file, reader)).transpose()?;
    let profile = overrides.profile.or_else(|| user.as_ref().and_then(named_profile)).unwrap_or(ProfileName::Bifrost);
    let mut effective = read("default", NONE)?;
    let profile = match profile {
        ProfileName::Bifrost => {
            effective = effective.overlay(read("profile bifrost", BIFROST)?);
            "profile bifrost"
        }
        ProfileName::None => "profile none",
    };
    let origin = match file {
        Some(file) => format!("{} on {profile}", file.display()),
        None => profile.to_owned(),
    };
    if let Some(user) = user {
        effective = effective.overlay(user);
    }
    // Flags go into `server`, and do not hide that something else stands there.
    if effective.has_map("server") {
        effective = effective.overlay(command_line(overrides));
    }
    let config = check(effective.clone(), reader)?;
    Ok(Loaded { config, origin, effective })
}

fn read_file(file: &Path, reader: &Reader) -> Result<Node, ConfigError> {
    let text = reader
        .file(file, MAX_FILE_BYTES)
        .map_err(|error| ConfigError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| ConfigError::TooLarge { file: file.to_path_buf(), limit: MAX_FILE_BYTES })?;
    if text.trim().is_empty() {
        return Err(ConfigError::Empty { file: file.to_path_buf() });
    }
    read(&file.display().to_string(), &text)
}

fn read(origin: &str, text: &str) -> Result<Node, ConfigError> {
    Node::read(origin, text)
        .map_err(|SyntaxFault { place, message }| ConfigError::Syntax { place: place.to_string(), message })
}

/// The profile that a file names; a name that is none is found when the whole is checked.
fn named_profile(user: &Node) -> Option<ProfileName> {
    let Value::Map(entries) = &user.value else { return None };
    let entry = entries.iter().find(|entry| entry.key == "profile")?;
    serde::Deserialize::deserialize(&entry.node).ok()
}

/// The flags as a document.
fn command_line(overrides: &Overrides) -> Node {
    let Overrides { profile: _, grpc, admin } = overrides;
    let entry = |key: &str, flag: &str, value: Value| {
        let place = Place { origin: flag.into(), position: None };
        Entry { key: key.to_owned(), key_place: place.clone(), node: Node { place, value } }
    };
    let flags = [("grpc", "--grpc", grpc), ("admin", "--admin", admin)];
    let said = flags.into_iter().filter_map(|(key, flag, address)| address.map(|address| (key, flag, address)));
    let server: Vec<Entry> =
        said.map(|(key, flag, address)| entry(key, flag, Value::Text(address.to_string()))).collect();
    let members = if server.is_empty() { Vec::new() } else { vec![entry("server", "flags", Value::Map(server))] };
    entry("", "flags", Value::Map(members)).node
}

/// Checks form, then meaning, and gives every problem of both.
fn check(mut root: Node, reader: &Reader) -> Result<Config, ConfigError> {
    let (document, faults) = de::read::<Document>(&mut root);
    let mut problems: Vec<Placed> = faults.into_iter().map(Placed::from).collect();
    let checked = validate::config(&document.unwrap_or_default(), reader);
    match checked {
        Ok(config) if problems.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(found) => problems.extend(found.placed(&root)),
    }
    problems.sort_by(|one, other| one.order().cmp(&other.order()));
    Err(ConfigError::Invalid(problems))
}
