//! The statements of the four gateways that modgud replaces, one test for each, named after the statement. `docs/seeds.md` lists them all.
//!
//! - `humanitec`, `bifrost`, `exercise`, `orchescala`: the tests of one document each. They share one running gateway.
//! - `gateway`: that gateway.
//! - `token`: what the first two documents say of the token that modules get.
//! - `reserved`: the names that both of them reserve.
//! - `page`: compares `docs/seeds.md` with the tests.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bifrost;
mod exercise;
mod gateway;
mod humanitec;
mod orchescala;
mod page;
mod reserved;
mod token;

use crate::cli::process::{Output, run_in};
use crate::envoy::ask;
use crate::envoy::seen::Seen;
use modgud_testbed::Testbed;
use modgud_testbed::http::Exchange;
use std::fs;
use std::process::Stdio;
use tokio::process::Command;

/// Sends a GET request with these header lines through Envoy.
async fn get(gateway: &Testbed, path: &str, lines: &[&str]) -> Exchange {
    send(gateway, "GET", path, lines).await
}

async fn send(gateway: &Testbed, method: &str, path: &str, lines: &[&str]) -> Exchange {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    ask(gateway.gateway, method, path, &lines).await
}

/// Sends a POST request with a JSON body through Envoy.
async fn post(gateway: &Testbed, path: &str, lines: &[&str], body: &str) -> Exchange {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n");
    for line in lines {
        request.extend([line, "\r\n"]);
    }
    let length = body.len().to_string();
    request.extend(["Content-Type: application/json\r\nContent-Length: ", &length, "\r\n\r\n", body]);
    Exchange::raw(gateway.gateway, request.as_bytes()).await.unwrap()
}

/// Returns true if a module answered, and not the gateway.
fn reached_a_module(answer: &Exchange) -> bool {
    answer.json()["module"].is_string()
}

/// The status of a denial by the gateway. A module may respond with 401 too, so it must not be reached.
async fn denied(gateway: &Testbed, path: &str, lines: &[&str]) -> u16 {
    let answer = get(gateway, path, lines).await;
    assert!(!reached_a_module(&answer), "{path} {lines:?}: {}", String::from_utf8_lossy(&answer.body));
    answer.status
}

/// The one value of a header that a module got.
fn only<'a>(seen: &'a Seen, name: &str) -> &'a str {
    match seen.values(name)[..] {
        [value] => value,
        _ => panic!("`{name}` is not there once: {seen:?}"),
    }
}

/// Runs modgud in a folder with this configuration.
async fn modgud(configuration: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
    run_in(folder.path(), variables, arguments).await
}

/// Runs a Python program as a module would, with this variable in its environment. Returns its standard output, or standard error if it
/// fails.
async fn python(program: &str, variable: (&str, &str), arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(crate::support::program("MODGUD_TEST_PYTHON"));
    command.arg("-c").arg(program).args(arguments).env(variable.0, variable.1).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
