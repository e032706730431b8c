//! modgud where it lives: behind a real Envoy 1.40 with `deploy/envoy.yaml`, before sample modules that decode the token with
//! `PyJWT`. Each test has a gateway of its own, on free ports; the cases are tables in `data/envoy/`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod allowed;
mod bodies;
mod clients;
mod conditions;
mod context;
mod corpus;
mod denied;
pub(crate) mod docs;
mod dpop;
mod drain;
mod drained;
mod dual_stack;
mod existing;
mod forms;
mod grpc;
mod health;
mod https;
mod identity;
mod kept;
mod limits;
mod lint;
mod metadata;
mod minted;
mod modules;
mod mtls;
mod mutations;
mod opened;
mod orchescala;
mod outage;
mod overrides;
mod paths;
mod places;
mod preflight;
mod protected_resource;
mod resets;
mod roles;
mod routes;
mod sample;
mod scheme;
pub(crate) mod seen;
mod spellings;
mod tampered;
pub(crate) mod tokens;
mod transport;
mod undecided;
mod versions;
mod written;
mod xds;

use crate::support::program;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, Programs, Setup, Testbed};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::timeout;

/// How long something that has to happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn programs() -> Programs {
    Programs {
        modgud: env!("CARGO_BIN_EXE_modgud").into(),
        envoy: program("MODGUD_TEST_ENVOY"),
        python: program("MODGUD_TEST_PYTHON"),
    }
}

/// The version of the Envoy of this run, such as `1.40.0`.
pub(crate) fn envoy_version() -> String {
    static VERSION: OnceLock<String> = OnceLock::new();
    let read = || {
        let output = std::process::Command::new(programs().envoy).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version =
            text.split('/').find(|part| part.chars().all(|c| c.is_ascii_digit() || c == '.') && part.contains('.'));
        version.unwrap_or_else(|| panic!("no version: {text}")).to_owned()
    };
    VERSION.get_or_init(read).clone()
}

/// Its minor version, such as 40.
fn envoy_minor() -> u32 {
    envoy_version().split('.').nth(1).unwrap().parse().unwrap()
}

/// Returns true if this Envoy leaves `..;` in a path to modgud, which answers 400: `docs/envoy-versions.md`.
fn keeps_parameters_of_dot_segments(sent: &str) -> bool {
    sent.contains("..;") && envoy_minor() < 39
}

async fn testbed(setup: Setup) -> Testbed {
    Testbed::start(&programs(), &setup, |_| {}).await.unwrap_or_else(|error| panic!("no gateway: {error}"))
}

/// The rows of a table; an empty one would test nothing.
fn table<T: DeserializeOwned>(yaml: &str) -> Vec<T> {
    let rows: Vec<T> = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("the table can't be read: {error}"));
    assert!(!rows.is_empty(), "the table is empty");
    rows
}

/// Changes one place of Envoy's configuration, which has to be there exactly once.
fn replaced(yaml: &str, old: &str, new: &str) -> String {
    assert_eq!(yaml.matches(old).count(), 1, "`{old}` stands once in the sample");
    yaml.replace(old, new)
}

/// Sends a request with these header lines.
pub(crate) async fn ask(gateway: SocketAddr, method: &str, path: &str, lines: &[String]) -> Exchange {
    let headers: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("`{line}` is no header line")))
        .map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value)))
        .collect();
    Exchange::send(gateway, method, path, &headers).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Asks until this status comes.
async fn until(gateway: SocketAddr, path: &str, lines: &[String], status: u16) {
    let asking = async { while ask(gateway, "GET", path, lines).await.status != status {} };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{path} never answers {status}"));
}

/// The next decision that modgud logs.
async fn logged(modgud: &mut Process) -> Value {
    let check = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|event| event["message"] == "check");
    modgud.wait_for(PATIENCE, check).await.expect("modgud logs the decision")
}

fn detail(text: &str) -> String {
    serde_json::json!({ "detail": text }).to_string()
}

fn body(answer: &Exchange) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
