//! `/metrics`, read line by line as the text format of OpenMetrics 1.0: its parser here knows no more than that format.

use super::running::Running;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, STRANGER, check, claims};
use modgud::envoy::proto::AuthorizationClient;
use modgud::server::app::Shutdown;
use modgud_core::authn::ApiKeyDigest;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_core::reason::Reason;
use modgud_testbed::http::Exchange;
use rcgen::generate_simple_self_signed;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::timeout;

/// A line of the table, and a family of `/metrics`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    labels: BTreeSet<String>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The suffixes that the samples of a type have.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => panic!("`{kind}` is not a type that modgud uses"),
    }
}

/// `NAME{LABEL="VALUE",…} NUMBER`.
fn sample(line: &str) -> Sample {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("`{line}` has no value"));
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("`{line}` is not closed"))),
        None => (head, ""),
    };
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(plain(name), "`{name}` is not a name");
    let mut read = BTreeMap::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').unwrap_or_else(|| panic!("`{label}` is not a label"));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.unwrap_or_else(|| panic!("`{label}` has no quotes"));
        assert!(plain(key) && !value.contains(['"', '\\']), "`{label}`");
        assert!(read.insert(key.to_owned(), value.to_owned()).is_none(), "`{key}` is there twice in `{line}`");
    }
    Sample { name: name.to_owned(), labels: read, value: value.parse().unwrap_or_else(|_| panic!("`{line}`")) }
}

/// The families, each with its samples, in their order.
fn parse(text: &str) -> Vec<(Family, Vec<Sample>)> {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("it does not end with `# EOF`"));
    let mut families: Vec<(Family, Vec<Sample>)> = Vec::new();
    let mut helped = "";
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty(), "{name} has no help");
            helped = name;
        } else if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert_eq!(name, helped, "help and type stand together");
            families
                .push((Family { name: name.to_owned(), kind: kind.to_owned(), labels: BTreeSet::new() }, Vec::new()));
        } else {
            let sample = sample(line);
            let (family, samples) = families.last_mut().unwrap_or_else(|| panic!("`{line}` belongs to nothing"));
            let suffix =
                sample.name.strip_prefix(&family.name).unwrap_or_else(|| panic!("`{line}` is of another family"));
            assert!(suffixes(&family.kind).contains(&suffix), "`{line}` in a {}", family.kind);
            family.labels.extend(sample.labels.keys().filter(|key| suffix != "_bucket" || *key != "le").cloned());
            samples.push(sample);
        }
    }
    families
}

/// A histogram's buckets end with `+Inf`, never fall, and add up.
fn is_histogram(samples: &[Sample], decision: &str) {
    let samples: Vec<&Sample> =
        samples.iter().filter(|sample| sample.labels.get("decision").is_some_and(|found| found == decision)).collect();
    let value = |suffix: &str| samples.iter().find(|sample| sample.name.ends_with(suffix)).unwrap().value;
    let buckets: Vec<&Sample> = samples.iter().filter(|sample| sample.name.ends_with("_bucket")).copied().collect();
    let bounds: Vec<f64> = buckets.iter().map(|bucket| bucket.labels.get("le").unwrap().parse().unwrap()).collect();
    assert!(bounds.is_sorted() && buckets.iter().map(|bucket| bucket.value).is_sorted());
    let last = buckets.last().unwrap();
    assert_eq!(last.labels.get("le").map(String::as_str), Some("+Inf"));
    assert!((last.value - value("_count")).abs() < 0.5, "the last bucket holds all");
    assert!(value("_sum") > 0.0);
}

/// `/metrics` in the format of OpenMetrics.
async fn open_metrics(admin: SocketAddr) -> Exchange {
    Exchange::send(admin, "GET", "/metrics", &[("accept", "application/openmetrics-text")]).await.unwrap()
}

#[tokio::test]
async fn metrics_are_those_of_the_table() {
    // One authenticator without a reachable provider, and one without a reachable authorization server, so that the metrics of
    // both exist; and one that works.
    let pem = KEY.public_pem().unwrap();
    let published = r#"{ name: published, from: [{ header: x-other }], jwt: { issuer: other, algorithms: [EdDSA], keys: [{ jwks: { url: "http://127.0.0.1:1/" } }] } }"#;
    let fixed = format!(
        "{{ name: fixed, from: [{{ header: x-fixed }}], jwt: {{ issuer: fixed, algorithms: [RS256], keys: [{{ pem: {{ value: {pem:?} }} }}] }} }}"
    );
    let opaque = r#"{ name: opaque, from: [{ header: x-opaque }], introspection: { url: "http://127.0.0.1:1/", client_id: modgud, client_secret: { value: a-secret } } }"#;
    // A rule whose condition can fail, and a shadow rule.
    let rules = r#"{ name: told, match: { paths: [/told] }, access: public, when: "query.a == '1'" }, { name: docs, match: { paths: ["/docs/{*rest}"] }, access: public }, { name: tried, match: { paths: ["/docs/{*rest}"] }, shadow: true }"#;
    // A certificate, an API key that ends, and a signing key.
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("keys.yaml");
    let digest = ApiKeyDigest::of("a-key");
    fs::write(&table, format!("- {{ id: acme, sha256: {digest}, expires: 2033-01-01T00:00:00Z }}\n")).unwrap();
    let partners = format!("{{ name: partners, from: [{{ header: x-api-key }}], api_key: {{ file: {table:?} }} }}");
    let certificate = generate_simple_self_signed(["api.example.com".to_owned()]).unwrap().cert.pem();
    let certified = format!(
        "{{ name: certified, from: [{{ header: x-certified }}], jwt: {{ issuer: certified, algorithms: [ES256], keys: [{{ pem: {{ value: {certificate:?} }} }}] }} }}"
    );
    let private = SigningKey::generate(Algorithm::EdDsa).unwrap().private_text().unwrap();
    let mint = format!(
        "{{ name: internal, algorithm: EdDSA, key: {{ value: {:?} }}, issuer: modgud, audience: modules }}",
        private.expose_secret()
    );
    let yaml = format!(
        "profile: bifrost\nauthenticators: [{published}, {fixed}, {opaque}, {partners}, {certified}]\nrules: [{rules}]\nmint: [{mint}]\nupstream: {{ credential: {{ mint: internal }} }}"
    );
    let running = Running::start_with_files(&yaml, Some("profile: none\n")).await;
    let mut client = AuthorizationClient::new(running.channel().await);
    for path in ["/told?a=1", "/told", "/docs/", "/crm/"] {
        client.check(check(Encoding::Joined, "GET", path, &[])).await.unwrap();
    }
    // Of an authenticator, and of none: who issued the token decides.
    for (issuer, key) in [("fixed", &*STRANGER), ("unknown", &*KEY)] {
        let mut claims = claims();
        claims.retain(|(name, _)| name != "iss");
        claims.push(("iss".to_owned(), json!(issuer)));
        let token = key.sign(&claims).unwrap();
        client.check(check(Encoding::Joined, "GET", "/crm/", &[("x-fixed", token.as_bytes())])).await.unwrap();
    }
    let compared = async {
        while Counters::at(running.addresses.admin).await.get("modgud_shadow_config_checks_total") < 6 {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), compared).await.unwrap();
    let answer = open_metrics(running.addresses.admin).await;
    let kind = answer.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    assert_eq!((answer.status, kind), (200, Some("application/openmetrics-text; version=1.0.0; charset=utf-8")));
    let families = parse(std::str::from_utf8(&answer.body).unwrap());

    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/metrics.yaml");
    let expected: Vec<Family> = serde_saphyr::from_str(&fs::read_to_string(table).unwrap()).unwrap();
    assert_eq!(families.iter().map(|(family, _)| family).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());

    let samples = |name: &str| &families.iter().find(|(family, _)| family.name == name).unwrap().1;
    for decision in ["allowed", "denied"] {
        is_histogram(samples("modgud_check_duration_seconds"), decision);
    }
    let mut reasons: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    reasons.insert("");
    let label = |sample: &'_ Sample, name: &str| sample.labels.get(name).unwrap().clone();
    let counted = samples("modgud_checks");
    assert_eq!(
        counted.iter().map(|sample| label(sample, "reason")).collect::<BTreeSet<_>>(),
        reasons.into_iter().map(str::to_owned).collect()
    );
    let moved: Vec<_> = counted
        .iter()
        .filter(|one| one.value > 0.0)
        .map(|one| ["decision", "reason", "rule", "authenticator"].map(|name| label(one, name)))
        .collect();
    let mut moved: Vec<[&str; 4]> = moved.iter().map(|labels| labels.each_ref().map(String::as_str)).collect();
    moved.sort_unstable();
    let expected = [
        ["allowed", "", "docs", ""],
        ["allowed", "", "told", ""],
        ["denied", "condition_error", "told", ""],
        ["denied", "credential_missing", "", ""],
        ["denied", "issuer_unknown", "", ""],
        ["denied", "signature_invalid", "", "fixed"],
    ];
    assert_eq!(moved, expected);
    let errors = samples("modgud_condition_errors");
    let errors: Vec<_> = errors.iter().map(|one| (label(one, "rule"), one.value.to_string())).collect();
    assert_eq!(errors, [("told".to_owned(), "1".to_owned())]);
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}

#[tokio::test]
async fn a_header_that_can_not_hold_its_value_is_counted() {
    let running = Running::start("profile: bifrost\nserver: { deadline: 10s }").await;
    let mut client = AuthorizationClient::new(running.channel().await);
    for scope in [json!("läsa"), json!("read"), json!("läsa två")] {
        let mut claims = claims();
        claims.retain(|(name, _)| name != "scope");
        claims.push(("scope".to_owned(), scope));
        let credential = format!("JWT {}", KEY.sign(&claims).unwrap());
        let asked = check(Encoding::Raw, "GET", "/crm/", &[("authorization", credential.as_bytes())]);
        client.check(asked).await.unwrap();
    }
    let answer = open_metrics(running.addresses.admin).await;
    let families = parse(std::str::from_utf8(&answer.body).unwrap());
    let (_, samples) = families.into_iter().find(|(family, _)| family.name == "modgud_headers_dropped").unwrap();
    let mut counted: Vec<(String, String)> =
        samples.into_iter().map(|one| (one.labels.get("header").unwrap().clone(), one.value.to_string())).collect();
    counted.sort_unstable();
    // Those that deny are not counted here; those that have never been dropped are there.
    let expected = [("x-organization-uuid", "0"), ("x-scope", "2")];
    assert_eq!(counted, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}
