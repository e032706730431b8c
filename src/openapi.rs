//! Descriptions of modules' APIs, OpenAPI 2.0 and 3.x: what keeps one from joining the gateway ([`check()`]), and rules to be reviewed
//! that ask what it says ([`rules()`]). Reads one document and what it refers to within itself; sends and fetches nothing, and looks
//! at no schema.

mod ambiguous;
mod base;
mod check;
mod draft;
mod finding;
mod overlap;
mod path_set;
mod print;
mod read;
mod requirement;
mod resolver;
mod security;
mod template;
#[cfg(test)]
mod tests;

pub use check::{Module, Report, check};
pub use finding::{Finding, Severity, Unreadable};
pub use print::{Rules, rules};
pub use read::{Api, MAX_BYTES, Version};
