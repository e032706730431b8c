//! What is wrong with a configuration, and where. Shows what the user wrote, never the content of a key or secret.

use super::de::{FormFault, Found, is_hole};
use super::path::Path;
use super::quoted::Quoted;
use super::source::SourceFault;
use super::tree::{Node, Place};
use crate::address::AddressFault;
use crate::answer::{RealmFault, StatusFault};
use crate::authz::PatternFault;
use crate::credential::SchemeFault;
use crate::header::HeaderNameFault;
use crate::jose::{KeyFault, KeySetFault};
use crate::method::MethodFault;
use crate::tls::TlsFault;
use crate::upstream::StripPatternFault;
use std::fmt;

/// The most problems that are told at once: more than anybody mends in one go.
pub(super) const MOST: usize = 100;

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
        let Found { place, shown, what } = found;
        Self { place, path: shown, problem: Problem::Form(what) }
    }
}

/// Everything that is wrong with what a document says, each with its path.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<(Path, Problem)>);

impl Problems {
    /// Notes a problem, unless there are [`MOST`] already.
    pub(super) fn add(&mut self, path: Path, problem: impl Into<Problem>) {
        if self.0.len() < MOST {
            self.0.push((path, problem.into()));
        }
    }

    /// Takes a value, or notes why there is none.
    pub(super) fn take<T, E: Into<Problem>>(&mut self, path: &Path, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(path.clone(), problem)).ok()
    }

    /// The problems, if there are any.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The problems with their places in the tree, but for lists that are empty only since their faulty elements were taken out.
    pub(super) fn placed(self, root: &Node, faults: &[Found]) -> Vec<Placed> {
        let mut placed = Vec::new();
        for (path, problem) in self.0 {
            let shown = path.shown(root).to_string();
            match problem {
                Problem::Empty(_) if is_hole(faults, &shown) => {}
                problem => placed.push(Placed { place: path.place(root).clone(), path: shown, problem }),
            }
        }
        placed
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its form.
    #[error(transparent)]
    Form(#[from] FormFault),
    /// A duration that is none.
    #[error("{0} is not a duration; write a number and a unit, such as `150ms`, `20s` or `5m`")]
    Duration(Quoted),
    /// A duration outside its bounds.
    #[error("{found} is out of range; it must be from `{least}` to `{most}`")]
    DurationRange {
        /// What was written.
        found: Quoted,
        /// The lower bound.
        least: &'static str,
        /// The upper bound.
        most: &'static str,
    },
    /// A limit outside its bounds.
    #[error("`{0}` is out of range; it must be from `1` to `1000000`")]
    InFlight(u32),
    /// An address that is none.
    #[error("{0} is not an address; write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`")]
    Address(Quoted),
    /// An address for checks that is none.
    #[error("{found} is not an address; {fault}")]
    CheckAddress {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: AddressFault,
    },
    /// A file that TLS can't be had with.
    #[error("{origin} {fault}")]
    Tls {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: TlsFault,
    },
    /// A name that logs and metrics can't show.
    #[error("{0} is not a name; write 1 to 128 visible ASCII characters without a space, such as `reports-read`")]
    Name(Quoted),
    /// A name that stands there twice.
    #[error("the name {0} is taken by an earlier entry; names tell entries apart in logs and metrics")]
    NameTaken(Quoted),
    /// A list or a text that may not be empty.
    #[error("is empty; {0}")]
    Empty(&'static str),
    /// An algorithm that is not known.
    #[error("{0} is not an algorithm that can be used; write `RS256`")]
    Algorithm(Quoted),
    /// Two authenticators look in the same place for tokens of the same issuer.
    #[error(
        "{issuer} is the issuer of authenticator {of} too, and both look in the same place, so that their tokens could not \
             be told apart; put their keys into one authenticator, or let one look in another header"
    )]
    IssuerTaken {
        /// The issuer.
        issuer: Quoted,
        /// The other authenticator.
        of: Quoted,
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
    #[error("{found} is not a header name: {fault}; write one such as `x-user-id`")]
    HeaderName {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: HeaderNameFault,
    },
    /// A header that modgud may not write or remove as an identity header.
    #[error("{0} can't be an identity header: Envoy, HTTP or the credential itself needs it; write another name")]
    HeaderReserved(Quoted),
    /// Two identity headers that a server can't tell apart.
    #[error("{0} and {1} are one header to many servers, which tell neither case nor `_` from `-`; keep one of them")]
    HeadersAlike(Quoted, Quoted),
    /// A strip pattern that is none.
    #[error("{found}: {fault}; write a name such as `x-user-id`, or a prefix such as `x-user-*`")]
    Strip {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: StripPatternFault,
    },
    /// A strip pattern that reaches a header that must stay.
    #[error("{pattern} would remove `{header}`, which Envoy, HTTP or the module needs; write a narrower one")]
    StripReserved {
        /// The pattern.
        pattern: Quoted,
        /// The header.
        header: &'static str,
    },
    /// A scheme that is none.
    #[error("{found} is not a scheme: {fault}")]
    Scheme {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: SchemeFault,
    },
    /// A method that is none.
    #[error("{found} is not a method: {fault}; write one such as `GET`")]
    Method {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: MethodFault,
    },
    /// `*`, which HTTP takes for a method of that name.
    #[error("`*` would match requests of the method `*` only; leave out `methods` to match every method")]
    AnyMethod,
    /// A path pattern that is none.
    #[error("{pattern}: {fault}")]
    Pattern {
        /// The pattern.
        pattern: Quoted,
        /// What is wrong with it.
        fault: PatternFault,
    },
    /// Two rules for the same requests.
    #[error(
        "{pattern} matches the same requests as rule {with}, and the more specific of two rules decides, which neither is; \
             change or leave out one of them"
    )]
    RuleConflict {
        /// The pattern.
        pattern: Quoted,
        /// The other rule.
        with: Quoted,
    },
    /// A status that would not turn anybody away.
    #[error("`{found}` is not the status of a denial: {fault}")]
    Status {
        /// What was written.
        found: u16,
        /// What is wrong with it.
        fault: StatusFault,
    },
    /// A realm that is none.
    #[error("{found} is not a realm: {fault}")]
    Realm {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: RealmFault,
    },
}
