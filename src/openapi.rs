//! API descriptions of modules, OpenAPI 2.0 and 3.x. [`check()`] finds obstacles to joining the gateway. [`rules()`]
//! generates rules for review that require what the description requires. Both read one document with its internal
//! references, without schemas. [`merge()`] makes one document of those of all modules.

mod base;
mod check;
mod draft;
mod finding;
mod merge;
mod mount;
mod overlap;
mod page;
mod path_set;
mod print;
mod read;
mod requirement;
mod resolver;
mod template;
#[cfg(test)]
mod tests;

pub use check::{Module, Report, check};
pub use finding::{Finding, Severity, Unreadable};
pub use merge::{Gateway, MergeErrors, MergeFinding, Merged, ModuleApi, Source, merge};
pub use mount::Mount;
pub use page::{Page, PageError};
pub use print::{Rules, rules};
pub use read::{Api, MAX_BYTES};
pub use requirement::Version;
