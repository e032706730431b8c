//! What is tried out and not enforced: rules of the configuration that serves. The decisions themselves are in
//! `data/decisions/shadow.yaml`; here is what a table can't say.
//!
//! - `rules`: what a rule that is tried out leaves alone, and what is logged of it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod rules;
