//! Metrics, alerts and the dashboard, with a real Prometheus and its promtool.
//!
//! - `alerts`: `deploy/observability/alerts.yaml`, with each situation of its tests.
//! - `dashboard`: each query of `deploy/observability/dashboard.json`.
//! - `scrape`: both formats, and the number of series under a hostile load.
//! - `server`: a Prometheus that scrapes one sidecar.
//!
//! The Makefile finds or unpacks both programs. Where it can't, it names this module as left out.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod alerts;
mod dashboard;
mod scrape;
mod server;

use crate::support::program;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A file of `deploy/observability`.
fn file(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/observability").join(name)
}

/// Runs promtool. Returns both outputs; panics if it finds a fault.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program("MODGUD_TEST_PROMTOOL"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {text}");
    text
}

/// The names of modgud's metrics in a query.
fn metrics_of(query: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query.split(|c| !is_name(c)).filter(|word| word.starts_with("modgud_") || word.starts_with("process_")).collect()
}
