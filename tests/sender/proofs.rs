//! Each thing that can be wrong with a proof, by itself; when a proof is good; and proofs that were changed on the way.

use super::CONFIGURATION;
use super::holder::{HOST, Holder};
use crate::support::{Encoding, KEY, NOW, STRANGER, check, claims};
use modgud::config::{Environment, Overrides, load};
use modgud::envoy::proto::CheckRequest;
use modgud::envoy::{Check, read};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A row of the table. What is left out is as it is in a good request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// Laid over the proof's header and claims; `null` leaves a member out.
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
    /// Laid over the token's claims.
    #[serde(default)]
    token: Map<String, Value>,
    /// The value of the header `DPoP`, or of several, with `{proof}` in it.
    dpop: Option<Vec<String>>,
    scheme: Option<String>,
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    http: Option<String>,
    /// What keeps the request out; nothing does when it is left out.
    fault: Option<String>,
}

fn snapshot(yaml: &str) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    std::fs::write(&file, yaml).unwrap();
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &KEY.public_pem().unwrap())]);
    load(Some(&file), &Overrides::default(), &environment).unwrap().config.snapshot
}

/// Why a check is not let through; nothing if it is.
fn fault(check: &CheckRequest, snapshot: &Snapshot, now: u64) -> Option<String> {
    match decide(&read(&mut Check::of(check), snapshot.request).unwrap(), snapshot, Timestamp::from_millis(now)).verdict
    {
        Verdict::Allow(_) => None,
        Verdict::Deny(fault) => Some(fault.to_string()),
    }
}

impl Row {
    fn check(&self, encoding: Encoding) -> CheckRequest {
        let mut all = claims();
        for (name, value) in &self.token {
            all.push((name.clone(), value.clone()));
        }
        let mut holder = Holder::with(&KEY, all.clone());
        if self.token.contains_key("cnf") {
            // One that says itself what it is bound to.
            holder.token = KEY.sign(&all).unwrap();
        }
        let proof = holder.proof(&format!("{HOST}/reports/7"), NOW, &self.header, &self.claims);
        let authorization = format!("{} {}", self.scheme.as_deref().unwrap_or("DPoP"), holder.token);
        let shown = self.dpop.clone().unwrap_or_else(|| vec!["{proof}".to_owned()]);
        let shown: Vec<String> = shown.iter().map(|value| value.replace("{proof}", &proof)).collect();
        let mut headers = vec![("authorization", authorization.as_bytes())];
        headers.extend(shown.iter().map(|value| ("DPoP", value.as_bytes())));
        let proto = self.http.as_deref().unwrap_or("https");
        headers.extend(proto.split(' ').filter(|one| !one.is_empty()).map(|one| ("x-forwarded-proto", one.as_bytes())));
        let (method, path) = (self.method.as_deref().unwrap_or("GET"), self.path.as_deref().unwrap_or("/reports/7"));
        let mut check = check(encoding, method, path, &headers);
        let http = check.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        if let Some(host) = &self.host {
            http.host = host.clone().into();
        }
        // What the client says on HTTP/2 is never read.
        http.scheme = (if proto == "https" { "http" } else { "https" }).into();
        check
    }
}

#[test]
fn each_thing_that_is_wrong_with_a_proof_is_enough() {
    let rows: Vec<Row> = serde_saphyr::from_str(include_str!("../data/sender/proofs.yaml")).unwrap();
    let snapshot = snapshot(CONFIGURATION);
    let mut wrong = Vec::new();
    for (row, encoding) in rows.iter().flat_map(|row| Encoding::ALL.map(|encoding| (row, encoding))) {
        let found = fault(&row.check(encoding), &snapshot, NOW * 1_000);
        if found != row.fault {
            wrong.push(format!("{} ({encoding:?}): {found:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} came out otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows.iter().any(|row| row.fault.is_none()) && rows.len() > 40);
}

#[test]
fn a_proof_is_good_for_a_time() {
    let holder = Holder::new(&KEY);
    // In milliseconds after the proof was made: the first and the last at which it is good.
    for (config, from, to) in [
        ("", -5_000, 64_999),
        ("      proof_lifetime: 1s\n", -5_000, 5_999),
        ("      proof_lifetime: 5m\n", -5_000, 304_999),
        ("      leeway: 3s\n", -5_000, 64_999),
        ("      leeway: 20s\n", -20_000, 79_999),
        ("      leeway: 20s\n      proof_lifetime: 10s\n", -20_000, 29_999),
    ] {
        let made = i64::try_from(NOW + 1_000).unwrap();
        for (at, good) in [(from - 1, false), (from, true), (0, true), (to, true), (to + 1, false)] {
            let snapshot = snapshot(&format!("{CONFIGURATION}{config}"));
            let proof = holder.good("/a", NOW + 1_000);
            let now = u64::try_from(made * 1_000 + at).unwrap();
            let found = fault(&holder.check(Encoding::Raw, "DPoP", "/a", &proof), &snapshot, now);
            assert_eq!(found.is_none(), good, "{config} {at}: {found:?}");
        }
    }
}

/// A date with a fraction is as a date of the token would be: never longer good for it.
#[test]
fn a_fraction_of_a_second_makes_no_proof_longer_good() {
    let holder = Holder::new(&KEY);
    for (iat, at, good) in [
        (json!(1_700_000_000.000_9), 1_700_000_064_999, true),
        (json!(1_700_000_000.000_9), 1_700_000_065_000, false),
        (json!(1_700_000_100.000_1), 1_700_000_095_000, false),
        (json!(1_700_000_100.000_1), 1_700_000_095_001, true),
    ] {
        let claims = Map::from_iter([("iat".to_owned(), iat.clone())]);
        let proof = holder.proof(&format!("{HOST}/a"), NOW, &Map::new(), &claims);
        let found = fault(&holder.check(Encoding::Raw, "DPoP", "/a", &proof), &snapshot(CONFIGURATION), at);
        assert_eq!(found.is_none(), good, "{iat} at {at}: {found:?}");
    }
}

#[test]
fn one_flipped_bit_proves_nothing() {
    let (holder, snapshot) = (Holder::new(&KEY), snapshot(CONFIGURATION));
    let proof = holder.good("/a", NOW);
    for (at, bit) in (0..proof.len()).map(|at| (at, at % 7)) {
        let mut flipped = proof.clone().into_bytes();
        flipped[at] ^= 1 << bit;
        let flipped = String::from_utf8(flipped).unwrap();
        let found = fault(&holder.check(Encoding::Raw, "DPoP", "/a", &flipped), &snapshot, NOW * 1_000);
        assert!(found.is_some(), "byte {at}, bit {bit}");
    }
    // None of them has spent it.
    assert_eq!(fault(&holder.check(Encoding::Raw, "DPoP", "/a", &proof), &snapshot, NOW * 1_000), None);
}

#[test]
fn a_proof_of_another_key_is_invalid() {
    let (holder, other, snapshot) = (Holder::new(&KEY), Holder::new(&KEY), snapshot(CONFIGURATION));
    let stolen = Map::from_iter([("ath".to_owned(), Holder::ath(&holder.token).into())]);
    let proof = other.proof(&format!("{HOST}/a"), NOW, &Map::new(), &stolen);
    let found = fault(&holder.check(Encoding::Raw, "DPoP", "/a", &proof), &snapshot, NOW * 1_000);
    assert_eq!(found.as_deref(), Some("the token is bound to another key than that of the proof"));
    // Nor does it help to bring the holder's key along.
    let header = Map::from_iter([("jwk".to_owned(), holder.jwk())]);
    let proof = other.proof(&format!("{HOST}/a"), NOW, &header, &stolen);
    let found = fault(&holder.check(Encoding::Raw, "DPoP", "/a", &proof), &snapshot, NOW * 1_000);
    assert_eq!(found.as_deref(), Some("the proof's signature does not verify with the key in its `jwk`"));
    // A forged token is reported as forged, whatever the proof.
    let forged = Holder::new(&STRANGER);
    let check = forged.check(Encoding::Raw, "DPoP", "/a", &forged.good("/a", NOW));
    let found = fault(&check, &snapshot, NOW * 1_000);
    assert_eq!(found.as_deref(), Some("no key of the issuer verifies the signature"));
}
