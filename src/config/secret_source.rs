//! Sources of keys and secrets: an environment variable, a file, or the configuration itself. Errors never show their content.

use super::environment::{Environment, EphemeralKeys, SecretKind};
use super::raw::SecretSource;
use super::watcher::FileWatcher;
use crate::diagnostic::{Issue, Quoted};
use crate::read_limit::{read_file_to_limit, read_regular_file_to_limit};
use modgud_core::authn::{CustomKind, Revocations};
use modgud_core::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The maximum size of a JWKS file: 512 KiB, as for a provider's response. A larger one is an error.
pub(super) const MAX_JWKS_BYTES: u64 = 512 * 1024;
/// The maximum size of a key file: 64 KiB, more than any key needs. A larger one is an error.
const MAX_KEY_BYTES: u64 = 64 * 1024;
/// The maximum size of a table: 4 MiB, more than any table of API keys needs. A larger one is an error.
const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

fn unreadable(file: &str, error: &io::Error) -> Issue {
    Issue::error("file-unreadable", format!("the file {file} can't be read: {error}"), "")
}

fn too_large(file: &str, limit: u64) -> Issue {
    let message = format!("the file {file} is larger than {} KiB", limit / 1024);
    Issue::error("file-too-large", message, "write a smaller file")
}

fn not_utf_8(file: &str, help: &str) -> Issue {
    Issue::error("file-not-utf-8", format!("the file {file} is not UTF-8 text"), help)
}

/// A loader of the sources that a configuration names, which records the files. It has no `Debug`, because it holds their content.
pub(super) struct SecretLoader {
    environment: Environment,
    /// The folder of the configuration file, from which relative paths start.
    base: PathBuf,
    files: RefCell<FileWatcher>,
    /// The content of key files. Each is read once, so that every check sees the same content.
    texts: RefCell<HashMap<PathBuf, String>>,
    keys: Keys,
    /// The revocation list that is already active.
    running: Option<Revocations>,
    /// True if only regular files are read: a pipe would block for ever.
    is_reload: bool,
    /// Missing files that a policy test tolerates, in the order of access.
    missing: RefCell<Vec<PathBuf>>,
}

/// The keys with which a configuration is loaded.
#[derive(Debug, Clone)]
pub enum Keys {
    /// The configured keys.
    Configured,
    /// Other keys instead of each configured one: policy tests sign with keys of their own.
    Replaced(EphemeralKeys),
}

impl SecretLoader {
    pub(super) fn new(environment: Environment, base: PathBuf, keys: Keys) -> Self {
        let (files, texts, missing) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { environment, base, files, texts, keys, running: None, is_reload: false, missing }
    }

    /// Reads for a configuration that replaces another one, whose revocation list is already active. Only regular files are read.
    pub(super) fn for_reload(self, running: Option<Revocations>) -> Self {
        Self { running, is_reload: true, ..self }
    }

    /// Returns the revocation list that is already active, if it comes from this file, and otherwise `None`.
    pub(super) fn running(&self, file: &Path) -> Option<Revocations> {
        self.running.clone().filter(|running| running.file == file)
    }

    /// Returns the authenticator that the program provides under this name.
    pub(super) fn authenticator(&self, name: &str) -> Result<CustomKind, Issue> {
        let authenticators = self.environment.authenticators();
        authenticators.get(name).ok_or_else(|| {
            let known: Vec<String> = authenticators.names().map(|name| Quoted::new(name).to_string()).collect();
            let help = match known.as_slice() {
                [] => "write another kind: `custom` is for programs that use modgud as a library".to_owned(),
                known => format!("write one of {}", known.join(", ")),
            };
            let message = format!("{} is not an authenticator of this program", Quoted::new(name));
            Issue::error("custom-unknown", message, help)
        })
    }

    /// Returns the value of a variable that is no secret; `None` if it is not set or no UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name)
    }

    /// Returns the keys that replace the configured ones. `None` if the configured ones are used.
    pub(super) const fn replaced(&self) -> Option<&EphemeralKeys> {
        match &self.keys {
            Keys::Configured => None,
            Keys::Replaced(keys) => Some(keys),
        }
    }

    /// Returns the path of a file, relative to the configuration's folder.
    pub(super) fn checked_path(&self, path: &Path) -> Result<PathBuf, Issue> {
        if is_path(path) {
            return Ok(self.base.join(path));
        }
        let message = "the value (not shown: it may be a secret) is not the path of a file";
        Err(Issue::error("file-path-invalid", message, "write a path such as `issuer.pem`"))
    }

    /// Returns the text of a table, and its file's name. `None` if a policy test runs without the table.
    pub(super) fn table(&self, path: &Path) -> Result<Option<(String, String)>, Issue> {
        let path = self.checked_path(path)?;
        let file = path.display().to_string();
        let content = match self.file(&path, MAX_TABLE_BYTES) {
            Ok(content) => content.ok_or_else(|| too_large(&file, MAX_TABLE_BYTES))?,
            Err(error) if self.replaces_keys() && error.kind() == io::ErrorKind::NotFound => {
                self.note_missing(path);
                return Ok(None);
            }
            Err(error) => return Err(unreadable(&file, &error)),
        };
        let text = String::from_utf8(content).map_err(|_| not_utf_8(&file, "save it as UTF-8"))?;
        if text.trim().is_empty() {
            let message = format!("the file {file} is empty");
            return Err(Issue::error("table-empty", message, "write `[]` for a table without an entry"));
        }
        Ok(Some((file, text)))
    }

    /// Records a missing file that counts as empty, because a policy test runs without it.
    pub(super) fn note_missing(&self, file: PathBuf) {
        self.missing.borrow_mut().push(file);
    }

    /// Returns every missing file.
    pub(super) fn missing(&self) -> Vec<PathBuf> {
        self.missing.borrow().clone()
    }

    /// Returns true if other keys replace the configured ones.
    pub(super) const fn replaces_keys(&self) -> bool {
        match self.keys {
            Keys::Configured => false,
            Keys::Replaced(_) => true,
        }
    }

    /// Returns the time of the last change of a key's file. `None` for a key from elsewhere.
    pub(super) fn changed(&self, source: &SecretSource) -> Option<Timestamp> {
        match source {
            SecretSource::File(path) => self.files.borrow().changed(&self.base.join(path)),
            SecretSource::Env(_) | SecretSource::Value(_) => None,
        }
    }

    /// Returns the text of a public key, and its origin in words.
    pub(super) fn read_pem(&self, source: &SecretSource) -> Result<(String, String), Issue> {
        self.read(source, SecretKind::Pem)
    }

    /// Returns the text of a private key, and its origin in words.
    pub(super) fn read_private_key(&self, source: &SecretSource) -> Result<(String, String), Issue> {
        self.read(source, SecretKind::PrivateKey)
    }

    /// Returns the text of a JWK, and its origin in words.
    pub(super) fn read_jwk(&self, source: &SecretSource) -> Result<(String, String), Issue> {
        self.read(source, SecretKind::Jwk)
    }

    /// Returns a secret, and its origin in words. Removes surrounding spaces and line ends, which editors and `echo` add.
    pub(super) fn read_secret(&self, source: &SecretSource) -> Result<(String, String), Issue> {
        let (text, origin) = self.read(source, SecretKind::Secret)?;
        Ok((text.trim().to_owned(), origin))
    }

    /// Returns every requested file, readable or not, with its state before it was read.
    pub(super) fn into_files(self) -> FileWatcher {
        self.files.into_inner()
    }

    /// Reads a file. `None` if it is larger than `limit` bytes, of which no more are read.
    pub(super) fn file(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.files.borrow_mut().add(path);
        let read = if self.is_reload { read_regular_file_to_limit } else { read_file_to_limit };
        read(path, limit).inspect_err(|error| self.files.borrow_mut().retry_after(error))
    }

    /// Returns true if the configuration is loaded for serving. A policy test does not need the TLS files.
    pub(super) fn is_for_serving(&self) -> bool {
        matches!(self.keys, Keys::Configured)
    }

    /// Returns the content of a TLS file, and its origin in words.
    pub(super) fn read_tls_file(&self, path: &Path) -> Result<(Vec<u8>, String), Issue> {
        self.read_file(path, MAX_KEY_BYTES)
    }

    /// Returns the content of a file, and its origin in words.
    pub(super) fn read_file(&self, path: &Path, limit: u64) -> Result<(Vec<u8>, String), Issue> {
        let path = self.checked_path(path)?;
        let file = path.display().to_string();
        let content = self.file(&path, limit).map_err(|error| unreadable(&file, &error))?;
        Ok((content.ok_or_else(|| too_large(&file, limit))?, format!("the file {file}")))
    }

    /// Returns the path of a file that the configuration names.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// Returns the text of a source, and its origin in words.
    fn read(&self, source: &SecretSource, kind: SecretKind) -> Result<(String, String), Issue> {
        match source {
            SecretSource::Value(text) => Ok((text.0.clone(), "the value here".to_owned())),
            SecretSource::Env(name) if !is_variable(name) => {
                let message = "the value (not shown: it may be a secret) is not the name of an environment variable";
                let help = "write a name such as `JWT_PUBLIC_KEY`, without `$`";
                Err(Issue::error("variable-name-invalid", message, help))
            }
            SecretSource::Env(name) => {
                let text = self.environment.get(name, kind)?;
                if text.trim().is_empty() {
                    let message = format!("the environment variable {name} is empty");
                    return Err(Issue::error("variable-empty", message, kind.variable_help()));
                }
                Ok((text, format!("the environment variable {name}")))
            }
            SecretSource::File(path) => {
                let known = self.checked_path(path)?;
                if let Some(text) = self.texts.borrow().get(&known) {
                    return Ok((text.clone(), format!("the file {}", known.display())));
                }
                let (content, origin) = self.read_file(path, MAX_KEY_BYTES)?;
                let text = String::from_utf8(content);
                let text = text.map_err(|_| not_utf_8(&known.display().to_string(), kind.file_help()))?;
                self.texts.borrow_mut().insert(known, text.clone());
                Ok((text, origin))
            }
        }
    }
}

/// Returns true if this can be the name of a variable; PEM can't, and neither can a secret in hexadecimal digits.
fn is_variable(name: &str) -> bool {
    const SHORTEST_SECRET: usize = 16;
    let digits = name.bytes().all(|byte| byte.is_ascii_hexdigit()) && name.len() >= SHORTEST_SECRET;
    if digits || name.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    matches!(name.len(), 1..=128) && name.bytes().all(plain) && !name.starts_with("-----")
}

/// Returns true if this can be the path of a file; PEM can't.
fn is_path(path: &Path) -> bool {
    let text = path.to_string_lossy();
    !text.is_empty() && !text.contains("-----BEGIN") && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{Environment, Keys, SecretLoader, SecretSource};
    use std::fs::{remove_file, write};

    #[test]
    fn the_file_of_a_key_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        write(&file, "the key").unwrap();
        let loader = SecretLoader::new(Environment::fixed([]), folder.path().to_path_buf(), Keys::Configured);
        let source = SecretSource::File("key.pem".into());
        let first = loader.read_pem(&source).unwrap();
        assert_eq!(first.0, "the key");
        remove_file(file).unwrap();
        assert_eq!(loader.read_pem(&source).unwrap(), first);
        assert!(loader.changed(&source).is_some());
        assert_eq!(loader.changed(&SecretSource::Env("KEY".to_owned())), None);
    }
}
