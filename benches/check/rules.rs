//! The cost of a decision with ten, a thousand and ten thousand rules, in this process: no network, no gRPC. The same
//! requests with the same known token are each decided by another rule.

use super::Outcome;
use super::series::Progress;
use super::stats::Spread;
use modgud::clock::Clock;
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_core::time::Timestamp;
use serde_json::json;
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The numbers of rules.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Maximum number of different rules that decide, each for its own request.
const ASKED: usize = 1_000;
/// Number of service names, so that the rules form a tree rather than a list.
const SERVICES: usize = 97;

/// The figures of one number of rules, in ns.
pub(crate) struct Decision {
    pub(crate) rules: usize,
    pub(crate) whole: Spread,
    /// The part of it that selects the rule.
    pub(crate) selection: Spread,
    /// As a multiple of the decision with the least rules.
    pub(crate) ratio: Spread,
}

/// Measures some rounds, each with several passes over all requests.
pub(crate) fn measure(rounds: usize, passes: usize, progress: &mut Progress) -> Outcome<Vec<Decision>> {
    progress.part("decisions alone");
    let key = SigningKey::generate(Algorithm::Rs256)?;
    let now = Clock::System.now();
    let authorization = format!("JWT {}", token(&key, now)?);
    let public = key.public_pem()?;
    let snapshots = SIZES.map(|size| snapshot(size, &public)).into_iter().collect::<Outcome<Vec<_>>>()?;
    let targets: Vec<Vec<String>> = SIZES.iter().map(|size| targets(*size)).collect();

    let mut nanos = vec![Vec::new(); SIZES.len()];
    let mut found = vec![Vec::new(); SIZES.len()];
    for round in 0..=rounds {
        for at in 0..SIZES.len() {
            // Each size is first, second and last equally often.
            let size = (at + round) % SIZES.len();
            let requests: Vec<Request<'_>> =
                targets[size].iter().map(|target| request(target, &authorization)).collect::<Outcome<_>>()?;
            let whole = time(&requests, passes, |request| {
                let decision = decide(request, &snapshots[size], now);
                matches!(decision.verdict, Verdict::Allow(_)) && decision.rule.is_some()
            })?;
            let alone = time(&requests, passes, |request| black_box(snapshots[size].rules.find(request)).is_some())?;
            // The first round warms up.
            if round > 0 {
                nanos[size].push(whole);
                found[size].push(alone);
            }
        }
    }
    let decision = |(size, rules): (usize, usize)| Decision {
        rules,
        whole: Spread::of(nanos[size].iter().copied()),
        selection: Spread::of(found[size].iter().copied()),
        ratio: Spread::of(nanos[size].iter().zip(&nanos[0]).map(|(one, base)| one / base)),
    };
    Ok(SIZES.into_iter().enumerate().map(decision).collect())
}

/// Returns the time of one call in nanoseconds; every call must succeed.
fn time(requests: &[Request<'_>], passes: usize, call: impl Fn(&Request<'_>) -> bool) -> Outcome<f64> {
    let start = Instant::now();
    let mut good = true;
    for _ in 0..passes {
        for request in requests {
            good &= call(black_box(request));
        }
    }
    let took = start.elapsed().as_secs_f64() * 1e9;
    if good { Ok(took / (requests.len() * passes) as f64) } else { Err("a request is not allowed by a rule".into()) }
}

/// Builds a snapshot with `size` rules: one for each resource, requiring a scope.
fn snapshot(size: usize, public: &str) -> Outcome<Snapshot> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("modgud.yaml");
    let mut yaml = String::from("profile: bifrost\nrules:\n");
    for rule in 0..size {
        writeln!(
            yaml,
            "- {{name: r{rule}, match: {{paths: [\"{}/{{id}}\"]}}, require: {{scopes: [read]}}}}",
            path(rule)
        )?;
    }
    yaml.push_str("fallback: denied\n");
    std::fs::write(&file, yaml)?;
    let overrides = Overrides::default();
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", public)]);
    Ok(load(Some(&file), &overrides, &environment)?.config.snapshot)
}

fn path(rule: usize) -> String {
    format!("/s{}/resource{rule}", rule % SERVICES)
}

/// Returns targets that different rules decide, spread over all rules. Their number is independent of the number of
/// rules.
fn targets(size: usize) -> Vec<String> {
    (0..ASKED).map(|number| format!("{}/{number}?page=2", path(number * size / ASKED))).collect()
}

fn request<'a>(target: &'a str, authorization: &'a str) -> Outcome<Request<'a>> {
    let fields = [("accept", "application/json"), ("x-forwarded-for", "203.0.113.7"), ("authorization", authorization)];
    let field = |(name, value): (&'static str, &'a str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(fields.map(field).to_vec());
    Ok(Request::parse(b"GET", target.as_bytes(), b"api.example.com", headers)?)
}

fn token(key: &SigningKey, now: Timestamp) -> Outcome<String> {
    let claims = [
        ("iss", json!("bifrost")),
        ("exp", json!(now.plus(Duration::from_secs(36_000)).as_secs())),
        ("iat", json!(now.as_secs())),
        ("core_user_uuid", json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60")),
        ("organization_uuid", json!("70f0d039-e3d9-427e-b161-4e95dbd9e918")),
        ("scope", json!("read write")),
        ("username", json!("admin")),
    ];
    Ok(key.sign(&claims.map(|(name, value)| (name.to_owned(), value)))?)
}
