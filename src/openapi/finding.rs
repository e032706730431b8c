//! Findings in an API description. A finding is an error if the description is invalid or violates the gateway's
//! requirements for modules. All others are warnings.

use super::template::TemplateError;
use crate::diagnostic::{Located, Quoted};
use modgud_core::authz::PrefixError;
use modgud_core::http::method::MethodError;
use std::fmt;

/// A finding.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Finding {
    /// No version.
    #[error("is no description of an API: it says neither `swagger: \"2.0\"` nor `openapi: 3.x`")]
    NoVersion,
    /// An unsupported version.
    #[error("{0} is not a version that is known here; those are `2.0`, `3.0`, `3.1` and `3.2`")]
    Version(Quoted),
    /// A value that violates the specification.
    #[error("should be {0}")]
    Form(&'static str),
    /// An unresolvable reference.
    #[error("{0} does not lead anywhere in this document; nothing outside of it is read")]
    Reference(Quoted),
    /// A server variable without a value.
    #[error("the variable {0} of the server's URL has no default")]
    Variable(Quoted),
    /// A path that no rule can express.
    #[error("{0} can't be a rule's path: {1}")]
    Template(Quoted, TemplateError),
    /// An invalid method.
    #[error("{0} is not a method: {1}")]
    Method(Quoted, MethodError),
    /// A requirement of an undefined scheme.
    #[error("{0} is not the name of a security scheme of this document, so nobody knows what is asked for")]
    Scheme(Quoted),
    /// Two operations for the same requests.
    #[error(
        "{method} of this path is that of {other}, too: the same requests match both, whatever their parameters are called"
    )]
    Collision {
        /// The method.
        method: Quoted,
        /// The earlier path.
        other: Quoted,
    },
    /// Two operations for the same requests of a module that folds case.
    #[error(
        "{method} of this path is that of {other}, too, but for the case of letters, which the module does not tell apart \
             (`case: fold`): the same requests match both"
    )]
    SameButForCase {
        /// The method.
        method: Quoted,
        /// The earlier path.
        other: Quoted,
    },
    /// A path with a suffix that the module strips, and the path without it.
    #[error(
        "the module may take {method} of this path for that of {other}, since it cuts the suffix off (`suffixes`): see that \
             both ask for the same"
    )]
    SameButForSuffix {
        /// The method.
        method: Quoted,
        /// The path without the suffix.
        other: Quoted,
    },
    /// Two paths that match the same request, without a clearly more specific one.
    #[error(
        "some requests match {method} of {other}, too, and neither path is the more specific in every segment: rules take the one \
             that has a literal where they first differ; see that the module does, too"
    )]
    Ambiguous {
        /// The method.
        method: Quoted,
        /// The other path.
        other: Quoted,
    },
    /// A base or path that begins with the module's prefix.
    #[error(
        "with its base, this path begins with the module's prefix {0}, which Envoy takes off: nobody can tell whether it is meant from \
             outside or as the module sees it, so rules are for both, and open neither"
    )]
    TwoReadings(Quoted),
    /// Too many paths.
    #[error("there are too many paths to compare each with each; from here on none was looked at for being ambiguous")]
    NotCompared,
    /// A module name that is invalid as a prefix.
    #[error("{0} can't be the name of a module that is found by it: {1}")]
    Name(Quoted, PrefixError),
    /// A reserved module name.
    #[error("{name} is a name that the gateway keeps for itself, so that no module can have it; reserved are {all}")]
    ReservedName {
        /// The name.
        name: Quoted,
        /// All reserved names.
        all: String,
    },
    /// A path that begins with a reserved name.
    #[error(
        "{name} is a name that the gateway keeps for itself, and may not begin a path of a module's API; reserved are {all}"
    )]
    ReservedPath {
        /// The first segment.
        name: Quoted,
        /// All reserved names.
        all: String,
    },
    /// A duplicate `operationId`.
    #[error("{0} is the `operationId` of another operation, too; rules are named after method and path instead")]
    IdTaken(Quoted),
    /// A path that a rule can only widen.
    #[error("{0} has a parameter within a segment: a rule matches the whole segment, and so more than this path")]
    Widened(Quoted),
    /// No operation.
    #[error("describes no operation")]
    Nothing,
    /// No path for the description itself.
    #[error(
        "describes no `/docs`: the gateway asks each module for its `swagger.json` there; see that the module serves it"
    )]
    NoDocs,
    /// No operation has a security requirement.
    #[error(
        "none of its {0} operations has a `security` requirement, nor has the whole; rules ask for a good credential"
    )]
    NoSecurityAtAll(usize),
    /// An operation without a security requirement.
    #[error("has no `security` requirement, nor has the whole; its rule asks for a good credential")]
    NoSecurity,
    /// An operation without any requirement (`security: []`).
    #[error("asks nothing of anybody (`security: []`)")]
    Open,
    /// An operation with an optional credential.
    #[error("takes a credential and does not ask for one (`{{}}` in `security`)")]
    Optional,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The module can't join, or the description is invalid.
    Error,
    /// The finding needs a review.
    Warning,
}

impl Finding {
    /// Returns the severity.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NoVersion
            | Self::Version(_)
            | Self::Form(_)
            | Self::Reference(_)
            | Self::Variable(_)
            | Self::Template(..)
            | Self::Method(..)
            | Self::Scheme(_)
            | Self::Collision { .. }
            | Self::SameButForCase { .. }
            | Self::Name(..)
            | Self::ReservedName { .. }
            | Self::ReservedPath { .. } => Severity::Error,
            Self::IdTaken(_)
            | Self::Widened(_)
            | Self::Ambiguous { .. }
            | Self::SameButForSuffix { .. }
            | Self::TwoReadings(_)
            | Self::NotCompared
            | Self::Nothing
            | Self::NoDocs
            | Self::NoSecurityAtAll(_)
            | Self::NoSecurity
            | Self::Open
            | Self::Optional => Severity::Warning,
        }
    }
}

/// An invalid description.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not YAML, and so not JSON either, or exceeds a limit.
    Syntax {
        /// The location, as far as it is known.
        place: String,
        /// The parser's message.
        message: String,
    },
    /// It has errors.
    Findings(Vec<Located<Finding>>),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { place, message } => write!(f, "{place}: {message}"),
            Self::Findings(found) => {
                let mut separator = "";
                for finding in found {
                    write!(f, "{separator}{finding}")?;
                    separator = "\n";
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Unreadable {}
