//! The steps of the walk: the request, the expected status, and the part of the response that is shown.

use modgud_core::jose::{Algorithm, SigningError, SigningKey};
use modgud_core::time::Timestamp;
use modgud_testbed::http::Exchange;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// One request of the walk.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) expected: u16,
    /// Returns the part of the response that is shown.
    pub(super) show: fn(&Exchange) -> String,
}

/// A failure to create the steps.
#[derive(Debug, thiserror::Error)]
#[error("the tokens for the walk can't be signed: {0}")]
pub(super) struct StepError(#[from] SigningError);

impl Step {
    fn new(title: &'static str, path: &'static str, expected: u16) -> Self {
        Self { title, method: "GET", path, headers: Vec::new(), expected, show: client_text }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the headers, with tokens cut short.
    pub(super) fn headers_in_short(&self) -> String {
        let cut = |value: &String| match value.char_indices().nth(24) {
            Some((at, _)) => value.get(..at).map_or_else(String::new, |head| format!("{head}…")),
            None => value.clone(),
        };
        self.headers.iter().map(|(name, value)| format!("   {name}: {}", cut(value))).collect::<Vec<_>>().concat()
    }
}

/// Returns all steps of the walk.
pub(super) fn all(key: &SigningKey, now: Timestamp) -> Result<Vec<Step>, StepError> {
    let jwt = |token: &str| format!("JWT {token}");
    let good = good_token(key, now)?;
    let hour = Duration::from_secs(3_600);
    let expired = key.sign(&claims("bifrost", now.minus(hour), now.minus(hour.saturating_mul(11))))?;
    let stranger = SigningKey::generate(Algorithm::Rs256)?.sign(&claims("bifrost", now.plus(hour), now))?;
    let other_issuer = key.sign(&claims("another-issuer", now.plus(hour), now))?;
    let unsigned = key.sign_raw(r#"{"typ":"JWT","alg":"none"}"#, r#"{"iss":"bifrost"}"#)?;
    let unsigned = unsigned.rsplit_once('.').map_or_else(String::new, |(head, _)| format!("{head}."));
    Ok(vec![
        Step {
            show: module_response,
            ..Step::new("A valid token: the module receives the caller's identity", "/crm/appointment/1/", 200)
        }
        .with("Authorization", jwt(&good)),
        Step {
            show: module_response,
            ..Step::new("The same token as `Bearer`: the module still receives `JWT`", "/documents/", 200)
        }
        .with("Authorization", format!("Bearer {good}")),
        Step { show: module_response, ..Step::new("Spoofed identity headers are overwritten", "/crm/", 200) }
            .with("Authorization", jwt(&good))
            .with("X-Core-User-UUID", "another-user")
            .with("x-core-is-superuser", "true"),
        Step::new("No token", "/crm/appointment/1/", 401),
        Step::new("An expired token", "/crm/", 401).with("Authorization", jwt(&expired)),
        Step::new("A token that another key signed", "/crm/", 401).with("Authorization", jwt(&stranger)),
        Step::new("A token of another issuer", "/crm/", 401).with("Authorization", jwt(&other_issuer)),
        Step::new("An unsigned token (`alg: none`)", "/crm/", 401).with("Authorization", jwt(&unsigned)),
        Step::new("Two tokens at once", "/crm/", 401)
            .with("Authorization", jwt(&good))
            .with("Authorization", jwt(&good)),
        Step { show: module_response, ..Step::new("A public route, with spoofed identity", "/oauth/login/", 200) }
            .with("X-Core-User-UUID", "another-user"),
        Step::new("The admin area is closed until you open it", "/admin/", 403).with("Authorization", jwt(&good)),
        Step::new("An ambiguous path", "/crm/a;x=1/", 400).with("Authorization", jwt(&good)),
    ])
}

/// Signs a token as `BiFrost` issues it.
pub(super) fn good_token(key: &SigningKey, now: Timestamp) -> Result<String, StepError> {
    Ok(key.sign(&claims("bifrost", now.plus(Duration::from_secs(36_000)), now))?)
}

fn claims(issuer: &str, until: Timestamp, from: Timestamp) -> [(String, Value); 7] {
    [
        ("iss", json!(issuer)),
        ("exp", json!(until.as_secs())),
        ("iat", json!(from.as_secs())),
        ("core_user_uuid", json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60")),
        ("organization_uuid", json!("70f0d039-e3d9-427e-b161-4e95dbd9e918")),
        ("scope", json!("read write")),
        ("username", json!("admin")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// Returns the reason code and the details of a denial, which only modgud's log has.
pub(super) fn log_summary(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event.get(name)?.as_str().map(str::to_owned);
    (text("message")? == "check").then_some(())?;
    let rule = text("rule").map_or_else(String::new, |rule| format!(" (rule `{rule}`)"));
    Some(format!("{}, {}{rule}", text("reason")?, text("detail")?))
}

/// Returns the text for the client, on one line.
fn client_text(answer: &Exchange) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    body.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(120).collect()
}

/// Returns what the module behind Envoy received, as its response shows it.
fn module_response(answer: &Exchange) -> String {
    let Ok(UpstreamEcho { module, path, headers, decoded }) = serde_json::from_slice(&answer.body) else {
        return client_text(answer);
    };
    let ours = |name: &str| {
        matches!(name, "x-username" | "x-scope") || name.starts_with("x-core-") || name.starts_with("x-organization-")
    };
    let identity: Vec<String> =
        headers.iter().filter(|(name, _)| ours(name)).map(|(name, value)| format!("{name}={value}")).collect();
    let identity = if identity.is_empty() { "no identity headers".to_owned() } else { identity.join(" ") };
    let decoded = match decoded {
        Some(Decoded { username }) => format!("PyJWT decoded `{username}`"),
        None => "no token".to_owned(),
    };
    format!("{module} saw {path} | {identity} | {decoded}")
}

/// The request as a sample module received it.
#[derive(Deserialize)]
struct UpstreamEcho {
    module: String,
    path: String,
    headers: Vec<(String, String)>,
    decoded: Option<Decoded>,
}

/// The claims that are shown, as `PyJWT` decoded them.
#[derive(Deserialize)]
struct Decoded {
    username: String,
}
