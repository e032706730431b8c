//! What Prometheus makes of `/metrics`: both formats, promtool's rules for names, and the number of series under a hostile load.

use super::promtool;
use super::server::{Prometheus, number};
use crate::decisions::counters::Counters;
use crate::reload::changing::Reported;
use crate::support::{Encoding, NOW, STRANGER, Sidecar, check, claims, token};
use modgud::server::app::Shutdown;
use modgud_testbed::http::Exchange;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// A table of 300 API keys: the digest of `key-0` is real.
pub(super) fn api_keys() -> String {
    let mut table = String::new();
    for number in 0..300 {
        let digest = modgud_core::authn::ApiKeyDigest::of(&format!("key-{number}"));
        let expires = NOW + 1_000 * (number + 1);
        let expires = modgud_core::time::Timestamp::from_secs(expires);
        writeln!(table, "- {{ id: key-{number}, sha256: {digest}, expires: \"{expires}\" }}").unwrap();
    }
    table
}

/// 300 rules, API keys, a provider that does not answer, and a signing key.
pub(super) fn configuration() -> (String, BTreeMap<String, String>) {
    let mut yaml = "profile: bifrost\nserver: { deadline: 10s }\nauthenticators:\n  - { name: bifrost, from: [{ header: authorization, schemes: [JWT] }], jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] } }\n  - { name: published, from: [{ header: x-other }], jwt: { issuer: other, algorithms: [EdDSA], keys: [{ jwks: { url: \"http://127.0.0.1:1/\" } }] } }\n  - { name: partners, from: [{ header: x-api-key }], api_key: { file: keys.yaml } }\n  - { name: opaque, from: [{ header: x-opaque }], introspection: { url: \"http://127.0.0.1:1/\", client_id: modgud, client_secret: { value: a-secret } } }\nrules:\n".to_owned();
    for number in 0..300 {
        writeln!(
            yaml,
            "  - {{ name: rule-{number}, match: {{ paths: [\"/{number}/{{*rest}}\"] }}, access: optional }}"
        )
        .unwrap();
    }
    (yaml, BTreeMap::from([("keys.yaml".to_owned(), api_keys())]))
}

/// Checks that differ in all that a client chooses; `round` makes others of them.
pub(super) async fn hostile(sidecar: &Sidecar, round: u64) {
    let mut client = sidecar.client().await;
    for number in 0..300_u64 {
        let random = format!("{round}-{number}");
        let mut all = claims();
        all.retain(|(name, _)| name != "iss");
        all.push(("iss".to_owned(), json!(format!("issuer-{random}"))));
        let unknown = STRANGER.sign(&all).unwrap();
        let path = format!("/{number}/{random}");
        let header = format!("x-{random}");
        let credentials: [(&str, String); 6] = [
            ("authorization", format!("JWT {unknown}")),
            ("authorization", format!("{random} {unknown}")),
            ("x-other", unknown.clone()),
            ("x-api-key", random.clone()),
            ("x-opaque", random.clone()),
            (&header, random.clone()),
        ];
        for (name, value) in credentials {
            let mut request = check(Encoding::Joined, "GET", &path, &[(name, value.as_bytes())]);
            let http = request.attributes.as_mut().and_then(|all| all.request.as_mut()?.http.as_mut()).unwrap();
            http.host = format!("host-{random}.example.com").into();
            client.check(request).await.unwrap();
        }
    }
}

async fn text(sidecar: &Sidecar) -> String {
    let answer = Exchange::get(sidecar.addresses.admin, "/metrics").await.unwrap();
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(answer.body).unwrap()
}

fn series(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[tokio::test]
async fn promtool_has_no_complaint() {
    let (yaml, files) = configuration();
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    let mut client = sidecar.client().await;
    client.check(check(Encoding::Joined, "GET", "/crm/", &[("authorization", token().as_bytes())])).await.unwrap();
    let text = text(&sidecar).await;
    assert_eq!(promtool(&["check", "metrics"], &text), "");
    // It does look.
    let renamed = text.replace("modgud_checks_in_flight ", "modgud_checks_in_flight_milliseconds ");
    assert!(!renamed.contains("HELP modgud_checks_in_flight "), "the name is replaced everywhere");
    let lint = std::panic::catch_unwind(|| promtool(&["check", "metrics"], &renamed));
    assert!(lint.is_err() || !lint.unwrap().is_empty());
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn prometheus_has_every_series_and_a_hostile_load_adds_none() {
    let (yaml, files) = configuration();
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    let prometheus = Prometheus::start(sidecar.addresses.admin).await;
    prometheus.until("up{job=\"modgud\"} == 1", |found| found.len() == 1).await;

    hostile(&sidecar, 0).await;
    let (first, before) = (text(&sidecar).await, Counters::read(&sidecar).await);
    for round in 1..3 {
        hostile(&sidecar, round).await;
    }
    let last = text(&sidecar).await;
    let (series_before, series_after) = (series(&first), series(&last));
    let added: Vec<&&str> = series_after.difference(&series_before).collect();
    assert_eq!(added, [&""; 0], "a client adds series");
    let checks = Counters::read(&sidecar).await.get("modgud_checks_total") - before.get("modgud_checks_total");
    assert_eq!(checks, 2 * 300 * 6);
    for name in ["host-", "issuer-", "1-7"] {
        assert!(!last.contains(name), "a client chose {name} as a label");
    }

    // Prometheus read the other format, and nothing is lost on the way.
    let own = "{job=\"modgud\", __name__!~\"up|scrape_.*|ALERTS.*\"}";
    let exposed = f64::from(u32::try_from(series_after.len()).unwrap());
    let all = |found: &[Value]| found.first().is_some_and(|found| number(found) >= exposed);
    prometheus.until(&format!("count({own})"), all).await;
    assert!(exposed < 5_000.0, "{exposed}");
    // A third of the rules, in three rounds of six checks for each.
    let others = "sum(modgud_checks_total{rule=\"other\"}) == 1800";
    prometheus.until(others, |found| found.len() == 1).await;
    let targets = prometheus.api("/api/v1/targets").await.unwrap();
    assert_eq!(targets["activeTargets"][0]["lastError"], "");
    let metadata = prometheus.api("/api/v1/metadata").await.unwrap();
    for (name, kind) in [
        ("modgud_checks", "counter"),
        ("modgud_check_duration_seconds", "histogram"),
        ("modgud_checks_in_flight", "gauge"),
        ("modgud_build", "info"),
        ("process_resident_memory_bytes", "gauge"),
    ] {
        assert_eq!(metadata[name][0]["type"], kind, "{name}");
    }
    prometheus.stop().await;
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn the_configuration_says_how_many_names_have_series_of_their_own() {
    let (yaml, files) = configuration();
    let yaml = format!("{yaml}telemetry: {{ metrics: {{ rules: 1, api_keys: 240 }} }}\n");
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    hostile(&sidecar, 0).await;
    let text = text(&sidecar).await;
    let label = |name: &str, label: &str| -> BTreeSet<&str> {
        let start = format!("{label}=\"");
        let lines = series(&text).into_iter().filter(|series| series.starts_with(name));
        lines.filter_map(|series| series.split_once(&start)?.1.split_once('"')).map(|(value, _)| value).collect()
    };
    // Checks without a rule have an empty name.
    assert_eq!(label("modgud_checks_total", "rule").len(), 3, "{:?}", label("modgud_checks_total", "rule"));
    assert!(label("modgud_checks_total", "rule").contains("other"));
    assert_eq!(label("modgud_api_key_expiry_timestamp_seconds", "key").len(), 241, "and `other`");
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn keys_show_their_end_and_last_use_over_a_reload() {
    let (yaml, files) = configuration();
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    let mut client = sidecar.client().await;
    let key = |number: u64| {
        format!("modgud_api_key_last_use_timestamp_seconds{{authenticator=\"partners\",key=\"key-{number}\"}}")
    };
    let other = "modgud_api_key_last_use_timestamp_seconds{authenticator=\"other\",key=\"other\"}";
    assert_eq!(Counters::read(&sidecar).await.get(&key(7)), 0);
    for number in [7, 250] {
        let presented = format!("key-{number}");
        client.check(check(Encoding::Joined, "GET", "/crm/", &[("x-api-key", presented.as_bytes())])).await.unwrap();
    }
    let counters = Counters::read(&sidecar).await;
    assert_eq!([counters.get(&key(7)), counters.get(&key(8)), counters.get(other)], [NOW, 0, NOW]);
    let end = "modgud_api_key_expiry_timestamp_seconds";
    assert_eq!(counters.get(&format!("{end}{{authenticator=\"partners\",key=\"key-199\"}}")), NOW + 200_000);
    assert_eq!(counters.get(&format!("{end}{{authenticator=\"other\",key=\"other\"}}")), NOW + 201_000, "the earliest");
    let hash = counters.get("modgud_config_hash");

    // The configuration is another one, and the key is the same.
    let seen = Reported::at(sidecar.addresses.admin).await;
    fs::write(sidecar.folder().join("modgud.yaml"), yaml.replace("deadline: 10s", "deadline: 9s")).unwrap();
    sidecar.reload();
    seen.more(sidecar.addresses.admin).await;
    let counters = Counters::read(&sidecar).await;
    assert_eq!((counters.get(&key(7)), counters.get("modgud_checks_total")), (NOW, 2));
    assert_ne!(counters.get("modgud_config_hash"), hash);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn a_revoked_key_is_not_in_use_and_a_new_secret_is_another_key() {
    let yaml = "profile: none\nauthenticators: [{ name: partners, from: [{ header: x-api-key }], api_key: { file: keys.yaml } }]\n\
                revocations: { file: revoked.yaml }\nfallback: authenticated\n";
    let table = |secret: &str| {
        let digest = modgud_core::authn::ApiKeyDigest::of;
        format!("- {{ id: good, sha256: {} }}\n- {{ id: bad, sha256: {} }}\n", digest(secret), digest("bad"))
    };
    let files = [("keys.yaml", table("good")), ("revoked.yaml", "tokens: [{ id: bad }]\n".to_owned())];
    let files = files.map(|(name, text)| (name.to_owned(), text)).into();
    let sidecar = Sidecar::with_files(yaml, &files).await;
    let mut client = sidecar.client().await;
    for key in ["good", "bad"] {
        client.check(check(Encoding::Joined, "GET", "/", &[("x-api-key", key.as_bytes())])).await.unwrap();
    }
    let last_use = async |key: &str| {
        let name = format!("modgud_api_key_last_use_timestamp_seconds{{authenticator=\"partners\",key=\"{key}\"}}");
        Counters::read(&sidecar).await.get(&name)
    };
    assert_eq!((last_use("good").await, last_use("bad").await), (NOW, 0));
    let seen = Reported::at(sidecar.addresses.admin).await;
    fs::write(sidecar.folder().join("keys.yaml"), table("new")).unwrap();
    sidecar.reload();
    seen.more(sidecar.addresses.admin).await;
    assert_eq!(last_use("good").await, 0);
    sidecar.stop(Shutdown::Immediate).await;
}
