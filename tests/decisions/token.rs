//! Makes the token of a case: the standard claims with what the case changes, signed and put together as it says.

use super::text;
use crate::support::{KEY, STRANGER, claims};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::jose::SigningKey;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256"}"#;
const SPELLING: &str = "{header}.{payload}.{signature}";
const BASE64URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static TRUSTED_PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| pair(&KEY));
static STRANGER_PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| pair(&STRANGER));

/// `token` in a table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenSpec {
    claims: BTreeMap<String, Value>,
    without: Vec<String>,
    json: BTreeMap<String, String>,
    append: String,
    payload: Option<String>,
    header: Option<String>,
    key: Key,
    spell: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    #[default]
    Trusted,
    Stranger,
    PublicPemAsSecret,
}

/// The token; the standard one if the case says nothing.
pub(super) fn make(spec: Option<&TokenSpec>) -> String {
    let standard = TokenSpec::default();
    let spec = spec.unwrap_or(&standard);
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text::bytes(text, ""));
    let header = encode(spec.header.as_deref().unwrap_or(HEADER));
    let payload = encode(&spec.payload.clone().unwrap_or_else(|| payload(spec)));
    let signature = signature(spec.key, &format!("{header}.{payload}"));
    let spelled = spec
        .spell
        .as_deref()
        .unwrap_or(SPELLING)
        .replace("{header}", &header)
        .replace("{payload}", &payload)
        .replace("{signature_unused_bits}", &with_unused_bit(&signature))
        .replace("{signature}", &signature);
    String::from_utf8(text::bytes(&spelled, "")).unwrap()
}

fn payload(spec: &TokenSpec) -> String {
    let mut members: Vec<(String, String)> =
        claims().into_iter().map(|(name, value)| (name, value.to_string())).collect();
    let changed = spec.claims.iter().map(|(name, value)| (name, value.to_string()));
    let verbatim = spec.json.iter().map(|(name, text)| (name, text.clone()));
    for (name, text) in changed.chain(verbatim) {
        match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = text,
            None => members.push((name.clone(), text)),
        }
    }
    for name in &spec.without {
        let at = members.iter().position(|(known, _)| known == name);
        members.remove(at.unwrap_or_else(|| panic!("there is no claim {name} to take out")));
    }
    let members: Vec<_> = members.iter().map(|(name, text)| format!("{}:{text}", Value::from(name.as_str()))).collect();
    format!("{{{}{}}}", members.join(","), spec.append)
}

fn signature(key: Key, input: &str) -> String {
    match key {
        Key::Trusted => sign(&TRUSTED_PAIR, input),
        Key::Stranger => sign(&STRANGER_PAIR, input),
        Key::PublicPemAsSecret => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, KEY.public_pem().unwrap().as_bytes());
            URL_SAFE_NO_PAD.encode(hmac::sign(&secret, input.as_bytes()))
        }
    }
}

fn sign(pair: &RsaKeyPair, input: &str) -> String {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
    URL_SAFE_NO_PAD.encode(signature)
}

/// The key as the library's own, which signs whatever bytes it is given.
fn pair(key: &SigningKey) -> RsaKeyPair {
    let pem = pem::parse(key.private_text().unwrap().expose_secret()).unwrap();
    RsaKeyPair::from_pkcs8(pem.contents()).unwrap()
}

/// The same bytes to a lenient decoder: the last of 342 characters has four bits that belong to no byte.
fn with_unused_bit(signature: &str) -> String {
    assert_ne!(signature.len() % 4, 0, "a signature of this length has no unused bits");
    let (rest, last) = signature.split_at(signature.len() - 1);
    let at = BASE64URL.find(last).unwrap();
    format!("{rest}{}", &BASE64URL[at ^ 1..][..1])
}
