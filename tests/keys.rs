//! The public key as operators set it: which forms are accepted, and the errors for all others. The cases are in
//! `tests/data/keys.yaml`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

use crate::support::{KEY, NOW, token};
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::time::Timestamp;
use pem::{EncodeConfig, LineEnding, Pem};
use serde::Deserialize;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode;
use std::collections::HashSet;

const VARIABLE: &str = "JWT_PUBLIC_KEY_RSA_BIFROST";

/// How the `SubjectPublicKeyInfo` of an RSA key of 2048 bits begins, and how long it is when its exponent is 65537.
const SPKI_START: &[u8] = b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const SPKI_BYTES: usize = 294;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cases: Vec<Case>,
    certificate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: Option<String>,
    #[serde(default = "line_feed")]
    line_ends: String,
    #[serde(default = "yes")]
    final_line_end: bool,
    refused: Option<String>,
}

fn line_feed() -> String {
    "\n".to_owned()
}

fn yes() -> bool {
    true
}

#[test]
fn keys_are_accepted_or_rejected_as_in_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/keys.yaml");
    let table: Table = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut names = HashSet::new();
    for case in &table.cases {
        assert!(names.insert(&case.name), "two cases are called `{}`", case.name);
        let environment = match &case.text {
            Some(text) => Environment::fixed([(VARIABLE, &spelled(case, text, &table.certificate))]),
            None => Environment::fixed([]),
        };
        let loaded = load(None, &Overrides::default(), &environment);
        match (loaded, &case.refused) {
            (Ok(loaded), None) => assert!(verifies(&loaded.config.snapshot), "{}: verifies nothing", case.name),
            (Err(error), Some(expected)) => assert_eq!(error.to_string(), *expected, "{}", case.name),
            (Ok(_), Some(_)) => panic!("{}: was taken", case.name),
            (Err(error), None) => panic!("{}: was refused: {error}", case.name),
        }
    }
}

/// The variable's value.
fn spelled(case: &Case, text: &str, certificate: &str) -> String {
    let spki = KEY.public_pem().unwrap();
    let mut text = text
        .replace("{spki}", &spki)
        .replace("{pkcs1}", &pkcs1(&spki))
        .replace("{certificate}", &certificate_of(&spki, certificate))
        .replace("{private}", KEY.private_text().unwrap().expose_secret());
    if !case.final_line_end {
        let at = text.rfind('\n').unwrap();
        text.remove(at);
    }
    text.replace('\n', &case.line_ends)
}

fn armour(label: &str, der: &[u8]) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The same key as `RSAPublicKey`, which the other form contains.
fn pkcs1(spki: &str) -> String {
    let der = pem::parse(spki).unwrap();
    let info = SubjectPublicKeyInfoRef::from_der(der.contents()).unwrap();
    armour("RSA PUBLIC KEY", info.subject_public_key.as_bytes().unwrap())
}

/// The certificate with the key in its other key's place: both are of one size, so nothing else changes.
fn certificate_of(spki: &str, certificate: &str) -> String {
    let key = pem::parse(spki).unwrap();
    assert!(key.contents().starts_with(SPKI_START) && key.contents().len() == SPKI_BYTES);
    let mut der = pem::parse(certificate).unwrap().into_contents();
    let at = der.windows(SPKI_START.len()).position(|window| window == SPKI_START).unwrap();
    der[at..at + SPKI_BYTES].copy_from_slice(key.contents());
    armour("CERTIFICATE", &der)
}

/// Whether a token of the trusted key is let through.
fn verifies(snapshot: &Snapshot) -> bool {
    let value = format!("JWT {}", token());
    let headers = Headers::new(vec![Field { name: b"authorization", value: value.as_bytes() }]);
    let request = Request::parse(b"GET", b"/crm/", b"api.example.com", headers).unwrap();
    let decision = decide(&request, snapshot, Timestamp::from_secs(NOW));
    matches!(decision.verdict, Verdict::Allow(_))
}
