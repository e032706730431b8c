//! gRPC as Envoy uses it: the health service, and one check without a credential.

use super::Args;
use super::code::Code;
use super::configuration::Configuration;
use super::finding::Finding;
use super::modgud::shown;
use crate::cli::call::{connect, reason};
use crate::cli::input::check_request;
use crate::envoy::proto::{AuthorizationClient, CheckResponse, HttpResponse};
use crate::envoy::{Check, read};
use modgud_core::authz::Access;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Timeout of connecting, and of each call; beyond it the step fails.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The default `server.deadline`.
const DEADLINE: Duration = Duration::from_millis(150);

pub(super) async fn examine(args: &Args, configuration: &Configuration) -> Vec<Finding> {
    let Some(address) = configuration.grpc(args) else {
        let why = "`server.grpc` has port 0, which is any free port; use `--grpc`";
        return vec![Finding::not_examined("checks of modgud", why)];
    };
    let about = format!("checks at {address}");
    if configuration.config().is_some_and(|config| config.tls.is_some()) && !args.tls.is_on() {
        let why =
            "modgud serves TLS (`server.tls`); use `--tls-ca`, and with `client_ca` also `--tls-cert` and `--tls-key`";
        return vec![Finding::not_examined(about, why)];
    }
    let connected = timeout(CALL_TIMEOUT, connect(&address.to_string(), args.tls.clone())).await;
    let channel = match connected {
        Ok(Ok(channel)) => channel,
        Ok(Err(error)) => return vec![Finding::new(Code::GrpcUnreachable, about, error)],
        Err(_) => return vec![Finding::new(Code::GrpcUnreachable, about, no_answer())],
    };
    // One after the other: the check then does not pay for the connection.
    let health = health(channel.clone(), &about).await;
    vec![health, check(channel, args, configuration, &about).await]
}

fn no_answer() -> String {
    format!("no answer within {} s", CALL_TIMEOUT.as_secs())
}

async fn health(channel: Channel, about: &str) -> Finding {
    let request = HealthCheckRequest { service: String::new() };
    let status = match timeout(CALL_TIMEOUT, HealthClient::new(channel).check(request)).await {
        Ok(Ok(response)) => response.into_inner().status(),
        Ok(Err(status)) => {
            let seen = format!("the health service fails: {} ({})", shown(status.message().as_bytes()), status.code());
            return Finding::new(Code::GrpcUnreachable, about, seen);
        }
        Err(_) => return Finding::new(Code::GrpcUnreachable, about, no_answer()),
    };
    let code = if status == ServingStatus::Serving { Code::Health } else { Code::HealthNotServing };
    Finding::new(code, about, status.as_str_name())
}

async fn check(channel: Channel, args: &Args, configuration: &Configuration, about: &str) -> Finding {
    let Args { path, host, .. } = args;
    let request = check_request("GET".to_owned(), path.clone(), host.clone(), Vec::new(), Vec::new());
    let opens = configuration.config().and_then(|config| {
        let mut check = Check::of(&request);
        let request = read(&mut check, config.snapshot.request).ok()?;
        let rule = config.snapshot.rules.find(&request)?;
        matches!(rule.access, Access::Public | Access::Optional).then(|| rule.name.as_str().to_owned())
    });
    let deadline = configuration.config().map_or(DEADLINE, |config| config.snapshot.deadline);
    let started = Instant::now();
    let response = match timeout(CALL_TIMEOUT, AuthorizationClient::new(channel).check(request)).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => {
            let (text, code) = (shown(status.message().as_bytes()), status.code());
            let seen = format!("GET {path} at {host}: gRPC error {text} ({code})");
            return Finding::new(Code::ProbeFailed, about, seen);
        }
        Err(_) => return Finding::new(Code::ProbeFailed, about, no_answer()),
    };
    let took = started.elapsed();
    let (code, outcome) = judge(&response, opens.as_deref());
    let code = if code == Code::Probe && took > deadline { Code::ProbeSlow } else { code };
    let millis = took.as_secs_f64() * 1_000.0;
    Finding::new(code, about, format!("GET {path} at {host}: {outcome}, in {millis:.1} ms"))
}

/// Reads a response as Envoy does. `opens` is the rule that allows the request without a credential, if it is known.
fn judge(response: &CheckResponse, opens: Option<&str>) -> (Code, String) {
    let status = response.status.as_ref().map_or(0, |status| status.code);
    match (status, &response.http_response) {
        (0, Some(HttpResponse::OkResponse(_))) => match opens {
            Some(rule) => (Code::ProbeOpen, format!("allowed by rule `{rule}`")),
            None => (Code::ProbeAllowed, "allowed".to_owned()),
        },
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let status = denied.status.as_ref().map_or(403, |status| status.code);
            let reason = reason(response).map(|reason| format!(" ({})", shown(reason.as_bytes()))).unwrap_or_default();
            let code = if status < 500 { Code::Probe } else { Code::ProbeUnavailable };
            (code, format!("denied {status}{reason}"))
        }
        (code, _) => (Code::ProbeFailed, format!("status {code} without a matching body")),
    }
}
