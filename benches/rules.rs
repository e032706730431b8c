//! The cost of a decision with ten, a thousand and ten thousand rules: `cargo bench --bench rules`, the second half of
//! `make bench`.
//!
//! It runs in one process without a network, to compare the rules alone. The same requests with the same known tokens
//! are each decided by another rule. `docs/benchmarks.md` explains the figures.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool that measures: it prints, reckons with floats, and may stop where its own figures make no sense"
)]

use mimalloc::MiMalloc;
use modgud::clock::Clock;
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_core::time::Timestamp;
use serde_json::json;
use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// modgud's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The numbers of rules.
const SIZES: [usize; 3] = [10, 1_000, 10_000];
/// Maximum number of different rules that decide, each for its own request.
const ASKED: usize = 1_000;
/// Number of service names, so that the rules form a tree rather than a list.
const SERVICES: usize = 97;

fn main() -> Result<(), Box<dyn Error>> {
    // Without `--bench`, `cargo test` runs this as a smoke test.
    let full = std::env::args().any(|argument| argument == "--bench");
    let (rounds, passes) = if full { (31, 40) } else { (3, 2) };
    let key = SigningKey::generate(Algorithm::Rs256)?;
    let now = Clock::System.now();
    let token = token(&key, now)?;
    let authorization = format!("JWT {token}");
    let public = key.public_pem()?;
    let snapshots = SIZES.map(|size| snapshot(size, &public));
    let snapshots = snapshots.into_iter().collect::<Result<Vec<_>, _>>()?;
    let targets: Vec<Vec<String>> = SIZES.iter().map(|size| targets(*size)).collect();

    let mut nanos = vec![Vec::new(); SIZES.len()];
    let mut found = vec![Vec::new(); SIZES.len()];
    for round in 0..=rounds {
        for at in 0..SIZES.len() {
            // Each size is first, second and last equally often.
            let size = (at + round) % SIZES.len();
            let requests: Vec<Request<'_>> =
                targets[size].iter().map(|target| request(target, &authorization)).collect::<Result<_, _>>()?;
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
    println!("A decision on a known token, in this process, in ns: median of {rounds} rounds (least–most)\n");
    println!(
        "| rules | the decision | of it: which rule | the decision ÷ that with {} rules |\n|---|---|---|---|",
        SIZES[0]
    );
    for (size, rules) in SIZES.iter().enumerate() {
        let ratios: Vec<f64> = nanos[size].iter().zip(&nanos[0]).map(|(one, base)| one / base).collect();
        println!("| {rules} | {} | {} | {} |", spread(&nanos[size], 0), spread(&found[size], 0), spread(&ratios, 2));
    }
    Ok(())
}

/// Returns the time of one call in nanoseconds; every call must succeed.
fn time(requests: &[Request<'_>], passes: usize, call: impl Fn(&Request<'_>) -> bool) -> Result<f64, &'static str> {
    let start = Instant::now();
    let mut good = true;
    for _ in 0..passes {
        for request in requests {
            good &= call(black_box(request));
        }
    }
    let took = start.elapsed().as_secs_f64() * 1e9;
    if good { Ok(took / (requests.len() * passes) as f64) } else { Err("a request is not let through by a rule") }
}

/// Builds a snapshot with `size` rules: one for each resource, requiring a scope.
fn snapshot(size: usize, public: &str) -> Result<Snapshot, Box<dyn Error>> {
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

fn request<'a>(target: &'a str, authorization: &'a str) -> Result<Request<'a>, Box<dyn Error>> {
    let fields = [("accept", "application/json"), ("x-forwarded-for", "203.0.113.7"), ("authorization", authorization)];
    let field = |(name, value): (&'static str, &'a str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(fields.map(field).to_vec());
    Ok(Request::parse(b"GET", target.as_bytes(), b"api.example.com", headers)?)
}

fn token(key: &SigningKey, now: Timestamp) -> Result<String, Box<dyn Error>> {
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

fn spread(values: &[f64], digits: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, middle, most) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
}
