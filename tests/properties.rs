//! What holds of every decision, whatever a token claims, whatever a client sends and whatever rules there are. Decides through
//! `snapshot::decide`, which is what the gRPC service does, since thousands of decisions are taken here.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod allocations;
mod cached;
mod identity;
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "small numbers, and a test fails by panicking"
)]
mod reference_model;
mod rules;

use crate::support::KEY;
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::Snapshot;
use proptest::test_runner::{Config, TestRunner};

/// The configuration of the profile `bifrost` with this file laid over it.
pub(crate) fn snapshot(yaml: &str) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    std::fs::write(&file, format!("profile: bifrost\n{yaml}")).unwrap();
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &KEY.public_pem().unwrap())]);
    load(Some(&file), &Overrides::default(), &environment).unwrap().config.snapshot
}

/// Tries this many cases, and writes no file about those that fail.
pub(crate) fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}
