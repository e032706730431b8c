//! Why no configuration could be had, as commands and the log show it.

use super::diagnostic::{Located, MAX_REPORTED};
use std::fmt;
use std::path::PathBuf;

/// Why no configuration could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{}: the file is larger than {} KiB, which no configuration is", .file.display(), .limit / 1024)]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The file has nothing in it: it was cut off, or not written yet. Taken for a configuration it would silently undo the
    /// one that was meant.
    #[error("{}: the file is empty; to serve the profile as it is, leave out --config", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The file is not YAML, or breaks the bounds on it.
    #[error("{place}: {message}")]
    Syntax {
        /// The place, as far as it is known.
        place: String,
        /// What is wrong, from the parser.
        message: String,
    },
    /// The document says what can't be: everything that is wrong with it, in the order of the file.
    #[error("{}", Lines(.0))]
    Invalid(Vec<Located>),
}

struct Lines<'a>(&'a [Located]);

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
