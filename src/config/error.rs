//! Errors of loading a configuration, as commands and the log show them.

use super::diagnostic::{MAX_REPORTED, Problem};
use crate::diagnostic::Located;
use std::fmt;
use std::path::PathBuf;

/// An error of loading a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// An unreadable file.
    #[error("{}: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// A file larger than any configuration.
    #[error("{}: the file is larger than {} KiB, which no configuration is", .file.display(), .limit / 1024)]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// An empty file: it was truncated, or not written yet. Read as a configuration, it would silently undo the intended one.
    #[error("{}: the file is empty; to serve the profile as it is, leave out --config", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A file that is not YAML, or exceeds its limits.
    #[error("{place}: {message}")]
    Syntax {
        /// The location, as far as it is known.
        place: String,
        /// The message of the parser.
        message: String,
    },
    /// An invalid document: all its problems, in the order of the file.
    #[error("{}", Lines(.0))]
    Invalid(Vec<Located<Problem>>),
}

struct Lines<'a>(&'a [Located<Problem>]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for placed in self.0 {
            write!(f, "{separator}{placed}")?;
            separator = "\n";
        }
        if self.0.len() >= MAX_REPORTED {
            write!(f, "\nthere may be more: no more than {MAX_REPORTED} problems are told at once")?;
        }
        Ok(())
    }
}
