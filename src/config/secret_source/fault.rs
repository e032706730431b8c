//! Errors of loading a key, a secret or a table. No message shows the content.

use std::io;

/// The maximum size of a key file: 64 KiB, more than any key needs. A larger one is an error.
pub(super) const MAX_KEY_BYTES: u64 = 64 * 1024;
/// The maximum size of a table: 4 MiB, more than any table of API keys needs. A larger one is an error.
pub(super) const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// An error of loading a key, a secret or a table.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A variable that is not set.
    #[error("the environment variable {0} is not set; set it to {1}")]
    NotSet(String, Wanted),
    /// An empty variable.
    #[error("the environment variable {0} is empty; set it to {1}")]
    VariableEmpty(String, Wanted),
    /// A variable that is not text.
    #[error("the environment variable {0} does not hold UTF-8 text")]
    VariableNotText(String),
    /// An invalid name of a variable. The message does not show it, because it may be the key itself.
    #[error(
        "what stands here (not shown: it may be a secret) is not the name of an environment variable; write a name such as `JWT_PUBLIC_KEY`, without `$`"
    )]
    VariableName,
    /// An invalid path of a file. The message does not show it, because it may be the key itself.
    #[error(
        "what stands here (not shown: it may be a secret) is not the path of a file; write a path such as `issuer.pem`"
    )]
    FileName,
    /// A file that is not text.
    #[error(
        "the file {0} does not hold UTF-8 text; {need}", need = .1.as_text()
    )]
    FileNotText(String, Wanted),
    /// An unreadable file.
    #[error("the file {file} can't be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// The operating system's error.
        error: io::Error,
    },
    /// A table larger than the limit.
    #[error("the file {0} is larger than {limit} MiB, which no such table is", limit = MAX_TABLE_BYTES / 1024 / 1024)]
    TableTooLarge(String),
    /// A table that is not text.
    #[error("the file {0} does not hold UTF-8 text")]
    TableNotText(String),
    /// An empty table: it was truncated, or not written yet.
    #[error("the file {0} is empty; a table without an entry is written `[]`")]
    TableEmpty(String),
    /// A file larger than any key.
    #[error("the file {0} is larger than {limit} KiB, which no key is", limit = MAX_KEY_BYTES / 1024)]
    TooLarge(String),
    /// A file larger than the limit of its kind.
    #[error("the file {file} is larger than {} KiB, and no more is read", limit / 1024)]
    LargerThan {
        /// The file.
        file: String,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// The kind of text to read.
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
    /// Returns the content that a file needs, for messages.
    pub(super) const fn as_text(self) -> &'static str {
        match self {
            Self::Pem => "a key in PEM is needed (`openssl pkey -pubin -inform DER` reads DER and writes PEM)",
            Self::PrivateKey => "a private key in PEM is needed (`openssl pkey -inform DER` reads DER and writes PEM)",
            Self::Secret => "a secret in letters and digits is needed (`openssl rand -hex 32` makes one)",
        }
    }
}

/// Writes the value that a variable needs, for messages.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pem => "the PEM text of the public key",
            Self::PrivateKey => "the PEM text of the private key",
            Self::Secret => "the secret",
        })
    }
}
