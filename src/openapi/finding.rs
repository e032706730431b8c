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
    #[error("is not an API description; write `swagger: \"2.0\"` or `openapi: 3.x`")]
    NoVersion,
    /// An unsupported version.
    #[error("{0} is not a supported version; use `2.0`, `3.0`, `3.1` or `3.2`")]
    Version(Quoted),
    /// A value that violates the specification.
    #[error("should be {0}")]
    Form(&'static str),
    /// An unresolvable reference.
    #[error("{0} leads nowhere in this document; other documents are not read")]
    Reference(Quoted),
    /// A reference to another document.
    #[error(
        "{0} leads out of this document; modgud reads no other one, so write its content here, or bundle both files"
    )]
    OtherDocument(Quoted),
    /// A reference as an operation. Some parsers follow it, and find its requirements there.
    #[error("should be removed: only a whole path can be a reference; write the operation's content here")]
    OperationReference,
    /// A base that is relative to the address of the description.
    #[error(
        "{found} is relative to the address of the description; rules take it as {base}, so write {base}, or a whole URL"
    )]
    RelativeServer {
        /// The value as written.
        found: Quoted,
        /// The base that rules take.
        base: Quoted,
    },
    /// A scope that no token has, because tokens separate scopes by spaces (RFC 6749 §3.3).
    #[error("{0} can never match, because spaces separate the scopes of a token; write each scope as its own entry")]
    ScopeWithSpace(Quoted),
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
    #[error("{0} is not the name of a security scheme of this document")]
    Scheme(Quoted),
    /// Two operations for the same requests.
    #[error("{method} of this path matches the same requests as {other}; the names of parameters make no difference")]
    Collision {
        /// The method.
        method: Quoted,
        /// The earlier path.
        other: Quoted,
    },
    /// Two operations for the same requests of a module that folds case.
    #[error(
        "{method} of this path matches the same requests as {other}, because the module ignores letter case (`case: fold`)"
    )]
    SameButForCase {
        /// The method.
        method: Quoted,
        /// The earlier path.
        other: Quoted,
    },
    /// A path with a suffix that the module strips, and the path without it.
    #[error(
        "the module may treat {method} of this path as {other}, because it removes the suffix (`suffixes`); make sure that both \
             require the same"
    )]
    SameButForSuffix {
        /// The method.
        method: Quoted,
        /// The path without the suffix.
        other: Quoted,
    },
    /// Two paths that match the same request, without a clearly more specific one.
    #[error(
        "some requests also match {method} of {other}, and neither path is more specific in every segment; rules prefer the one \
             with a literal where they first differ, so make sure that the module does, too"
    )]
    Ambiguous {
        /// The method.
        method: Quoted,
        /// The other path.
        other: Quoted,
    },
    /// A base or path that begins with the module's prefix.
    #[error(
        "with its base, this path begins with the module's prefix {0}, which Envoy removes; it is unclear if it includes the prefix, \
             so rules cover both paths, and open neither"
    )]
    TwoReadings(Quoted),
    /// A path without the module's prefix, which the module receives.
    #[error(
        "with its base, this path does not begin with the module's prefix {0}, which the module receives (`keep_prefix`); rules take it as \
             a path below the prefix, and open nothing, so write the prefix in the base"
    )]
    WithoutPrefix(Quoted),
    /// Too many paths.
    #[error("there are too many paths to compare; from here on, ambiguous paths are not reported")]
    NotCompared,
    /// A module name that is invalid as a prefix.
    #[error("{0} can't be the name of a module, because its prefix is invalid: {1}")]
    Name(Quoted, PrefixError),
    /// A reserved module name.
    #[error("{name} is reserved for the gateway, so no module can have this name; reserved are {all}")]
    ReservedName {
        /// The name.
        name: Quoted,
        /// All reserved names.
        all: String,
    },
    /// A path that begins with a reserved name.
    #[error("{name} is reserved for the gateway, so no path of a module can begin with it; reserved are {all}")]
    ReservedPath {
        /// The first segment.
        name: Quoted,
        /// All reserved names.
        all: String,
    },
    /// A duplicate `operationId`.
    #[error("{0} is also the `operationId` of another operation; rules are named after method and path instead")]
    IdTaken(Quoted),
    /// A path that a rule can only widen.
    #[error("{0} has a parameter within a segment; a rule matches the whole segment, and so more than this path")]
    Widened(Quoted),
    /// No operation.
    #[error("has no operation")]
    Nothing,
    /// No path for the description itself.
    #[error(
        "has no `/docs`, where BiFrost's modules serve their `swagger.json`; make sure that the module serves it, or give the file to `modgud openapi merge`"
    )]
    NoDocs,
    /// No operation has a security requirement.
    #[error(
        "none of its {0} operations has a `security` requirement, nor has the document; rules require a valid credential"
    )]
    NoSecurityAtAll(usize),
    /// An operation without a security requirement.
    #[error("has no `security` requirement, nor has the document; its rule requires a valid credential")]
    NoSecurity,
    /// An operation without any requirement (`security: []`).
    #[error("requires nothing (`security: []`)")]
    Open,
    /// An operation with an optional credential.
    #[error("accepts a credential and does not require one (`{{}}` in `security`)")]
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
            | Self::OtherDocument(_)
            | Self::OperationReference
            | Self::Variable(_)
            | Self::Template(..)
            | Self::Method(..)
            | Self::Scheme(_)
            | Self::Collision { .. }
            | Self::SameButForCase { .. }
            | Self::Name(..)
            | Self::ReservedName { .. }
            | Self::ReservedPath { .. } => Severity::Error,
            Self::RelativeServer { .. }
            | Self::ScopeWithSpace(_)
            | Self::IdTaken(_)
            | Self::Widened(_)
            | Self::Ambiguous { .. }
            | Self::SameButForSuffix { .. }
            | Self::TwoReadings(_)
            | Self::WithoutPrefix(_)
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

impl Finding {
    /// Returns true if no rules are written because of the finding. For the other errors, a rule denies what is unknown.
    #[must_use]
    pub(super) const fn blocks_rules(&self) -> bool {
        match self.severity() {
            Severity::Error => !matches!(self, Self::OtherDocument(_) | Self::OperationReference),
            Severity::Warning => false,
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
