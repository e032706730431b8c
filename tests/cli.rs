//! The commands, as processes: what they say, where, and with which exit code. The tables are in `tests/data/cli`.
//!
//! - `help`: every command's help, the version, and command lines that are wrong.
//! - `man`, `completions`: manual pages and scripts for shells, from the same definitions.
//! - `keys`: `serve` and `JWT_PUBLIC_KEY_RSA_BIFROST`: what is refused, and which spellings are accepted.
//! - `configuration`: `serve` and a file that is wrong.
//! - `keygen`, `apikey`, `token`, `call`: the development tools.
//! - `correlation`: what a worker verifies.
//! - `drain`: the preStop hook, with servers that are not Envoy.
//! - `tls`: TLS, in `call`, `check` and `serve`.
//! - `leaving`: signals, and the output of a server.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod apikey;
mod call;
mod completions;
mod configuration;
mod correlation;
mod drain;
mod help;
mod keygen;
mod keys;
mod leaving;
mod man;
mod plain_text;
pub(crate) mod process;
mod tls;
mod token;

use serde::de::DeserializeOwned;
use std::path::Path;

/// A table of `tests/data/cli`: a list of rows, which is never empty.
fn table<Row: DeserializeOwned>(name: &str) -> Vec<Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cli").join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    let rows: Vec<Row> = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!rows.is_empty(), "{name} has no row");
    rows
}
