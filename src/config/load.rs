//! Loading of a configuration, for commands and the server: finds its documents, merges the user's file onto its profile, and validates the
//! result.

use super::de::error::{FormError, Found, Seen, is_consequence};
use super::de::{self, read_yaml};
use super::diagnostic::{ConfigError, MAX_REPORTED};
use super::environment::Environment;
use super::lint;
use super::path::Path;
use super::placeholder;
use super::profile::{NONE, Profiles};
use super::raw::{Document, ProfileName, is_choice};
use super::secret_source::{Keys, SecretLoader};
use super::summary::{KeyMetadata, OpenRule, certificates, key_metadata, open_rules};
use super::watcher::FileWatcher;
use super::{Config, ShownConfig, render, validate};
use crate::diagnostic::{Diagnostic, Issue, Located};
use crate::net::listen_addr::ListenAddr;
use crate::yaml::{Location, Member, Node, Value};
use modgud_core::authn::Revocations;
use modgud_core::jose::Fingerprint;
use modgud_core::time::Timestamp;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::slice;
use std::string::FromUtf8Error;
use std::time::Duration;

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
    /// A default `leeway` of `0s`, whatever the profile.
    pub exact_dates: bool,
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
    warnings: Vec<Diagnostic>,
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

    /// Returns the hash that a process has which serves this configuration with these addresses on its command line.
    #[must_use]
    pub fn hash_with(&self, grpc: Option<&ListenAddr>, admin: Option<SocketAddr>) -> u64 {
        let overrides = Overrides { grpc: grpc.cloned(), admin, ..Overrides::default() };
        render::hash(&apply_flags(self.effective.clone(), &overrides, ""))
    }

    /// Returns the error of reading the API description of a module, at the place of its `openapi` in the file.
    #[must_use]
    pub fn unreadable_openapi(&self, module: usize, error: impl std::fmt::Display) -> Diagnostic {
        let path = Path::root("modules").position(module).key("openapi");
        path.diagnostic(&self.effective, Issue::error("file-unreadable", error.to_string(), ""))
    }

    /// Returns the warnings in the order of the file. Those about the dates of certificates depend on the time.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Diagnostic> {
        let of_keys = self.keys.iter().filter_map(|key| key.what().warning(now).map(|warning| key.diagnostic(warning)));
        let own = self.config.tls.as_ref().and_then(|tls| tls.warning(now)).map(|warning| {
            let issue = Issue::warning("tls-certificate-not-valid", warning.to_string(), "");
            let path = Path::root("server").key("tls").key("cert");
            path.diagnostic(&self.effective, issue)
        });
        let mut warnings: Vec<Diagnostic> = self.warnings.iter().cloned().chain(of_keys).chain(own).collect();
        warnings.sort_by(|one, other| one.order().cmp(&other.order()));
        warnings
    }

    /// Returns the metadata of a key of the authenticator with this index in the list. `None` for a key that is not in a PEM text.
    #[must_use]
    pub fn key_facts(&self, authenticator: usize, key: Fingerprint) -> Option<&KeyMetadata> {
        self.keys.iter().map(Located::what).find(|facts| facts.belongs_to(authenticator, key))
    }
}

/// Loads a configuration: the defaults, the profile, the file, if there is one, and the command line, each merged onto the previous one.
///
/// # Errors
/// All errors at once, each with its location and path.
pub fn load(file: Option<&FilePath>, overrides: &Overrides, environment: &Environment) -> Result<Loaded, ConfigError> {
    load_watched(file, overrides, environment, LoadOccasion::Start).0
}

/// Loads a configuration like [`load`], with other keys than those that it names.
///
/// # Errors
/// The errors of [`load`].
pub fn load_with_keys(
    file: Option<&FilePath>,
    overrides: &Overrides,
    environment: &Environment,
    keys: Keys,
) -> Result<Loaded, ConfigError> {
    load_with(file, overrides, &secret_loader(file, environment, keys))
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
    file: Option<&FilePath>,
    overrides: &Overrides,
    environment: &Environment,
    occasion: LoadOccasion,
) -> (Result<Loaded, ConfigError>, FileWatcher) {
    let secrets = secret_loader(file, environment, Keys::Configured);
    let secrets = match occasion {
        LoadOccasion::Start => secrets,
        LoadOccasion::Reload(running) => secrets.for_reload(running),
    };
    let loaded = load_with(file, overrides, &secrets);
    (loaded, secrets.into_files())
}

/// Reads a document other than a configuration with the same care: each form error has a location.
///
/// # Errors
/// The errors of [`load`] that concern syntax and form.
pub fn read_document<T: DeserializeOwned>(origin: &str, content: Vec<u8>) -> Result<T, ConfigError> {
    let text = String::from_utf8(content).map_err(|error| not_text(origin, &error))?;
    let mut root = read(origin, &text)?;
    let (document, form) = de::read::<T>(&mut root);
    match document {
        Some(document) if form.is_empty() => Ok(document),
        Some(_) | None => Err(ConfigError(form.into_iter().map(Diagnostic::from).collect())),
    }
}

/// Checks the text of a table of API keys, and returns the `id` of each entry.
///
/// # Errors
/// All errors at once, each with its location and path.
pub fn read_api_key_ids(origin: &str, text: &str) -> Result<Vec<String>, ConfigError> {
    validate::api_key_ids(origin, text).map_err(ConfigError)
}

/// Creates the loader. Relative paths in a file start from its folder.
fn secret_loader(file: Option<&FilePath>, environment: &Environment, keys: Keys) -> SecretLoader {
    let base = file.and_then(FilePath::parent).map_or_else(PathBuf::new, FilePath::to_path_buf);
    SecretLoader::new(environment.clone(), base, keys)
}

fn load_with(file: Option<&FilePath>, overrides: &Overrides, loader: &SecretLoader) -> Result<Loaded, ConfigError> {
    let user = file.map(|file| read_file(file, loader)).transpose()?;
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
    let base = effective.clone();
    let mut unfilled = Vec::new();
    if let Some(user) = user {
        placeholder::find_empty(&user, &Path::default(), &user, &mut unfilled);
        placeholder::find(&user, &Path::default(), &user, &mut unfilled);
        effective = effective.overlay(user, is_choice);
    }
    effective = apply_flags(effective, overrides, name);
    let leeway = if overrides.exact_dates { Duration::ZERO } else { profile.default_leeway() };
    let ValidConfig { config, warnings, keys, open } =
        check(effective.clone(), base, (unfilled, unnamed), leeway, loader)?;
    Ok(Loaded { config, origin, missing: loader.missing(), open, effective, warnings, keys })
}

fn read_file(file: &FilePath, loader: &SecretLoader) -> Result<Node, ConfigError> {
    let origin = file.display().to_string();
    let content = match loader.file(file, MAX_FILE_BYTES) {
        Ok(Some(content)) => content,
        Ok(None) => {
            let message = format!("the file is larger than {} KiB", MAX_FILE_BYTES / 1024);
            let issue = Issue::error("file-too-large", message, "name the file of a configuration");
            return Err(ConfigError::of_file(&origin, issue));
        }
        Err(error) => {
            let message = format!("the file can't be read: {error}");
            return Err(ConfigError::of_file(&origin, Issue::error("file-unreadable", message, "")));
        }
    };
    let text = String::from_utf8(content).map_err(|error| not_text(&origin, &error))?;
    // An empty file was truncated, or not written yet. Read as a configuration, it would silently undo the intended one.
    if text.trim_start_matches(BYTE_ORDER_MARK).trim().is_empty() {
        let issue =
            Issue::error("file-empty", "the file is empty", "to serve the profile as it is, leave out --config");
        return Err(ConfigError::of_file(&origin, issue));
    }
    let root = read(&origin, &text)?;
    match &root.value {
        Value::Map(_) | Value::Null => Ok(root),
        other => {
            // The content is not repeated: a key file that was taken for the configuration is a text, too.
            let expected = "a map, such as `fallback: denied`".to_owned();
            let error = FormError::Type { found: Seen::from(other).hidden(), expected };
            Err(ConfigError(vec![Diagnostic::new(root.place, String::new(), error.issue())]))
        }
    }
}

/// Returns the error with the location of the first byte that is not UTF-8.
fn not_text(origin: &str, error: &FromUtf8Error) -> ConfigError {
    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(in_line).chars().count().saturating_add(1);
    let number = |number| u64::try_from(number).unwrap_or(u64::MAX);
    let location = Location { origin: origin.into(), position: Some((number(line), number(column))) };
    let issue = Issue::error("file-not-utf-8", "the file is not UTF-8 text from this byte on", "save it as UTF-8");
    ConfigError(vec![Diagnostic::new(location, String::new(), issue)])
}

fn read(origin: &str, text: &str) -> Result<Node, ConfigError> {
    read_yaml(origin, text).map_err(|diagnostic| ConfigError(vec![*diagnostic]))
}

/// Returns the profile that a file names. Validation reports an unknown name.
///
/// A missing name is an error, which is returned together with the profile `none`.
fn named_profile(user: &Node) -> (ProfileName, Option<Diagnostic>) {
    let named = user.member("profile").map(|entry| &entry.node).filter(|node| !matches!(node.value, Value::Null));
    if let Some(node) = named {
        return (serde::Deserialize::deserialize(node).unwrap_or(ProfileName::Bifrost), None);
    }
    let message =
        "the file does not name its profile, and profiles differ in the paths that they open without a credential";
    let help = format!(
        "write one of {Profiles}, or name it on the command line: `--profile` (for a shadow configuration `--shadow-profile`)"
    );
    let mut diagnostic = Path::root("profile").diagnostic(user, Issue::error("profile-missing", message, help));
    diagnostic.location.position = diagnostic.location.position.or(Some((1, 1)));
    (ProfileName::None, Some(diagnostic))
}

/// Applies the flags, and adds the name of the profile if it is missing, so that the printed configuration names its base.
///
/// A value of the wrong type instead of a section stays, so that validation reports it.
fn apply_flags(mut root: Node, overrides: &Overrides, profile_name: &str) -> Node {
    let Overrides { profile, grpc, admin, exact_dates: _ } = overrides;
    let Value::Map(sections) = &mut root.value else { return root };
    match (profile, sections.iter().any(|section| section.key == "profile")) {
        (Some(_), _) => set(sections, "profile", "--profile", profile_name.to_owned()),
        (None, false) => set(sections, "profile", "default", profile_name.to_owned()),
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
                set(server, key, flag, address);
            }
        }
    }
    root
}

/// Replaces a member by a text, or inserts it before all others.
fn set(map: &mut Vec<Member>, key: &str, origin: &str, text: String) {
    let location = Location { origin: origin.into(), position: None };
    let node = Node { place: location.clone(), value: Value::Text(text) };
    match map.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => entry.node = node,
        None => map.insert(0, Member { key: key.to_owned(), key_place: location, node }),
    }
}

/// A valid configuration, with its warnings and metadata.
struct ValidConfig {
    config: Config,
    warnings: Vec<Diagnostic>,
    keys: Vec<Located<KeyMetadata>>,
    open: Vec<OpenRule>,
}

/// Validates form, then meaning, and returns all errors of both, or else the configuration with its warnings.
///
/// `base` is what the user's file was merged onto, `leeway` the default of that key. Without a named profile only the form is validated: the meaning depends on the profile.
fn check(
    mut root: Node,
    mut base: Node,
    (unfilled, unnamed): (Vec<Found>, Option<Diagnostic>),
    leeway: Duration,
    loader: &SecretLoader,
) -> Result<ValidConfig, ConfigError> {
    let (document, mut form) = de::read::<Document>(&mut root);
    // An empty value that is faulty, or is in a faulty one, is already reported.
    let reported = |empty: &Found| form.iter().any(|found| is_consequence(slice::from_ref(empty), &found.path));
    let unfilled: Vec<Found> = unfilled.into_iter().filter(|empty| !reported(empty)).collect();
    form.extend(unfilled);
    let document = document.unwrap_or_default();
    let checked = match unnamed {
        None => validate::config(&document, leeway, loader).map_err(|found| found.located(&root, &form)),
        Some(unnamed) => Err(vec![unnamed]),
    };
    let mut errors: Vec<Diagnostic> = match checked {
        Ok(config) if form.is_empty() => {
            let (profile, _) = de::read::<Document>(&mut base);
            let warnings = lint::find(&document, &root, &profile.unwrap_or_default(), &config, loader);
            let keys = key_metadata(&document, &root, loader);
            let mut config = config;
            config.shown = ShownConfig {
                hash: render::hash(&root),
                certificates: certificates((&document, &root), config.tls.as_ref(), &keys, loader),
            };
            let open = open_rules(&document, &root);
            return Ok(ValidConfig { config, warnings, keys, open });
        }
        Ok(_) => Vec::new(),
        // An unreplaced variable is reported once, and not again as the value for which it was taken.
        Err(errors) => errors.into_iter().filter(|error| !form.iter().any(|found| found.explains(error))).collect(),
    };
    errors.extend(form.into_iter().map(Diagnostic::from));
    errors.sort_by(|one, other| one.order().cmp(&other.order()));
    errors.truncate(MAX_REPORTED);
    Err(ConfigError(errors))
}
