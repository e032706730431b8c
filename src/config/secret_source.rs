//! Where keys and secrets come from: an environment variable, a file, or the configuration itself. Says what was looked for
//! and what was found, never what is in it.

mod fault;

pub use fault::{SourceError, Wanted};

use super::diagnostic::Problem;
use super::environment::Environment;
use super::ephemeral_keys::EphemeralKeys;
use super::quoted::Quoted;
use super::raw::SecretSource;
use super::watcher::FileWatcher;
use crate::read_limit::read_file_to_limit;
use fault::{MAX_KEY_BYTES, MAX_TABLE_BYTES};
use modgud_core::authn::{CustomAuthenticator, Revocations};
use modgud_core::time::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that is read from a file with a JWK set: 512 KiB, as much as is taken from a provider.
pub(super) const MAX_JWKS_BYTES: u64 = 512 * 1024;

/// Reads what a configuration names, and remembers which files that were. No `Debug`: it holds what it read.
pub(super) struct SecretLoader {
    environment: Environment,
    /// What relative paths start from: the folder of the configuration file.
    base: PathBuf,
    files: RefCell<FileWatcher>,
    /// What the files of keys hold: each is read once, so that all that is said of it is said of one content.
    texts: RefCell<HashMap<PathBuf, String>>,
    keys: Keys,
    /// The list of revocations that counts already.
    running: Option<Revocations>,
    /// Files that are not there where nobody minds, in the order in which they were looked for.
    missing: RefCell<Vec<PathBuf>>,
}

/// Which keys a configuration is loaded with.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Those that it names.
    Configured,
    /// These in the place of each: for policy tests, which sign with keys of their own.
    Replaced(EphemeralKeys),
}

impl SecretLoader {
    pub(super) fn new(environment: Environment, base: PathBuf, keys: Keys) -> Self {
        let (files, texts, missing) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { environment, base, files, texts, keys, running: None, missing }
    }

    /// The same where a list of revocations counts already.
    pub(super) fn with_running(self, running: Option<Revocations>) -> Self {
        Self { running, ..self }
    }

    /// The list of revocations that counts already and is read from this file.
    pub(super) fn running(&self, file: &Path) -> Option<Revocations> {
        self.running.clone().filter(|running| running.file == file)
    }

    /// The authenticator that the program brings under this name.
    pub(super) fn authenticator(&self, name: &str) -> Result<Arc<dyn CustomAuthenticator>, Problem> {
        let authenticators = self.environment.authenticators();
        authenticators.get(name).ok_or_else(|| {
            let known: Vec<String> = authenticators.names().map(|name| Quoted::new(name).to_string()).collect();
            let known = match known.as_slice() {
                [] => ", which brings none: `custom` is for programs that are built on the library".to_owned(),
                known => format!("; known are {}", known.join(", ")),
            };
            Problem::CustomUnknown { found: Quoted::new(name), known }
        })
    }

    /// The keys that stand for those that are configured, if they do not count.
    pub(super) const fn replaced(&self) -> Option<&EphemeralKeys> {
        match &self.keys {
            Keys::Configured => None,
            Keys::Replaced(keys) => Some(keys),
        }
    }

    /// The path of a file beside the configuration that somebody else reads.
    pub(super) fn beside(&self, path: &Path) -> Result<PathBuf, SourceError> {
        if is_path(path) { Ok(self.base.join(path)) } else { Err(SourceError::FileName) }
    }

    /// The text of a table beside the configuration, and its file's name. `None` when there is none and nobody minds: a policy test
    /// runs where no table is.
    pub(super) fn table(&self, path: &Path) -> Result<Option<(String, String)>, SourceError> {
        let path = self.beside(path)?;
        let file = path.display().to_string();
        let content = match self.file(&path, MAX_TABLE_BYTES) {
            Ok(content) => content.ok_or_else(|| SourceError::TableTooLarge(file.clone()))?,
            Err(error) if self.replaces_keys() && error.kind() == io::ErrorKind::NotFound => {
                self.note_missing(path);
                return Ok(None);
            }
            Err(error) => return Err(SourceError::Unreadable { file, error }),
        };
        let text = String::from_utf8(content).map_err(|_| SourceError::TableNotText(file.clone()))?;
        if text.trim().is_empty() { Err(SourceError::TableEmpty(file)) } else { Ok(Some((file, text))) }
    }

    /// Notes that a file is not there, and that it is taken for one without an entry: a policy test runs where no table is.
    pub(super) fn note_missing(&self, file: PathBuf) {
        self.missing.borrow_mut().push(file);
    }

    /// Every file that was not there.
    pub(super) fn missing(&self) -> Vec<PathBuf> {
        self.missing.borrow().clone()
    }

    /// Whether other keys stand in the place of those that the configuration names.
    pub(super) const fn replaces_keys(&self) -> bool {
        match self.keys {
            Keys::Configured => false,
            Keys::Replaced(_) => true,
        }
    }

    /// When the file that a key came from was last changed; `None` for a key that came from elsewhere.
    pub(super) fn changed(&self, source: &SecretSource) -> Option<Timestamp> {
        match source {
            SecretSource::File(path) => self.files.borrow().changed(&self.base.join(path)),
            SecretSource::Env(_) | SecretSource::Value(_) => None,
        }
    }

    /// The text of a public key, and where it came from in words.
    pub(super) fn read_pem(&self, source: &SecretSource) -> Result<(String, String), SourceError> {
        self.read(source, Wanted::Pem)
    }

    /// The text of a private key, and where it came from in words.
    pub(super) fn read_private_key(&self, source: &SecretSource) -> Result<(String, String), SourceError> {
        self.read(source, Wanted::PrivateKey)
    }

    /// A secret without the spaces and line ends around it, which editors and `echo` add, and where it came from in words.
    pub(super) fn read_secret(&self, source: &SecretSource) -> Result<(String, String), SourceError> {
        let (text, origin) = self.read(source, Wanted::Secret)?;
        Ok((text.trim().to_owned(), origin))
    }

    /// Every file that was asked for, whether it could be read or not, as it was before it was read.
    pub(super) fn into_files(self) -> FileWatcher {
        self.files.into_inner()
    }

    /// The content of a file; `None` when it is larger than `limit` bytes, of which no more are read.
    pub(super) fn file(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.files.borrow_mut().add(path);
        read_file_to_limit(path, limit).inspect_err(|error| self.files.borrow_mut().unread(error))
    }

    /// Whether the configuration is to serve with. One for policy tests is not, and has no use for the files of TLS.
    pub(super) fn is_for_serving(&self) -> bool {
        matches!(self.keys, Keys::Configured)
    }

    /// The content of a file of TLS, and where it came from in words.
    pub(super) fn read_tls_file(&self, path: &Path) -> Result<(Vec<u8>, String), SourceError> {
        if !is_path(path) {
            return Err(SourceError::FileName);
        }
        let path = self.base.join(path);
        let file = path.display().to_string();
        let content = self
            .file(&path, MAX_KEY_BYTES)
            .map_err(|error| SourceError::Unreadable { file: file.clone(), error })?
            .ok_or_else(|| SourceError::TooLarge(file.clone()))?;
        Ok((content, format!("the file {file}")))
    }

    /// The text of a source, and where it came from in words.
    fn read(&self, source: &SecretSource, wanted: Wanted) -> Result<(String, String), SourceError> {
        match source {
            SecretSource::Value(text) => Ok((text.0.clone(), "the value here".to_owned())),
            SecretSource::Env(name) if !is_variable(name) => Err(SourceError::VariableName),
            SecretSource::File(path) if !is_path(path) => Err(SourceError::FileName),
            SecretSource::Env(name) => {
                let text = self.environment.get(name, wanted)?;
                if text.trim().is_empty() {
                    return Err(SourceError::VariableEmpty(name.clone(), wanted));
                }
                Ok((text, format!("the environment variable {name}")))
            }
            SecretSource::File(path) => {
                let path = self.base.join(path);
                let file = path.display().to_string();
                let origin = format!("the file {file}");
                if let Some(text) = self.texts.borrow().get(&path) {
                    return Ok((text.clone(), origin));
                }
                let content = self
                    .file(&path, MAX_KEY_BYTES)
                    .map_err(|error| SourceError::Unreadable { file: file.clone(), error })?
                    .ok_or_else(|| SourceError::TooLarge(file.clone()))?;
                let text = String::from_utf8(content).map_err(|_| SourceError::FileNotText(file.clone(), wanted))?;
                self.texts.borrow_mut().insert(path, text.clone());
                Ok((text, origin))
            }
        }
    }
}

impl SecretLoader {
    /// The content of a file that holds no secret, and where it came from in words.
    pub(super) fn read_file(&self, path: &Path, limit: u64) -> Result<(Vec<u8>, String), SourceError> {
        if !is_path(path) {
            return Err(SourceError::FileName);
        }
        let path = self.path(path);
        let file = path.display().to_string();
        let content = self
            .file(&path, limit)
            .map_err(|error| SourceError::Unreadable { file: file.clone(), error })?
            .ok_or_else(|| SourceError::LargerThan { file: file.clone(), limit })?;
        Ok((content, format!("the file {file}")))
    }

    /// Where a file stands that is named by the configuration.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }
}

/// Whether this can be the name of a variable; PEM can't, and neither can a secret in hexadecimal digits.
fn is_variable(name: &str) -> bool {
    const SHORTEST_SECRET: usize = 16;
    let digits = name.bytes().all(|byte| byte.is_ascii_hexdigit()) && name.len() >= SHORTEST_SECRET;
    if digits || name.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    matches!(name.len(), 1..=128) && name.bytes().all(plain) && !name.starts_with("-----")
}

/// Whether this can be the path of a file; PEM can't.
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
        let reader = SecretLoader::new(Environment::fixed([]), folder.path().to_path_buf(), Keys::Configured);
        let source = SecretSource::File("key.pem".into());
        let first = reader.read_pem(&source).unwrap();
        assert_eq!(first.0, "the key");
        remove_file(file).unwrap();
        assert_eq!(reader.read_pem(&source).unwrap(), first);
        assert!(reader.changed(&source).is_some());
        assert_eq!(reader.changed(&SecretSource::Env("KEY".to_owned())), None);
    }
}
