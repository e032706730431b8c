//! `modgud doctor`, as a process: with a running modgud, a real Envoy, providers, and servers that are none of these.
//!
//! - `envoy`: a real Envoy before modgud, healthy and not.
//! - `configuration`: the file on disk, and the one that is active.
//! - `providers`: keys, authorization servers and clocks.
//! - `servers`: servers that hang, or answer with something else or without end.
//! - `tls`: TLS and a Unix socket.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod configuration;
mod envoy;
mod providers;
mod servers;
mod tls;

use crate::cli::process::run_in;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// What `doctor --json` has printed.
struct Examined {
    code: Option<i32>,
    report: Value,
    /// Everything that was printed.
    text: String,
}

/// Runs `doctor` in this folder, with these variables.
async fn doctor(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Examined {
    let interval: &[&str] = if arguments.contains(&"--interval") { &[] } else { &["--interval", "200ms"] };
    let output = run_in(folder, variables, &[&["doctor", "--json"], interval, arguments].concat()).await;
    assert_eq!(output.err, "");
    let report = serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{error}: {}", output.out));
    Examined { code: output.code, report, text: output.out }
}

/// Runs `doctor` on the modgud at these addresses.
async fn doctor_at(admin: &str, grpc: &str, arguments: &[&str]) -> Examined {
    let folder = tempfile::tempdir().unwrap();
    doctor(folder.path(), &[], &[&["--admin", admin, "--grpc", grpc], arguments].concat()).await
}

impl Examined {
    /// The codes of the findings of this severity.
    fn codes(&self, severity: &str) -> BTreeSet<&str> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        findings.filter(|one| one["severity"] == severity).map(|one| one["code"].as_str().unwrap()).collect()
    }

    /// Expects this exit code, and exactly these codes that are not good.
    fn expect(&self, code: i32, problems: &[&str], warnings: &[&str], undecided: &[&str]) {
        let found = [self.codes("problem"), self.codes("warning"), self.codes("undecided")];
        let expected = [problems, warnings, undecided].map(|codes| codes.iter().copied().collect::<BTreeSet<_>>());
        assert_eq!((self.code, &found), (Some(code), &expected), "{}", self.text);
    }

    /// The text of what was seen with this code, of all its findings.
    fn seen(&self, code: &str) -> String {
        let findings = self.report["findings"].as_array().unwrap().iter();
        let of_code = findings.filter(|one| one["code"] == code);
        let seen: Vec<String> = of_code
            .map(|one| format!("{}: {}", one["about"].as_str().unwrap(), one["seen"].as_str().unwrap()))
            .collect();
        assert!(!seen.is_empty(), "no {code}: {}", self.text);
        seen.join("\n")
    }
}

/// A free address on this machine.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
