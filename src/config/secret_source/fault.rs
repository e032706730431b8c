//! Why a key, a secret or a table could not be had, and what was wanted. No text of it holds what was found.

use std::io;

/// The most that is read from a key file: 64 KiB.
pub(super) const MAX_KEY_BYTES: u64 = 64 * 1024;
/// The most that is read from a table beside the configuration: 4 MiB.
pub(super) const MAX_TABLE_BYTES: u64 = 4 * 1024 * 1024;

/// Why a key or secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
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
    pub(super) const fn as_text(self) -> &'static str {
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
