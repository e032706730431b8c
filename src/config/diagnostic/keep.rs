//! Errors of `upstream.keep`.

use super::Quoted;

/// A problem of a kept override header.
#[derive(Debug, thiserror::Error)]
pub enum KeepProblem {
    /// A header that is removed by no key, or by another one.
    #[error(
        "{found} is no header that overrides a part of the request, so that nothing needs to keep it; write one of {list}"
    )]
    Unknown {
        /// The value as written.
        found: Quoted,
        /// The possible headers.
        list: String,
    },
    /// A header that is both kept and stripped.
    #[error("{0} is kept here and removed by {1} of `upstream.strip`; write it in one of the two")]
    Stripped(Quoted, Quoted),
    /// A header that modgud itself writes.
    #[error(
        "{0} is one of `upstream.headers`, where modgud writes it or removes it in any case; write it in one of the two"
    )]
    Written(Quoted),
}
