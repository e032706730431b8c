//! What is wrong with a configuration, and where. Shows what the user wrote, never the content of a key or secret.

use super::source::SourceFault;
use crate::answer::{RealmFault, StatusFault};
use crate::authz::PatternFault;
use crate::credential::SchemeFault;
use crate::header::HeaderNameFault;
use crate::jose::{KeyFault, KeySetFault};
use crate::method::MethodFault;
use crate::upstream::StripPatternFault;
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
    /// The file is not a document of the expected form.
    #[error("{origin}{}: {message}", Place(.location))]
    Form {
        /// The file or profile.
        origin: String,
        /// Line and column, where they are known.
        location: Option<(u64, u64)>,
        /// What is wrong, from the parser.
        message: String,
    },
    /// The document says what can't be.
    #[error("{origin}: {problems}")]
    Invalid {
        /// The file or profile.
        origin: String,
        /// Everything that is wrong.
        problems: Problems,
    },
}

struct Place<'a>(&'a Option<(u64, u64)>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |(line, column)| write!(f, ":{line}:{column}"))
    }
}

/// Everything that is wrong with a document, each with its path.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, Problem)>);

impl Problems {
    /// Notes a problem at a path such as `rules[2].match.paths[0]`.
    pub(super) fn add(&mut self, path: impl Into<String>, problem: impl Into<Problem>) {
        self.0.push((path.into(), problem.into()));
    }

    /// Takes a value, or notes why there is none.
    pub(super) fn take<T, E: Into<Problem>>(&mut self, path: impl Into<String>, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(path, problem)).ok()
    }

    /// Takes over the problems of a part, under the part's path.
    pub(super) fn nest(&mut self, path: &str, inner: Self) {
        self.0.extend(inner.0.into_iter().map(|(below, problem)| (format!("{path}.{below}"), problem)));
    }

    /// The problems, if there are any.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (path, problem) in &self.0 {
            write!(f, "{separator}{path}: {problem}")?;
            separator = "\n  ";
        }
        Ok(())
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A duration that is none.
    #[error("`{0}` is not a duration; write a number and a unit, such as `150ms`, `20s` or `5m`")]
    Duration(String),
    /// A duration outside its bounds.
    #[error("`{found}` is out of range; it must be from `{least}` to `{most}`")]
    DurationRange {
        /// What was written.
        found: String,
        /// The lower bound.
        least: &'static str,
        /// The upper bound.
        most: &'static str,
    },
    /// An address that is none.
    #[error("`{0}` is not an address; write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`")]
    Address(String),
    /// A name that is empty or too long.
    #[error("a name must be 1 to 128 visible characters")]
    Name,
    /// A name that stands there twice.
    #[error("the name `{0}` is taken by an earlier entry; names tell entries apart in logs and metrics")]
    NameTaken(String),
    /// A list that may not be empty.
    #[error("is empty; {0}")]
    Empty(&'static str),
    /// An algorithm that is not known.
    #[error("`{0}` is not an algorithm that can be used; write `RS256`")]
    Algorithm(String),
    /// Two authenticators look in the same place for tokens of the same issuer.
    #[error(
        "`{issuer}` is the issuer of authenticator `{of}` too, and both look in the same place; tokens could not be told apart"
    )]
    IssuerTaken {
        /// The issuer.
        issuer: String,
        /// The other authenticator.
        of: String,
    },
    /// Too many keys.
    #[error(transparent)]
    Keys(#[from] KeySetFault),
    /// A key that can't be had.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// A key that can't be used.
    #[error("{origin} does not hold a usable key: {fault}")]
    Key {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: KeyFault,
    },
    /// A header name that is none.
    #[error(transparent)]
    HeaderName(#[from] HeaderNameFault),
    /// A header that modgud may not write or remove as an identity header.
    #[error("`{0}` can't be an identity header: Envoy, HTTP or the credential itself needs it")]
    HeaderReserved(String),
    /// Two identity headers that a server can't tell apart.
    #[error("`{0}` and `{1}` are one header to many servers; keep one of them")]
    HeadersAlike(String, String),
    /// A strip pattern that is none.
    #[error(transparent)]
    Strip(#[from] StripPatternFault),
    /// A strip pattern that reaches a header that must stay.
    #[error("`{pattern}` would remove `{header}`, which Envoy, HTTP or the module needs")]
    StripReserved {
        /// The pattern.
        pattern: String,
        /// The header.
        header: &'static str,
    },
    /// A scheme that is none.
    #[error(transparent)]
    Scheme(#[from] SchemeFault),
    /// A method that is none.
    #[error(transparent)]
    Method(#[from] MethodFault),
    /// A path pattern that is none.
    #[error("`{pattern}`: {fault}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        fault: PatternFault,
    },
    /// Two rules for the same requests.
    #[error("`{pattern}` matches the same requests as rule `{with}`; the more specific rule decides, and neither is")]
    RuleConflict {
        /// The pattern.
        pattern: String,
        /// The other rule.
        with: String,
    },
    /// A status that would not turn anybody away.
    #[error(transparent)]
    Status(#[from] StatusFault),
    /// A realm that is none.
    #[error(transparent)]
    Realm(#[from] RealmFault),
}
