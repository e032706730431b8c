//! What is wrong with a configuration, and where. Shows what the user wrote, never the content of a key or secret.

use super::de::{FormFault, Found};
use super::path::Path;
use super::source::SourceFault;
use super::tree::{Node, Place};
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
    Invalid(Vec<Placed>),
}

struct Lines<'a>(&'a [Placed]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for placed in self.0 {
            write!(f, "{separator}{placed}")?;
            separator = "\n";
        }
        Ok(())
    }
}

/// A problem, where it stands and under which path: `file:line:column: path: what is wrong, what would be right`.
#[derive(Debug)]
pub struct Placed {
    place: Place,
    path: String,
    problem: Problem,
}

impl Placed {
    /// What problems are sorted by: those of one file together, in the order in which they stand there.
    pub(super) fn order(&self) -> (&str, Option<(u64, u64)>) {
        (&self.place.origin, self.place.position)
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, problem } = self;
        match path.as_str() {
            "" => write!(f, "{place}: {problem}"),
            path => write!(f, "{place}: {path}: {problem}"),
        }
    }
}

impl From<Found> for Placed {
    fn from(found: Found) -> Self {
        let Found { place, path: _, shown, what } = found;
        Self { place, path: shown, problem: Problem::Form(what) }
    }
}

/// Everything that is wrong with what a document says, each with its path.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(Path, Problem)>);

impl Problems {
    /// Notes a problem.
    pub(super) fn add(&mut self, path: Path, problem: impl Into<Problem>) {
        self.0.push((path, problem.into()));
    }

    /// Takes a value, or notes why there is none.
    pub(super) fn take<T, E: Into<Problem>>(&mut self, path: &Path, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(path.clone(), problem)).ok()
    }

    /// The problems, if there are any.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The problems with their places in the tree.
    pub(super) fn placed(self, root: &Node) -> impl Iterator<Item = Placed> {
        self.0.into_iter().map(|(path, problem)| Placed {
            place: path.place(root).clone(),
            path: path.shown(root).to_string(),
            problem,
        })
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its form.
    #[error(transparent)]
    Form(#[from] FormFault),
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
    /// A limit outside its bounds.
    #[error("`{0}` is out of range; it must be from `1` to `1000000`")]
    InFlight(u32),
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
