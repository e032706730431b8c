//! Where keys and secrets come from: an environment variable, a file, or the configuration itself. Says what was looked for
//! and what was found, never what is in it.

use super::document::Source;
use super::problem::Problem;
use super::quoted::Quoted;
use super::throw_away::ThrowAwayKeys;
use super::watch::Watched;
use crate::authn::{CustomAuthenticator, CustomAuthenticators, Revocations};
use crate::bounded;
use crate::clock::Timestamp;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that is read from a key file: 64 KiB.
const MAX_KEY_BYTES: u64 = 64 * 1024;
/// The most that is read from a file with a JWK set: 512 KiB, as much as is taken from a provider.
pub(super) const MOST_JWKS_BYTES: u64 = 512 * 1024;

/// The most that is read from a table beside the configuration: 4 MiB.
const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// What a configuration may name beside files: environment variables, and authenticators that the program brings.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Variables,
    authenticators: CustomAuthenticators,
}

#[derive(Clone)]
enum Variables {
    /// Those of this process, and these in their place or beside them.
    OfTheProcess(Arc<HashMap<String, String>>),
    /// These and no others: for tests, which run side by side in one process.
    Fixed(Arc<HashMap<String, String>>),
}

/// Shows no value: it may be a secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, own) = match self {
            Self::OfTheProcess(own) => ("OfTheProcess", own),
            Self::Fixed(own) => ("Fixed", own),
        };
        f.debug_tuple(kind).field(&own.keys().collect::<Vec<_>>()).finish()
    }
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::of(Variables::OfTheProcess(Arc::default()))
    }

    /// An environment of these variables only.
    #[must_use]
    pub fn fixed<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self::of(Variables::Fixed(Arc::new(variables.into_iter().map(own).collect())))
    }

    fn of(variables: Variables) -> Self {
        Self { variables, authenticators: CustomAuthenticators::default() }
    }

    /// The same environment with these authenticators.
    #[must_use]
    pub fn with_authenticators(self, authenticators: CustomAuthenticators) -> Self {
        Self { authenticators, ..self }
    }

    /// The same environment with another value for one variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let put = |own: &Arc<HashMap<String, String>>| {
            let mut own = HashMap::clone(own);
            own.insert(name.to_owned(), value.to_owned());
            Arc::new(own)
        };
        let variables = match &self.variables {
            Variables::OfTheProcess(own) => Variables::OfTheProcess(put(own)),
            Variables::Fixed(own) => Variables::Fixed(put(own)),
        };
        Self { variables, authenticators: self.authenticators.clone() }
    }

    fn get(&self, name: &str, wanted: Wanted) -> Result<String, SourceFault> {
        let missing = || SourceFault::NotSet(name.to_owned(), wanted);
        match &self.variables {
            Variables::OfTheProcess(own) => match own.get(name) {
                Some(value) => Ok(value.clone()),
                None => of_the_process(name, missing),
            },
            Variables::Fixed(variables) => variables.get(name).cloned().ok_or_else(missing),
        }
    }
}

fn of_the_process(name: &str, missing: impl FnOnce() -> SourceFault) -> Result<String, SourceFault> {
    #[expect(clippy::disallowed_methods, reason = "this is the one owner of the environment")]
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => missing(),
        std::env::VarError::NotUnicode(_) => SourceFault::VariableNotText(name.to_owned()),
    })
}

/// Why a key or secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// The variable is not there.
    #[error("the environment variable {0} is not set; set it to {1}")]
    NotSet(String, Wanted),
    /// The variable is there, and there is nothing in it.
    #[error("the environment variable {0} is empty; set it to {1}")]
    VariableEmpty(String, Wanted),
    /// The variable does not hold text.
    #[error("the environment variable {0} does not hold UTF-8 text")]
    VariableNotText(String),
    /// What stands under `env` is no name. It is not shown: it may be the key itself.
    #[error(
        "what stands here (not shown: it may be a secret) is not the name of an environment variable; write a name such as `JWT_PUBLIC_KEY`, without `$`"
    )]
    VariableName,
    /// What stands under `file` is no path. It is not shown: it may be the key itself.
    #[error(
        "what stands here (not shown: it may be a secret) is not the path of a file; write a path such as `issuer.pem`"
    )]
    FileName,
    /// The file is there, and does not hold text.
    #[error(
        "the file {0} does not hold UTF-8 text; {need}", need = .1.as_text()
    )]
    FileNotText(String, Wanted),
    /// The file can't be read.
    #[error("the file {file} can't be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// The table is larger than is read.
    #[error("the file {0} is larger than {limit} MiB, which no such table is", limit = MAX_TABLE_BYTES / 1024 / 1024)]
    TableTooLarge(String),
    /// The table does not hold text.
    #[error("the file {0} does not hold UTF-8 text")]
    TableNotText(String),
    /// The table is there and has nothing in it: it was cut off, or not written yet.
    #[error("the file {0} is empty; a table without an entry is written `[]`")]
    TableEmpty(String),
    /// The file is larger than any key.
    #[error("the file {0} is larger than {limit} KiB, which no key is", limit = MAX_KEY_BYTES / 1024)]
    TooLarge(String),
    /// The file is larger than what is read of its kind.
    #[error("the file {file} is larger than {} KiB, and no more is read", limit / 1024)]
    LargerThan {
        /// The file.
        file: String,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A public key.
    Pem,
    /// A private key.
    PrivateKey,
    /// A secret.
    Secret,
}

impl Wanted {
    /// What a file needs to hold.
    const fn as_text(self) -> &'static str {
        match self {
            Self::Pem => "a key in PEM is needed (`openssl pkey -pubin -inform DER` reads DER and writes PEM)",
            Self::PrivateKey => "a private key in PEM is needed (`openssl pkey -inform DER` reads DER and writes PEM)",
            Self::Secret => "a secret in letters and digits is needed (`openssl rand -hex 32` makes one)",
        }
    }
}

/// What to set a variable to.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pem => "the PEM text of the public key",
            Self::PrivateKey => "the PEM text of the private key",
            Self::Secret => "the secret",
        })
    }
}

/// Reads what a configuration names, and remembers which files that were. No `Debug`: it holds what it read.
pub(super) struct Reader {
    environment: Environment,
    /// What relative paths start from: the folder of the configuration file.
    base: PathBuf,
    files: RefCell<Watched>,
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
    Replaced(ThrowAwayKeys),
}

impl Reader {
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
        let authenticators = &self.environment.authenticators;
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
    pub(super) const fn replaced(&self) -> Option<&ThrowAwayKeys> {
        match &self.keys {
            Keys::Configured => None,
            Keys::Replaced(keys) => Some(keys),
        }
    }

    /// The path of a file beside the configuration that somebody else reads.
    pub(super) fn beside(&self, path: &Path) -> Result<PathBuf, SourceFault> {
        if is_path(path) { Ok(self.base.join(path)) } else { Err(SourceFault::FileName) }
    }

    /// The text of a table beside the configuration, and its file's name. `None` when there is none and nobody minds: a policy test
    /// runs where no table is.
    pub(super) fn table(&self, path: &Path) -> Result<Option<(String, String)>, SourceFault> {
        let path = self.beside(path)?;
        let file = path.display().to_string();
        let content = match self.file(&path, MAX_TABLE_BYTES) {
            Ok(content) => content.ok_or_else(|| SourceFault::TableTooLarge(file.clone()))?,
            Err(error) if self.replaces_keys() && error.kind() == io::ErrorKind::NotFound => {
                self.note_missing(path);
                return Ok(None);
            }
            Err(error) => return Err(SourceFault::Unreadable { file, error }),
        };
        let text = String::from_utf8(content).map_err(|_| SourceFault::TableNotText(file.clone()))?;
        if text.trim().is_empty() { Err(SourceFault::TableEmpty(file)) } else { Ok(Some((file, text))) }
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
    pub(super) fn changed(&self, source: &Source) -> Option<Timestamp> {
        match source {
            Source::File(path) => self.files.borrow().changed(&self.base.join(path)),
            Source::Env(_) | Source::Value(_) => None,
        }
    }

    /// The text of a public key, and where it came from in words.
    pub(super) fn read_pem(&self, source: &Source) -> Result<(String, String), SourceFault> {
        self.read(source, Wanted::Pem)
    }

    /// The text of a private key, and where it came from in words.
    pub(super) fn read_private_key(&self, source: &Source) -> Result<(String, String), SourceFault> {
        self.read(source, Wanted::PrivateKey)
    }

    /// A secret without the spaces and line ends around it, which editors and `echo` add, and where it came from in words.
    pub(super) fn read_secret(&self, source: &Source) -> Result<(String, String), SourceFault> {
        let (text, origin) = self.read(source, Wanted::Secret)?;
        Ok((text.trim().to_owned(), origin))
    }

    /// Every file that was asked for, whether it could be read or not, as it was before it was read.
    pub(super) fn into_files(self) -> Watched {
        self.files.into_inner()
    }

    /// The content of a file; `None` when it is larger than `limit` bytes, of which no more are read.
    pub(super) fn file(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.files.borrow_mut().add(path);
        bounded::file(path, limit).inspect_err(|error| self.files.borrow_mut().unread(error))
    }

    /// Whether the configuration is to serve with. One for policy tests is not, and has no use for the files of TLS.
    pub(super) fn is_for_serving(&self) -> bool {
        matches!(self.keys, Keys::Configured)
    }

    /// The content of a file of TLS, and where it came from in words.
    pub(super) fn read_tls_file(&self, path: &Path) -> Result<(Vec<u8>, String), SourceFault> {
        if !is_path(path) {
            return Err(SourceFault::FileName);
        }
        let path = self.base.join(path);
        let file = path.display().to_string();
        let content = self
            .file(&path, MAX_KEY_BYTES)
            .map_err(|error| SourceFault::Unreadable { file: file.clone(), error })?
            .ok_or_else(|| SourceFault::TooLarge(file.clone()))?;
        Ok((content, format!("the file {file}")))
    }

    /// The text of a source, and where it came from in words.
    fn read(&self, source: &Source, wanted: Wanted) -> Result<(String, String), SourceFault> {
        match source {
            Source::Value(text) => Ok((text.0.clone(), "the value here".to_owned())),
            Source::Env(name) if !is_variable(name) => Err(SourceFault::VariableName),
            Source::File(path) if !is_path(path) => Err(SourceFault::FileName),
            Source::Env(name) => {
                let text = self.environment.get(name, wanted)?;
                if text.trim().is_empty() {
                    return Err(SourceFault::VariableEmpty(name.clone(), wanted));
                }
                Ok((text, format!("the environment variable {name}")))
            }
            Source::File(path) => {
                let path = self.base.join(path);
                let file = path.display().to_string();
                let origin = format!("the file {file}");
                if let Some(text) = self.texts.borrow().get(&path) {
                    return Ok((text.clone(), origin));
                }
                let content = self
                    .file(&path, MAX_KEY_BYTES)
                    .map_err(|error| SourceFault::Unreadable { file: file.clone(), error })?
                    .ok_or_else(|| SourceFault::TooLarge(file.clone()))?;
                let text = String::from_utf8(content).map_err(|_| SourceFault::FileNotText(file.clone(), wanted))?;
                self.texts.borrow_mut().insert(path, text.clone());
                Ok((text, origin))
            }
        }
    }
}

impl Reader {
    /// The content of a file that holds no secret, and where it came from in words.
    pub(super) fn read_file(&self, path: &Path, limit: u64) -> Result<(Vec<u8>, String), SourceFault> {
        if !is_path(path) {
            return Err(SourceFault::FileName);
        }
        let path = self.path(path);
        let file = path.display().to_string();
        let content = self
            .file(&path, limit)
            .map_err(|error| SourceFault::Unreadable { file: file.clone(), error })?
            .ok_or_else(|| SourceFault::LargerThan { file: file.clone(), limit })?;
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
    use super::{Environment, Keys, Reader, Source};
    use std::fs::{remove_file, write};

    #[test]
    fn the_file_of_a_key_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        write(&file, "the key").unwrap();
        let reader = Reader::new(Environment::fixed([]), folder.path().to_path_buf(), Keys::Configured);
        let source = Source::File("key.pem".into());
        let first = reader.read_pem(&source).unwrap();
        assert_eq!(first.0, "the key");
        remove_file(file).unwrap();
        assert_eq!(reader.read_pem(&source).unwrap(), first);
        assert!(reader.changed(&source).is_some());
        assert_eq!(reader.changed(&Source::Env("KEY".to_owned())), None);
    }
}
