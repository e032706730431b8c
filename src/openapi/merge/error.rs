//! Findings of a merge: errors, which leave no document, and warnings.

use crate::diagnostic::{Located, Quoted};
use crate::openapi::finding::Finding;
use std::fmt;

/// A finding of a merge.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MergeFinding {
    /// A finding of `openapi check`.
    #[error(transparent)]
    Check(#[from] Finding),
    /// Two operations for the same requests.
    #[error("{method} {path} is also a path of the module {other}; remove one of them, or change a prefix")]
    Collision {
        /// The method.
        method: Quoted,
        /// The path at the gateway.
        path: Quoted,
        /// The other module.
        other: Quoted,
    },
    /// One path of the gateway from two paths of a description.
    #[error("two paths of this description become {0} at the gateway; write one, with all methods")]
    SamePath(Quoted),
    /// A path below the longer prefix of another module.
    #[error(
        "the gateway sends {path} to the module {other}, whose prefix is {prefix}; remove the path, or change a prefix"
    )]
    RoutedElsewhere {
        /// The path at the gateway.
        path: Quoted,
        /// The other module.
        other: Quoted,
        /// Its prefix.
        prefix: Quoted,
    },
    /// A reference to an object of another kind.
    #[error("{0} should lead to an object of `components.{1}`")]
    OtherKind(Quoted, &'static str),
    /// A keyword that changes what references mean.
    #[error(
        "should be removed, because it changes the meaning of references; modgud supports `$ref` within the file and `$anchor`"
    )]
    Identifier,
    /// Another dialect of JSON Schema.
    #[error("{0} is another dialect of JSON Schema; one document has one dialect, so use that of OpenAPI 3.1")]
    Dialect(Quoted),
    /// A link to an operation that the document does not have.
    #[error("{0} names no operation of this description that callers can reach")]
    Link(Quoted),
    /// Callbacks within callbacks.
    #[error("has callbacks within callbacks, more than 4 deep")]
    Callbacks,
    /// A reference to a value that refers to itself and nothing else.
    #[error("{0} is a circle of references")]
    Circle(Quoted),
    /// A form of arrays that 3.x does not have.
    #[error("`collectionFormat: {0}` has no counterpart in OpenAPI 3; the document says comma-separated instead")]
    CollectionFormat(&'static str),
    /// A parameter of the path without a description.
    #[error("the path parameter {0} is not described; the document says that it is a text")]
    PathParameter(Quoted),
    /// The description is too large.
    #[error("the merged document is too large: it has more than 2,000,000 values, or 64 MiB of text")]
    TooLarge,
    /// Rules that require a caller, and no authenticator.
    #[error("{0} requires a credential, and the configuration has no authenticator; write `authenticators`")]
    NoAuthenticator(Quoted),
    /// An operation that no caller can reach.
    #[error("{method} {path} is left out, because {because}")]
    LeftOut {
        /// The method.
        method: Quoted,
        /// The path at the gateway.
        path: Quoted,
        /// The reason.
        because: String,
    },
    /// A base that begins with the module's prefix.
    #[error(
        "the base {base} begins with the module's prefix {prefix}, so the document takes it as that of the gateway; without the prefix, it would be below it"
    )]
    BaseWithPrefix {
        /// The base.
        base: Quoted,
        /// The prefix.
        prefix: Quoted,
    },
    /// A path that a module which keeps its prefix never receives.
    #[error(
        "{path} is left out, because the module keeps its prefix {prefix} (`keep_prefix`), and no request for this path reaches it"
    )]
    OutsidePrefix {
        /// The path of the description.
        path: Quoted,
        /// The prefix.
        prefix: Quoted,
    },
}

impl MergeFinding {
    /// Returns true if the finding leaves a valid document.
    #[must_use]
    pub const fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::LeftOut { .. }
                | Self::OutsidePrefix { .. }
                | Self::CollectionFormat(_)
                | Self::PathParameter(_)
                | Self::BaseWithPrefix { .. }
        )
    }
}

/// The errors of a merge.
#[derive(Debug)]
pub struct MergeErrors(pub(super) Vec<Located<MergeFinding>>);

impl fmt::Display for MergeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MergeErrors {}
