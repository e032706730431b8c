//! Where keys and secrets come from: an environment variable, a file, or the configuration itself. Says what was looked for
//! and what was found, never what is in it.

use super::document::Source;
use super::watch::Watched;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that is read from a key file: 64 KiB.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// The environment variables that a configuration may name.
#[derive(Debug, Clone)]
pub enum Environment {
    /// Those of this process.
    Process,
    /// These and no others: for tests, which run side by side in one process.
    Fixed(Arc<HashMap<String, String>>),
}

impl Environment {
    /// An environment of these variables only.
    #[must_use]
    pub fn fixed<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self::Fixed(Arc::new(variables.into_iter().map(own).collect()))
    }

    fn get(&self, name: &str) -> Result<String, SourceFault> {
        let missing = || SourceFault::NotSet(name.to_owned());
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one owner of the environment")]
            Self::Process => std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => missing(),
                std::env::VarError::NotUnicode(_) => SourceFault::VariableNotText(name.to_owned()),
            }),
            Self::Fixed(variables) => variables.get(name).cloned().ok_or_else(missing),
        }
    }
}

/// Why a key or secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// The variable is not there.
    #[error("the environment variable {0} is not set; set it to the PEM text of the public key")]
    NotSet(String),
    /// The variable is there, and there is nothing in it.
    #[error("the environment variable {0} is empty; set it to the PEM text of the public key")]
    VariableEmpty(String),
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
        "the file {0} does not hold UTF-8 text; a key in PEM is needed (`openssl pkey -pubin -inform DER` reads DER and writes PEM)"
    )]
    FileNotText(String),
    /// The file can't be read.
    #[error("the file {file} can't be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file is larger than any key.
    #[error("the file {0} is larger than {limit} KiB, which no key is", limit = MAX_KEY_BYTES / 1024)]
    TooLarge(String),
}

/// Reads what a configuration names, and remembers which files that were.
#[derive(Debug)]
pub(super) struct Reader {
    environment: Environment,
    /// What relative paths start from: the folder of the configuration file.
    base: PathBuf,
    files: RefCell<Watched>,
    keys: Keys,
}

/// Which keys a configuration is loaded with.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Those that it names.
    Configured,
    /// This public key, PEM text, in the place of each: for policy tests, which sign with a key of their own.
    Replaced(String),
}

impl Reader {
    pub(super) fn new(environment: Environment, base: PathBuf, keys: Keys) -> Self {
        Self { environment, base, files: RefCell::default(), keys }
    }

    /// The text of a key, and where it came from in words.
    pub(super) fn read_key(&self, source: &Source) -> Result<(String, String), SourceFault> {
        match &self.keys {
            Keys::Configured => self.read(source),
            Keys::Replaced(pem) => Ok((pem.clone(), "the key in its place".to_owned())),
        }
    }

    /// Every file that was asked for, whether it could be read or not, as it was before it was read.
    pub(super) fn into_files(self) -> Watched {
        self.files.into_inner()
    }

    /// The content of a file; `None` when it is larger than `limit` bytes, of which no more are read.
    pub(super) fn file(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.files.borrow_mut().add(path);
        let mut content = Vec::new();
        let read = File::open(path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut content))
            .inspect_err(|error| self.files.borrow_mut().unread(error))?;
        Ok(u64::try_from(read).is_ok_and(|read| read <= limit).then_some(content))
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
    fn read(&self, source: &Source) -> Result<(String, String), SourceFault> {
        match source {
            Source::Value(text) => Ok((text.0.clone(), "the value here".to_owned())),
            Source::Env(name) if !is_variable(name) => Err(SourceFault::VariableName),
            Source::File(path) if !is_path(path) => Err(SourceFault::FileName),
            Source::Env(name) => {
                let text = self.environment.get(name)?;
                if text.trim().is_empty() {
                    return Err(SourceFault::VariableEmpty(name.clone()));
                }
                Ok((text, format!("the environment variable {name}")))
            }
            Source::File(path) => {
                let path = self.base.join(path);
                let file = path.display().to_string();
                let content = self
                    .file(&path, MAX_KEY_BYTES)
                    .map_err(|error| SourceFault::Unreadable { file: file.clone(), error })?
                    .ok_or_else(|| SourceFault::TooLarge(file.clone()))?;
                let text = String::from_utf8(content).map_err(|_| SourceFault::FileNotText(file.clone()))?;
                Ok((text, format!("the file {file}")))
            }
        }
    }
}

/// Whether this can be the name of a variable; PEM can't.
fn is_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    matches!(name.len(), 1..=128) && name.bytes().all(plain) && !name.starts_with("-----")
}

/// Whether this can be the path of a file; PEM can't.
fn is_path(path: &Path) -> bool {
    let text = path.to_string_lossy();
    !text.is_empty() && !text.contains("-----BEGIN") && !text.chars().any(char::is_control)
}
