//! Finds the documents of a configuration, lays the user's file over its profile, and checks the whole. The one way by which
//! commands and the server get a configuration.

use super::de::{self, FormError, Found, Seen, is_hole};
use super::diagnostic::{Located, MAX_REPORTED, Problem};
use super::environment::Environment;
use super::error::ConfigError;
use super::key_metadata::{self, KeyMetadata};
use super::lint::{self, Warning};
use super::open::{self, OpenRule};
use super::path::Path as At;
use super::placeholder;
use super::profile::NONE;
use super::raw::{Document, ProfileName, is_choice};
use super::secret_source::{Keys, SecretLoader};
use super::watcher::FileWatcher;
use super::{Config, render, validate};
use crate::net::listen_addr::ListenAddr;
use crate::yaml::{Bounds, Location, Member, Node, SyntaxError, Value};
use modgud_core::authn::Revocations;
use modgud_core::jose::Fingerprint;
use modgud_core::time::Timestamp;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::slice;
use std::string::FromUtf8Error;

/// The most that is read from a configuration file: 1 MiB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What some editors put at the start of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What the command line says instead of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--profile`.
    pub profile: Option<ProfileName>,
    /// `--grpc`.
    pub grpc: Option<ListenAddr>,
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
    /// Tables and lists that are not there, and were taken for empty: only when keys are replaced.
    pub missing: Vec<PathBuf>,
    /// The rules that admit requests without a credential.
    pub open: Vec<OpenRule>,
    /// The values, each with its place.
    effective: Node,
    /// What holds at any time.
    warnings: Vec<Located<Warning>>,
    keys: Vec<Located<KeyMetadata>>,
}

impl Loaded {
    /// The effective configuration as YAML, each value with where it comes from; what may be a secret is left out.
    ///
    /// # Errors
    /// None that can happen: writing to a string does not fail.
    pub fn yaml(&self) -> Result<String, std::fmt::Error> {
        render::yaml(&self.effective)
    }

    /// What the configuration says but probably should not, in the order of the file. Some of it, the dates of certificates, is
    /// a matter of time.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Located<Warning>> {
        let of_keys = self.keys.iter().filter_map(|key| key.what().warning(now).map(|warning| key.with(warning)));
        let own = self.config.tls.as_ref().and_then(|tls| tls.validity().warning(now)).map(|warning| {
            let at = At::root("server").key("tls").key("cert");
            Located::new(&at, &self.effective, Warning::ServerCertificate(warning))
        });
        let mut warnings: Vec<Located<Warning>> = self.warnings.iter().cloned().chain(of_keys).chain(own).collect();
        warnings.sort_by(|one, other| one.order().cmp(&other.order()));
        warnings
    }

    /// What is known of a key of an authenticator, which is named by its place in the list; `None` for a key that stands in no
    /// PEM text.
    #[must_use]
    pub fn key_facts(&self, authenticator: usize, key: Fingerprint) -> Option<&KeyMetadata> {
        self.keys.iter().map(Located::what).find(|facts| facts.are_of(authenticator, key))
    }
}

/// Loads a configuration: the defaults, the profile, the file, if there is one, and the command line, each laid over the one
/// before.
///
/// # Errors
/// Everything that is wrong, all at once, each with its place and path.
pub fn load(file: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    load_watched(file, overrides, environment, None).0
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
/// is time to load again, whether it could be loaded this time or not. A list of revocations that is followed already is `running`:
/// one of the same file is that very list, which nobody but its follower changes.
///
/// # Errors
/// Those of [`load`].
pub fn load_watched(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &Environment,
    running: Option<Revocations>,
) -> (Result<Loaded, ConfigError>, FileWatcher) {
    let reader = reader(file, environment, Keys::Configured).with_running(running);
    let loaded = load_with(file, overrides, &reader);
    (loaded, reader.into_files())
}

/// Reads a document that is no configuration with the same care: each fault of its form is told with its place.
///
/// # Errors
/// Those of [`load`] that concern syntax and form.
pub fn read_document<T: DeserializeOwned>(origin: &str, content: Vec<u8>) -> Result<T, ConfigError> {
    let text = String::from_utf8(content).map_err(|error| not_text(origin, &error))?;
    let mut root = read(origin, &text)?;
    let (document, faults) = de::read::<T>(&mut root);
    match document {
        Some(document) if faults.is_empty() => Ok(document),
        Some(_) | None => Err(ConfigError::Invalid(faults.into_iter().map(Located::from).collect())),
    }
}

/// Relative paths in a file start from its folder.
fn reader(file: Option<&Path>, environment: &Environment, keys: Keys) -> SecretLoader {
    let base = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
    SecretLoader::new(environment.clone(), base, keys)
}

fn load_with(file: Option<&Path>, overrides: &Overrides, reader: &SecretLoader) -> Result<Loaded, ConfigError> {
    let user = file.map(|file| read_file(file, reader)).transpose()?;
    let (profile, unnamed) = match (overrides.profile, &user) {
        (Some(profile), _) => (profile, None),
        (None, None) => (ProfileName::Bifrost, None),
        (None, Some(user)) => named_profile(user),
    };
    let mut effective = read("default", NONE)?;
    let name = profile.name();
    if let Some(content) = profile.content() {
        effective = effective.overlay(read(&format!("profile {name}"), content)?, is_choice);
    }
    let origin = match file {
        Some(file) => format!("{} on profile {name}", file.display()),
        None => format!("profile {name}"),
    };
    let below = effective.clone();
    let mut nothings = Vec::new();
    if let Some(user) = user {
        find_nothings(&user, &At::default(), &user, &mut nothings);
        placeholder::find(&user, &At::default(), &user, &mut nothings);
        effective = effective.overlay(user, is_choice);
    }
    effective = lay_flags(effective, overrides, name);
    let Checked { config, warnings, keys, open } = check(effective.clone(), below, (nothings, unnamed), reader)?;
    Ok(Loaded { config, origin, missing: reader.missing(), open, effective, warnings, keys })
}

fn read_file(file: &Path, reader: &SecretLoader) -> Result<Node, ConfigError> {
    let content = reader
        .file(file, MAX_FILE_BYTES)
        .map_err(|error| ConfigError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| ConfigError::TooLarge { file: file.to_path_buf(), limit: MAX_FILE_BYTES })?;
    let origin = file.display().to_string();
    let text = String::from_utf8(content).map_err(|error| not_text(&origin, &error))?;
    if text.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty() {
        return Err(ConfigError::Empty { file: file.to_path_buf() });
    }
    let root = read(&origin, &text)?;
    match &root.value {
        Value::Map(_) | Value::Null => Ok(root),
        other => {
            // What it is, is not repeated: a key file that was taken for the configuration is a text, too.
            let what = FormError::Type {
                found: Seen::from(other).hidden(),
                expected: "a map, such as `fallback: denied`".to_owned(),
            };
            let fault = Found { place: root.place, shown: String::new(), what };
            Err(ConfigError::Invalid(vec![fault.into()]))
        }
    }
}

/// Says where the first byte stands that is not UTF-8.
fn not_text(origin: &str, error: &FromUtf8Error) -> ConfigError {
    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(in_line).chars().count().saturating_add(1);
    let message = "the file is not UTF-8 text: no character begins with the byte here".to_owned();
    ConfigError::Syntax { place: format!("{origin}:{line}:{column}"), message }
}

/// Keys within a section behind which nothing stands. Whoever wrote one meant something by it, such as a variable of a template
/// that turned out to be empty; taken for left out, it could loosen a check. A whole section may be empty: all of it is then as the
/// profile says.
fn find_nothings(node: &Node, way: &At, root: &Node, found: &mut Vec<Found>) {
    if found.len() >= MAX_REPORTED {
        return;
    }
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                find_nothings(&entry.node, &way.key(&entry.key), root, found);
            }
        }
        Value::List(items) => {
            for (position, item) in items.iter().enumerate() {
                find_nothings(&item.node, &way.position(position), root, found);
            }
        }
        Value::Null if way.is_within_a_section() => {
            found.push(Found {
                place: node.place.clone(),
                shown: way.shown(root).to_string(),
                what: FormError::Nothing,
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

fn read(origin: &str, text: &str) -> Result<Node, ConfigError> {
    Node::read(origin, text, Bounds::CONFIGURATION)
        .map_err(|SyntaxError { place, message }| ConfigError::Syntax { place: place.to_string(), message })
}

/// The profile that a file names. A name that is unknown is reported when the whole is checked; none at all is a problem, which
/// is returned beside the profile that nothing is taken from.
fn named_profile(user: &Node) -> (ProfileName, Option<Located>) {
    let named = user.member("profile").map(|entry| &entry.node).filter(|node| !matches!(node.value, Value::Null));
    if let Some(node) = named {
        return (serde::Deserialize::deserialize(node).unwrap_or(ProfileName::Bifrost), None);
    }
    let problem = Located::new(&At::root("profile"), user, Problem::ProfileMissing).or_at_the_start();
    (ProfileName::None, Some(problem))
}

/// Lays the flags over the whole, and names the profile if nobody else has: what is printed says on what it lies. Where something
/// else stands than what a flag belongs into, it stays, to be told as a problem.
fn lay_flags(mut root: Node, overrides: &Overrides, profile_name: &str) -> Node {
    let Overrides { profile, grpc, admin } = overrides;
    let Value::Map(sections) = &mut root.value else { return root };
    match (profile, sections.iter().any(|section| section.key == "profile")) {
        (Some(_), _) => put(sections, "profile", "--profile", profile_name.to_owned()),
        (None, false) => put(sections, "profile", "default", profile_name.to_owned()),
        (None, true) => {}
    }
    let server = sections.iter_mut().find(|section| section.key == "server");
    if let Some(Value::Map(server)) = server.map(|section| &mut section.node.value) {
        let flags = [
            ("grpc", "--grpc", grpc.as_ref().map(ToString::to_string)),
            ("admin", "--admin", admin.as_ref().map(ToString::to_string)),
        ];
        for (key, flag, address) in flags {
            if let Some(address) = address {
                put(server, key, flag, address);
            }
        }
    }
    root
}

/// Puts a text in the place of a member, or before all others.
fn put(map: &mut Vec<Member>, key: &str, origin: &str, text: String) {
    let place = Location { origin: origin.into(), position: None };
    let node = Node { place: place.clone(), value: Value::Text(text) };
    match map.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => entry.node = node,
        None => map.insert(0, Member { key: key.to_owned(), key_place: place, node }),
    }
}

/// A configuration that would serve, and what is to be said of it.
struct Checked {
    config: Config,
    warnings: Vec<Located<Warning>>,
    keys: Vec<Located<KeyMetadata>>,
    open: Vec<OpenRule>,
}

/// Checks form, then meaning, and gives every problem of both; if there is none, what is to be said besides. `below` is what the
/// user's file was laid over. Without a named profile only the form is checked: the meaning depends on it.
fn check(
    mut root: Node,
    mut below: Node,
    (nothings, unnamed): (Vec<Found>, Option<Located>),
    reader: &SecretLoader,
) -> Result<Checked, ConfigError> {
    let (document, mut faults) = de::read::<Document>(&mut root);
    // What stands in something that is faulty, or is it, has been told.
    let told = |nothing: &Found| faults.iter().any(|fault| is_hole(slice::from_ref(nothing), &fault.shown));
    let nothings: Vec<Found> = nothings.into_iter().filter(|nothing| !told(nothing)).collect();
    faults.extend(nothings);
    let document = document.unwrap_or_default();
    let checked = match unnamed {
        None => validate::config(&document, reader).map_err(|found| found.placed(&root, &faults)),
        Some(unnamed) => Err(vec![unnamed]),
    };
    let mut problems: Vec<Located> = match checked {
        Ok(config) if faults.is_empty() => {
            let (profile, _) = de::read::<Document>(&mut below);
            let mut warnings = lint::find(&document, &root, &profile.unwrap_or_default(), &config);
            warnings.extend(lint::jwks::find(&document, &root, reader));
            let keys = key_metadata::gather(&document, &root, reader);
            let open = open::find(&document, &root);
            return Ok(Checked { config, warnings, keys, open });
        }
        Ok(_) => Vec::new(),
        // A variable of a template is told once, and not again as what it is taken for.
        Err(problems) => {
            problems.into_iter().filter(|problem| !faults.iter().any(|fault| problem.is_of(fault))).collect()
        }
    };
    problems.extend(faults.into_iter().map(Located::from));
    problems.sort_by(|one, other| one.order().cmp(&other.order()));
    problems.truncate(MAX_REPORTED);
    Err(ConfigError::Invalid(problems))
}
