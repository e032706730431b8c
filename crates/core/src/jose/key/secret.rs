//! Texts that are no secrets: keys of another kind, which may be public (RFC 8725 §2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs1::RsaPublicKeyRef;
use serde_json::{Map, Value};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;
use x509_cert::Certificate;

use crate::jose::error::KeyError;

/// The start of every PEM block, and of no secret.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// Returns true if the text holds a PEM block: a key of another kind, which may be public, and no secret.
pub(crate) fn holds_pem(text: &[u8]) -> bool {
    text.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN)
}

/// Checks that these bytes are not a key of another kind: PEM, a public key or certificate in DER, the base64 of one, or a JWK.
pub(super) fn check_kind(secret: &[u8]) -> Result<(), KeyError> {
    if holds_pem(secret) {
        return Err(KeyError::SecretIsPem);
    }
    // What PEM armour leaves: the base64 of DER, possibly in several lines.
    let text: Vec<u8> = secret.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if is_public_der(secret) || STANDARD.decode(&text).is_ok_and(|der| is_public_der(&der)) {
        return Err(KeyError::SecretIsPublic);
    }
    let is_jwk = |object: &Map<String, Value>| object.contains_key("kty") || object.contains_key("keys");
    if serde_json::from_slice::<Map<String, Value>>(secret).is_ok_and(|object| is_jwk(&object)) {
        return Err(KeyError::SecretIsJwk);
    }
    Ok(())
}

fn is_public_der(bytes: &[u8]) -> bool {
    SubjectPublicKeyInfoRef::from_der(bytes).is_ok()
        || RsaPublicKeyRef::from_der(bytes).is_ok()
        || Certificate::from_der(bytes).is_ok()
}
