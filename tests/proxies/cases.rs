//! One table of requests for every proxy.

use super::upstream::Received;
use super::{Gateway, Kind};
use crate::envoy::tokens::IDENTITY;
use modgud_core::http::header::folds_to_same_name;
use modgud_core::upstream::OverrideHeader;
use modgud_testbed::http::Exchange;
use serde::Deserialize;

/// The headers in which proxies describe a request to modgud, and modgud answers.
const BETWEEN: [&str; 9] = [
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-modgud-headers",
    "x-modgud-status",
    "x-modgud-body",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    send: Vec<String>,
    target: String,
    status: By<u16>,
    service: Option<String>,
    sees: Option<By<String>>,
    caller: Option<Caller>,
    detail: Option<String>,
    challenge: Option<String>,
}

/// One value for every proxy, or one for each.
#[derive(Deserialize)]
#[serde(untagged)]
enum By<T> {
    Same(T),
    Each { nginx: T, caddy: T, haproxy: T },
}

impl<T> By<T> {
    fn of(&self, kind: Kind) -> &T {
        match (self, kind) {
            (Self::Same(value), _)
            | (Self::Each { nginx: value, .. }, Kind::Nginx)
            | (Self::Each { caddy: value, .. }, Kind::Caddy)
            | (Self::Each { haproxy: value, .. }, Kind::Haproxy) => value,
        }
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Caller {
    Good,
    Lacking,
    Braces,
    Nobody,
}

impl Caller {
    /// The identity headers of this caller, sorted.
    fn headers(self) -> Vec<(&'static str, &'static str)> {
        let mut all = [IDENTITY.as_slice(), &[("x-email", "a@example.com")]].concat();
        all.retain(|(name, _)| match self {
            Self::Good | Self::Braces => true,
            Self::Lacking => ["x-core-user-uuid", "x-username"].contains(name),
            Self::Nobody => false,
        });
        if self == Self::Braces {
            all.iter_mut()
                .filter(|(name, _)| *name == "x-username")
                .for_each(|(_, value)| *value = "{env.HOME}{uri}$http_host%[src]");
        }
        all.sort_unstable();
        all
    }
}

/// Every header that some server could take for an identity header, sorted.
fn identity(received: &Received) -> Vec<(&str, &str)> {
    let ours = |name: &str| {
        let folded: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        ["x-username", "x-scope", "x-email"].contains(&folded.as_str())
            || folded.starts_with("x-core-")
            || folded.starts_with("x-organization-")
    };
    let mut found: Vec<(&str, &str)> =
        received.headers.iter().filter(|(name, _)| ours(name)).map(|(name, value)| (&**name, &**value)).collect();
    found.sort_unstable();
    found
}

/// Sends every request of the table.
pub(super) async fn every_one(kind: Kind) {
    let gateway = Gateway::start(kind).await;
    let rows: Vec<Row> = serde_saphyr::from_str(include_str!("../data/proxies/cases.yaml")).unwrap();
    assert!(rows.len() > 50, "only {} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let before = gateway.upstream.requests();
        let answer = gateway.ask(row.method.as_deref().unwrap_or("GET"), &row.target, &row.send).await;
        let arrived = gateway.upstream.requests() - before;
        if let Err(fault) = check(row, kind, &answer, arrived) {
            let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
            wrong.push(format!("{}: {}: {fault}\n    {} {body}", kind.name(), row.case, answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    gateway.stop().await;
}

fn check(row: &Row, kind: Kind, answer: &Exchange, arrived: usize) -> Result<(), String> {
    let expected = *row.status.of(kind);
    if answer.status != expected {
        return Err(format!("the status should be {expected}"));
    }
    if expected != 200 {
        return check_denied(row, answer, arrived);
    }
    let (Some(service), Some(sees), Some(caller)) = (&row.service, &row.sees, row.caller) else {
        return Err("the row does not say what arrives".to_owned());
    };
    let received: Received =
        serde_json::from_slice(&answer.body).map_err(|error| format!("no service answered: {error}"))?;
    let method = row.method.as_deref().unwrap_or("GET");
    let target = (received.service.as_str(), received.method.as_str(), received.target.as_str());
    if target != (service, method, sees.of(kind)) || arrived != 1 {
        return Err(format!("{target:?} arrived {arrived} times"));
    }
    if identity(&received) != caller.headers() {
        return Err(format!("the identity is {:?}", identity(&received)));
    }
    if let Some((name, value)) = received.headers.iter().find(|(name, value)| is_override(kind, name, value)) {
        return Err(format!("`{name}: {value}` arrived"));
    }
    let expected = match caller {
        Caller::Good | Caller::Lacking | Caller::Braces => vec!["JWT"],
        Caller::Nobody => row
            .send
            .iter()
            .filter_map(|line| line.strip_prefix("Authorization: "))
            .filter_map(|value| value.split(' ').next())
            .collect(),
    };
    let schemes: Vec<&str> =
        received.values("authorization").iter().filter_map(|value| value.split(' ').next()).collect();
    if schemes != expected || received.values("host") != ["api.example.com"] {
        return Err(format!("{:?} arrived", received.headers));
    }
    let cookies: Vec<&str> = row
        .send
        .iter()
        .filter_map(|line| line.strip_prefix("Cookie: "))
        .filter(|cookie| !cookie.contains("forged"))
        .collect();
    if received.values("cookie") != cookies {
        return Err(format!("the cookies are {:?}", received.values("cookie")));
    }
    Ok(())
}

/// Returns true for a header that must not arrive.
fn is_override(kind: Kind, name: &str, value: &str) -> bool {
    let between = BETWEEN.iter().any(|between| folds_to_same_name(between.as_bytes(), name.as_bytes()));
    // Caddy writes its own.
    let is_own = kind == Kind::Caddy && (name, value) == ("x-forwarded-host", "api.example.com");
    value.contains("forged") || between || (OverrideHeader::of(name.as_bytes()).is_some() && !is_own)
}

fn check_denied(row: &Row, answer: &Exchange, arrived: usize) -> Result<(), String> {
    if row.service.is_none() && row.caller.is_some() {
        return Err("the row names a caller and no service".to_owned());
    }
    if arrived != 0 {
        return Err("a service got the request".to_owned());
    }
    if let Some((name, _)) =
        answer.headers.iter().find(|(name, _)| name.starts_with("x-modgud-") || name.starts_with("x-core-"))
    {
        return Err(format!("the client gets `{name}`"));
    }
    if let Some(detail) = &row.detail {
        let types: Vec<&str> =
            answer.headers.iter().filter(|(name, _)| name == "content-type").map(|(_, value)| value.as_str()).collect();
        if answer.json() != serde_json::json!({ "detail": detail }) || types != ["application/json"] {
            return Err(format!("the body should be about `{detail}`, and its types are {types:?}"));
        }
    }
    let challenges: Vec<&str> =
        answer.headers.iter().filter(|(name, _)| name == "www-authenticate").map(|(_, value)| value.as_str()).collect();
    match &row.challenge {
        Some(challenge) if challenges.len() != 1 || !challenges[0].starts_with(challenge.as_str()) => {
            Err(format!("the challenges are {challenges:?}"))
        }
        Some(_) | None => Ok(()),
    }
}
