//! What is tried out and not enforced: rules of the configuration that serves, and a whole configuration. The decisions themselves are in
//! `data/decisions/shadow.yaml`; here is what a table can't say.
//!
//! - `configuration`: two configurations on the same checks, counted exactly; what the second one can't do.
//! - `process`: the real binary with `--shadow-config`: its start, its files, its log.
//! - `rules`: what a rule that is tried out leaves alone, and what is logged of it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod configuration;
mod process;
mod rules;
