//! Somebody who has a key, a token that is bound to it, and makes proofs.

use crate::support::{Encoding, check, claims};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::envoy::proto::CheckRequest;
use modgud_core::jose::{Algorithm, SigningKey};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// The address that checks are about, as `support::check` makes them.
pub(crate) const HOST: &str = "https://api.example.com";

pub(crate) struct Holder {
    key: SigningKey,
    pub(crate) token: String,
}

impl Holder {
    /// A holder of a new key on P-256, and of a token of `issuer` that is bound to it.
    pub(crate) fn new(issuer: &SigningKey) -> Self {
        Self::with(issuer, claims())
    }

    /// The same with other claims in the token.
    pub(crate) fn with(issuer: &SigningKey, mut claims: Vec<(String, Value)>) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let thumbprint = key.verification_key().unwrap().thumbprint().unwrap().to_string();
        claims.push(("cnf".to_owned(), json!({ "jkt": thumbprint })));
        let token = issuer.sign(&claims).unwrap();
        Self { key, token }
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        let pem = pem::parse(self.key.public_pem().unwrap()).unwrap();
        // The last 64 bytes of a P-256 key are its coordinates (RFC 5480 §2.2).
        let point = &pem.contents()[pem.contents().len() - 64..];
        let encode = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[..32]), "y": encode(&point[32..]) })
    }

    /// The SHA-256 of a token, as a proof names it.
    pub(crate) fn ath(token: &str) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
    }

    /// A good proof for a GET of this address, with what is laid over its header and its claims (`null` leaves a member out).
    pub(crate) fn proof(
        &self,
        htu: &str,
        iat: u64,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> String {
        /// A proof has a name of its own, so that two of one test never have the same.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("proof-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let good = json!({ "jti": name, "htm": "GET", "htu": htu, "iat": iat, "ath": Self::ath(&self.token) });
        let head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        self.key.sign_raw(&laid(head, header), &laid(good, claims)).unwrap()
    }

    /// A good proof.
    pub(crate) fn good(&self, path: &str, iat: u64) -> String {
        self.proof(&format!("{HOST}{path}"), iat, &Map::new(), &Map::new())
    }

    /// A GET with the token after this scheme, and this proof.
    pub(crate) fn check(&self, encoding: Encoding, scheme: &str, path: &str, proof: &str) -> CheckRequest {
        let authorization = format!("{scheme} {}", self.token);
        let headers = [
            ("authorization", authorization.as_bytes()),
            ("dpop", proof.as_bytes()),
            ("x-forwarded-proto", b"https".as_slice()),
        ];
        check(encoding, "GET", path, &headers)
    }
}

fn laid(good: Value, over: &Map<String, Value>) -> String {
    let Value::Object(mut members) = good else { panic!("an object") };
    for (name, value) in over {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(members).to_string()
}
