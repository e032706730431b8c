//! The tokens that the tables name, for the key of one testbed and the present time.

use crate::support::{self, STRANGER};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use modgud::clock::Clock;
use modgud_core::jose::SigningKey;
use serde_json::{Map, Value, json};

/// The identity headers of the valid token, sorted.
pub(crate) const IDENTITY: [(&str, &str); 4] = [
    ("x-core-user-uuid", "fd76ce0c-d8be-4aa6-91ed-59e698f6af60"),
    ("x-organization-uuid", "70f0d039-e3d9-427e-b161-4e95dbd9e918"),
    ("x-scope", "read write"),
    ("x-username", "admin"),
];

/// Tokens by name.
pub(crate) struct Tokens(Vec<(&'static str, String)>);

impl Tokens {
    pub(crate) fn new(key: &SigningKey) -> Self {
        let now = now();
        let good = sign(key, &claims());
        let expired = with(with(claims(), "exp", json!(now - 60)), "iat", json!(now - 3_660));
        let (head, signature) = good.rsplit_once('.').unwrap();
        let payload = head.split_once('.').unwrap().1;
        let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
        let secret = EncodingKey::from_secret(key.public_pem().unwrap().as_bytes()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "it signs what our keys refuse to")]
        let confused = jsonwebtoken::encode(&Header::default(), &object(&claims()), &secret).unwrap();
        Self(vec![
            ("expired", sign(key, &expired)),
            ("future", sign(key, &with(claims(), "nbf", json!(now + 3_600)))),
            ("stranger", sign(&STRANGER, &claims())),
            ("stranger_expired", sign(&STRANGER, &expired)),
            ("sample", include_str!("../data/envoy/bifrost_sample_token.jwt").trim().to_owned()),
            ("other_issuer", sign(key, &with(claims(), "iss", json!("somebody-else")))),
            ("alg_none", format!("{none}.{payload}.")),
            ("alg_none_signed", format!("{none}.{payload}.{signature}")),
            ("hs256_with_public_pem", confused),
            ("no_user", sign(key, &without(claims(), "core_user_uuid"))),
            ("audience", sign(key, &with(claims(), "aud", json!("somebody-else")))),
            ("good", good),
        ])
    }

    /// Puts tokens in the places of their names: `JWT {good}`.
    pub(crate) fn fill(&self, lines: &[String]) -> Vec<String> {
        let fill = |line: &String| {
            let filled =
                self.0.iter().fold(line.clone(), |line, (name, token)| line.replace(&format!("{{{name}}}"), token));
            assert!(!filled.contains('{'), "`{line}` names a token that there is not");
            filled
        };
        lines.iter().map(fill).collect()
    }
}

/// The header line that carries a token.
pub(crate) fn jwt(token: &str) -> String {
    format!("Authorization: JWT {token}")
}

/// The claims of a token that is good now.
pub(crate) fn claims() -> Vec<(String, Value)> {
    with(with(support::claims(), "exp", json!(now() + 36_000)), "iat", json!(now()))
}

pub(crate) fn sign(key: &SigningKey, claims: &[(String, Value)]) -> String {
    key.sign(claims).unwrap()
}

/// With another value for one claim, which is added if it is not there.
pub(crate) fn with(claims: Vec<(String, Value)>, name: &str, value: Value) -> Vec<(String, Value)> {
    let mut claims = claims;
    match claims.iter_mut().find(|(known, _)| known == name) {
        Some(claim) => claim.1 = value,
        None => claims.push((name.to_owned(), value)),
    }
    claims
}

pub(crate) fn without(claims: Vec<(String, Value)>, name: &str) -> Vec<(String, Value)> {
    claims.into_iter().filter(|(known, _)| known != name).collect()
}

pub(crate) fn object(claims: &[(String, Value)]) -> Value {
    Value::Object(claims.iter().cloned().collect::<Map<_, _>>())
}

fn now() -> u64 {
    Clock::System.now().as_secs()
}
