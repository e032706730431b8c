//! Loading of a configuration, for commands and the server: finds its documents, merges the user's file onto its profile, and validates the
//! result.

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

/// The maximum size of a configuration file: 1 MiB, more than any needs. A larger one is an error.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The character that some editors put at the start of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Values from the command line, which replace those of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--profile`.
    pub profile: Option<ProfileName>,
    /// `--grpc`.
    pub grpc: Option<ListenAddr>,
    /// `--admin`.
    pub admin: Option<SocketAddr>,
}

/// A configuration and its origin.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its origin in words: `profile bifrost`, or `FILE on profile bifrost`.
    pub origin: String,
    /// Tables and lists that do not exist and count as empty; only when keys are replaced.
    pub missing: Vec<PathBuf>,
    /// The rules that admit requests without a credential.
    pub open: Vec<OpenRule>,
    /// The effective values, each with its location.
    effective: Node,
    /// The warnings that do not depend on the time.
    warnings: Vec<Located<Warning>>,
    keys: Vec<Located<KeyMetadata>>,
}

impl Loaded {
    /// Returns the effective configuration as YAML, each value with its origin. Omits what may be a secret.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn yaml(&self) -> Result<String, std::fmt::Error> {
        render::yaml(&self.effective)
    }

    /// Returns the warnings in the order of the file. Those about the dates of certificates depend on the time.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Located<Warning>> {
        let of_keys = self.keys.iter().filter_map(|key| key.what().warning(now).map(|warning| key.with(warning)));
        let own = self.config.tls.as_ref().and_then(|tls| tls.warning(now)).map(|warning| {
            let at = At::root("server").key("tls").key("cert");
            Located::new(&at, &self.effective, Warning::ServerCertificate(warning))
        });
        let mut warnings: Vec<Located<Warning>> = self.warnings.iter().cloned().chain(of_keys).chain(own).collect();
        warnings.sort_by(|one, other| one.order().cmp(&other.order()));
        warnings
    }

    /// Returns the metadata of a key of the authenticator with this index in the list. `None` for a key that is not in a PEM text.
    #[must_use]
    pub fn key_facts(&self, authenticator: usize, key: Fingerprint) -> Option<&KeyMetadata> {
        self.keys.iter().map(Located::what).find(|facts| facts.are_of(authenticator, key))
    }
}

/// Loads a configuration: the defaults, the profile, the file, if there is one, and the command line, each merged onto the previous one.
///
/// # Errors
/// All problems at once, each with its location and path.
pub fn load(file: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    load_watched(file, overrides, environment, LoadOccasion::Start).0
}

/// Loads a configuration like [`load`], with other keys than those that it names.
///
/// # Errors
/// The errors of [`load`].
pub fn load_with_keys(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &Environment,
    keys: Keys,
) -> Result<Loaded, ConfigError> {
    load_with(file, overrides, &reader(file, environment, keys))
}

/// The occasion of a load.
#[derive(Debug)]
pub enum LoadOccasion {
    /// The first one. A pipe may hold the configuration, as with `--config <(…)`.
    Start,
    /// A reload, with the active revocation list. Only regular files are read: a pipe would block for ever.
    Reload(Option<Revocations>),
}

/// Loads a configuration like [`load`], and returns a watcher of every file that was read or would have been.
///
/// A change of any of them is a reason to load again, whether this attempt succeeded or not. `running` is the revocation list that is
/// already watched. It is reused for the same file, since only its watcher changes it.
///
/// # Errors
/// The errors of [`load`].
pub fn load_watched(
    file: Option<&Path>,
    overrides: &Overrides,
    environment: &Environment,
    occasion: LoadOccasion,
) -> (Result<Loaded, ConfigError>, FileWatcher) {
    let reader = reader(file, environment, Keys::Configured);
    let reader = match occasion {
        LoadOccasion::Start => reader,
        LoadOccasion::Reload(running) => reader.for_reload(running),
    };
    let loaded = load_with(file, overrides, &reader);
    (loaded, reader.into_files())
}

/// Reads a document other than a configuration with the same care: each form error has a location.
///
/// # Errors
/// The errors of [`load`] that concern syntax and form.
pub fn read_document<T: DeserializeOwned>(origin: &str, content: Vec<u8>) -> Result<T, ConfigError> {
    let text = String::from_utf8(content).map_err(|error| not_text(origin, &error))?;
    let mut root = read(origin, &text)?;
    let (document, faults) = de::read::<T>(&mut root);
    match document {
        Some(document) if faults.is_empty() => Ok(document),
        Some(_) | None => Err(ConfigError::Invalid(faults.into_iter().map(Located::from).collect())),
    }
}

/// Creates the loader. Relative paths in a file start from its folder.
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
            // The content is not repeated: a key file that was taken for the configuration is a text, too.
            let what = FormError::Type {
                found: Seen::from(other).hidden(),
                expected: "a map, such as `fallback: denied`".to_owned(),
            };
            let fault = Found { place: root.place, shown: String::new(), what };
            Err(ConfigError::Invalid(vec![fault.into()]))
        }
    }
}

/// Returns the error with the location of the first byte that is not UTF-8.
fn not_text(origin: &str, error: &FromUtf8Error) -> ConfigError {
    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(in_line).chars().count().saturating_add(1);
    let message = "the file is not UTF-8 text: no character begins with the byte here".to_owned();
    ConfigError::Syntax { place: format!("{origin}:{line}:{column}"), message }
}

/// Finds keys within a section that have no value.
///
/// Their author meant something by them, such as a template variable that turned out to be empty. Taken as omitted, they could loosen a
/// check. A whole section may be empty: it is then as in the profile.
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

/// Returns the profile that a file names. Validation reports an unknown name.
///
/// A missing name is a problem, which is returned together with the profile `none`.
fn named_profile(user: &Node) -> (ProfileName, Option<Located>) {
    let named = user.member("profile").map(|entry| &entry.node).filter(|node| !matches!(node.value, Value::Null));
    if let Some(node) = named {
        return (serde::Deserialize::deserialize(node).unwrap_or(ProfileName::Bifrost), None);
    }
    let problem = Located::new(&At::root("profile"), user, Problem::ProfileMissing).or_at_the_start();
    (ProfileName::None, Some(problem))
}

/// Applies the flags, and adds the name of the profile if it is missing, so that the printed configuration names its base.
///
/// A value of the wrong type in the place of a section stays, to be reported as a problem.
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

/// Replaces a member by a text, or inserts it before all others.
fn put(map: &mut Vec<Member>, key: &str, origin: &str, text: String) {
    let place = Location { origin: origin.into(), position: None };
    let node = Node { place: place.clone(), value: Value::Text(text) };
    match map.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => entry.node = node,
        None => map.insert(0, Member { key: key.to_owned(), key_place: place, node }),
    }
}

/// A valid configuration, with its warnings and metadata.
struct Checked {
    config: Config,
    warnings: Vec<Located<Warning>>,
    keys: Vec<Located<KeyMetadata>>,
    open: Vec<OpenRule>,
}

/// Validates form, then meaning, and returns all problems of both, or else the configuration with its warnings.
///
/// `below` is the base of the user's file. Without a named profile only the form is validated: the meaning depends on the profile.
fn check(
    mut root: Node,
    mut below: Node,
    (nothings, unnamed): (Vec<Found>, Option<Located>),
    reader: &SecretLoader,
) -> Result<Checked, ConfigError> {
    let (document, mut faults) = de::read::<Document>(&mut root);
    // An empty value that is faulty, or is in a faulty one, is already reported.
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
        // An unreplaced variable is reported once, and not again as the value for which it was taken.
        Err(problems) => {
            problems.into_iter().filter(|problem| !faults.iter().any(|fault| problem.is_of(fault))).collect()
        }
    };
    problems.extend(faults.into_iter().map(Located::from));
    problems.sort_by(|one, other| one.order().cmp(&other.order()));
    problems.truncate(MAX_REPORTED);
    Err(ConfigError::Invalid(problems))
}
