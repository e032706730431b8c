//! A configuration that changes while modgud serves: every check is answered by one whole configuration, the old or the new,
//! and by the last good one when the new is not.
//!
//! - `load`: thousands of checks while a hundred configurations come, good and bad.
//! - `files`: the ways in which files change: Kubernetes', editors', one by one.
//! - `races`: what changes while it is read, and what is not written to its end.
//! - `keys`: a key that is gone verifies nothing any more.
//! - `live`: what takes effect at once.
//! - `revocations`: the list of what is not accepted any more.
//! - `tokens`: what is kept of verified tokens.
//! - `process`: the real binary: SIGHUP, what it logs, what it can't change.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

pub(crate) mod changing;
mod files;
mod generation;
mod keys;
mod live;
mod load;
mod process;
mod races;
mod revocations;
mod tokens;
