//! What is to be said of a description of an API. A finding is an error when the description can't be taken at its word, or breaks what
//! the gateway asks of modules; everything else is a warning.

use super::template::TemplateError;
use crate::config::{Located, Quoted};
use modgud_core::authz::PrefixError;
use modgud_core::http::method::MethodError;
use std::fmt;

/// One thing to be said.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Finding {
    /// No version.
    #[error("is no description of an API: it says neither `swagger: \"2.0\"` nor `openapi: 3.x`")]
    NoVersion,
    /// Another version.
    #[error("{0} is not a version that is known here; those are `2.0`, `3.0`, `3.1` and `3.2`")]
    Version(Quoted),
    /// Something else than the specification has there.
    #[error("should be {0}")]
    Form(&'static str),
    /// A reference that leads nowhere that can be looked at.
    #[error("{0} does not lead anywhere in this document; nothing outside of it is read")]
    Reference(Quoted),
    /// A variable of a server without a value.
    #[error("the variable {0} of the server's URL has no default")]
    Variable(Quoted),
    /// A path that no rule can have.
    #[error("{0} can't be a rule's path: {1}")]
    Template(Quoted, TemplateError),
    /// A method that is none.
    #[error("{0} is not a method: {1}")]
    Method(Quoted, MethodError),
    /// A requirement of a scheme that is not there.
    #[error("{0} is not the name of a security scheme of this document, so nobody knows what is asked for")]
    Scheme(Quoted),
    /// Two operations for the same requests.
    #[error(
        "{method} of this path is that of {other}, too: the same requests match both, whatever their parameters are called"
    )]
    Collision {
        /// The method.
        method: Quoted,
        /// The path that was there first.
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
        /// The path that was there first.
        other: Quoted,
    },
    /// A path with a suffix that the module cuts off, and the path without.
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
    /// Requests match two paths, and it is not plain which is meant.
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
    /// A base, or a path, that begins with the module's prefix.
    #[error(
        "with its base, this path begins with the module's prefix {0}, which Envoy takes off: nobody can tell whether it is meant from \
             outside or as the module sees it, so rules are for both, and open neither"
    )]
    TwoReadings(Quoted),
    /// Too many paths.
    #[error("there are too many paths to compare each with each; from here on none was looked at for being ambiguous")]
    NotCompared,
    /// The name of the module can't be a prefix.
    #[error("{0} can't be the name of a module that is found by it: {1}")]
    Name(Quoted, PrefixError),
    /// The name of the module is a reserved one.
    #[error("{name} is a name that the gateway keeps for itself, so that no module can have it; reserved are {all}")]
    ReservedName {
        /// The name.
        name: Quoted,
        /// All that are reserved.
        all: String,
    },
    /// A path of the module that begins with a reserved name.
    #[error(
        "{name} is a name that the gateway keeps for itself, and may not begin a path of a module's API; reserved are {all}"
    )]
    ReservedPath {
        /// The first segment.
        name: Quoted,
        /// All that are reserved.
        all: String,
    },
    /// An identifier that two operations have.
    #[error("{0} is the `operationId` of another operation, too; rules are named after method and path instead")]
    IdTaken(Quoted),
    /// A path that rules say less exactly.
    #[error("{0} has a parameter within a segment: a rule matches the whole segment, and so more than this path")]
    Widened(Quoted),
    /// No operation at all.
    #[error("describes no operation")]
    Nothing,
    /// Nothing about where the description itself is served.
    #[error(
        "describes no `/docs`: the gateway asks each module for its `swagger.json` there; see that the module serves it"
    )]
    NoDocs,
    /// No operation says what it asks of callers.
    #[error(
        "none of its {0} operations has a `security` requirement, nor has the whole; rules ask for a good credential"
    )]
    NoSecurityAtAll(usize),
    /// An operation that does not say what it asks of callers.
    #[error("has no `security` requirement, nor has the whole; its rule asks for a good credential")]
    NoSecurity,
    /// An operation for everybody.
    #[error("asks nothing of anybody (`security: []`)")]
    Open,
    /// An operation for everybody, and for callers.
    #[error("takes a credential and does not ask for one (`{{}}` in `security`)")]
    Optional,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It keeps the module from joining, or the description from being understood.
    Error,
    /// Somebody should look at it.
    Warning,
}

impl Finding {
    /// How much it matters.
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

/// The description can't be understood.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not YAML, and so not JSON either, or breaks the bounds on it.
    Syntax {
        /// The place, as far as it is known.
        place: String,
        /// What is wrong, from the parser.
        message: String,
    },
    /// It can't be taken at its word.
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
