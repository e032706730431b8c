//! What can be wrong with `upstream.keep`.

use super::Quoted;

/// One thing that is wrong with an override header that is to be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepProblem {
    /// A header that is removed by nothing, or by another key.
    #[error(
        "{found} is no header that overrides a part of the request, so that nothing needs to keep it; write one of {list}"
    )]
    Unknown {
        /// What was written.
        found: Quoted,
        /// What could be.
        list: String,
    },
    /// A header that is kept and stripped.
    #[error("{0} is kept here and removed by {1} of `upstream.strip`; write it in one of the two")]
    Stripped(Quoted, Quoted),
    /// A header that modgud writes itself.
    #[error(
        "{0} is one of `upstream.headers`, where modgud writes it or removes it in any case; write it in one of the two"
    )]
    Written(Quoted),
}
