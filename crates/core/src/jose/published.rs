//! Public keys as modgud publishes them: a JWKS (RFC 7517 §5) that verifies minted tokens. It is built from public keys only: no function
//! here accepts a secret or a private member.

use jsonwebtoken::jwk::{CommonParameters, Jwk, PublicKeyUse};
use serde_json::{Value, json};

use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::error::KeyError;
use crate::jose::identity::KeyId;
use crate::jose::key::{PublicKey, VerificationKey};

/// One public key, named by its thumbprint (RFC 7638).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicJwk {
    id: KeyId,
    jwk: Jwk,
    /// The value of `alg`, of which `Jwk` lacks ES512.
    algorithm: Option<Algorithm>,
}

impl PublicJwk {
    /// Parses a public key from PEM, for signatures of `algorithm`. If the key does not fit it, the only algorithm of its own key type
    /// applies, if there is just one.
    ///
    /// # Errors
    /// A [`KeyError`] that names what was found and what is needed, also for a private key.
    pub fn from_pem(text: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let key = PublicKey::from_pem(text)?;
        // Parsing checks that the point is on its curve.
        VerificationKey::from_public(&key)?;
        let id = KeyId::from(key.thumbprint());
        let algorithm = served(key.key_type(), algorithm);
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_id: Some(id.as_str().to_owned()),
            ..CommonParameters::default()
        };
        Ok(Self { id, jwk: Jwk { common, algorithm: key.parameters().clone() }, algorithm })
    }

    /// Returns its name, as in the header of tokens.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the key as a JWK, without `alg`.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Returns the whole JWK as JSON.
    fn json(&self) -> Value {
        let mut jwk = json!(self.jwk);
        if let (Some(members), Some(algorithm)) = (jwk.as_object_mut(), self.algorithm) {
            members.insert("alg".to_owned(), algorithm.name().into());
        }
        jwk
    }

    /// Returns the JWKS of these keys, each once, as JSON text.
    #[must_use]
    pub fn set(keys: &[Self]) -> String {
        let first = |(at, key): &(usize, &Self)| keys.iter().position(|other| other.id == key.id) == Some(*at);
        let keys: Vec<Value> = keys.iter().enumerate().filter(first).map(|(_, key)| key.json()).collect();
        json!({ "keys": keys }).to_string()
    }
}

/// Returns the algorithm that a key of this type is published for; `None` if there is none.
fn served(key_type: KeyType, algorithm: Algorithm) -> Option<Algorithm> {
    if algorithm.key_type() == key_type {
        return Some(algorithm);
    }
    let mut all = key_type.algorithms();
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::PublicJwk;
    use crate::jose::testing::Signer;
    use crate::jose::{Algorithm, Jwks, KeyError, KeySet, UnverifiedToken};
    use serde_json::Value;

    #[test]
    fn what_is_published_verifies_what_is_signed_and_holds_nothing_else() {
        for (algorithm, members) in [
            (Algorithm::Rs256, ["alg", "e", "kid", "kty", "n", "use"].as_slice()),
            (Algorithm::Ps512, &["alg", "e", "kid", "kty", "n", "use"]),
            (Algorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::Es384, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::Es512, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"]),
        ] {
            let signer = Signer::new(algorithm);
            let published = PublicJwk::from_pem(&signer.public_pem(), algorithm).unwrap();
            let set = PublicJwk::set(&[published.clone(), published.clone()]);
            let (keys, skipped) = Jwks::parse(set.as_bytes()).unwrap().into_parts();
            assert_eq!((keys.len(), skipped.len()), (1, 0), "{set}");
            assert_eq!(keys[0].id(), Some(published.id()));
            let token = signer.key().sign(&[]).unwrap();
            let keys = KeySet::new(keys).unwrap();
            assert!(UnverifiedToken::parse(&token).unwrap().verify(&keys, &[algorithm]).is_ok(), "{set}");
            let json: Value = serde_json::from_str(&set).unwrap();
            assert_eq!(json["keys"][0]["alg"], algorithm.name(), "{set}");
            let mut found: Vec<&str> = json["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found, members, "{set}");
        }
    }

    #[test]
    fn a_key_of_another_family_is_for_its_own() {
        let alg = |family, algorithm| {
            let key = PublicJwk::from_pem(&Signer::new(family).public_pem(), algorithm).unwrap();
            key.json().get("alg").and_then(Value::as_str).map(str::to_owned)
        };
        assert_eq!(alg(Algorithm::Es256, Algorithm::EdDsa).as_deref(), Some("ES256"));
        assert_eq!(alg(Algorithm::Rs256, Algorithm::EdDsa), None);
        assert_eq!(alg(Algorithm::Rs256, Algorithm::Ps256).as_deref(), Some("PS256"));
    }

    #[test]
    fn neither_a_private_key_nor_a_secret_is_published() {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let private = Signer::new(algorithm).key().private_text().unwrap();
            assert_eq!(PublicJwk::from_pem(private.expose_secret(), algorithm), Err(KeyError::PrivateKey));
        }
        let secret = Signer::new(Algorithm::Hs256).key().private_text().unwrap();
        assert_eq!(PublicJwk::from_pem(secret.expose_secret(), Algorithm::Hs256), Err(KeyError::NoBlock));
    }
}
