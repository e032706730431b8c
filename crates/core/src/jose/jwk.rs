//! Keys as JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2): one object to one key. `key` checks the strength of keys.
//!
//! `x5u`, `x5c` and `x5t` are never read: modgud fetches nothing for a key, and no certificate makes it trusted. Other members are ignored,
//! as RFC 7517 §4 requires.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Map, Value};

use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::error::KeyError;
use crate::jose::identity::{KeyId, MAX_KEY_ID_BYTES};
use crate::jose::json::{JsonError, read_object};
use crate::jose::key::{Curve, PublicKey, VerificationKey};

/// The reason why a JWK is unusable for verification. No text contains more of it than a short word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// The text of a single JWK is not strict JSON.
    #[error("the text {0}")]
    Json(JsonError),
    /// The text of a single JWK is a set of them.
    #[error("the text is a JWKS; use `jwks` instead of `jwk`")]
    IsSet,
    /// The value in a map of certificates is not one certificate.
    #[error("the value is not the PEM of one certificate")]
    NotACertificate,
    /// The JWK is not an object.
    #[error("the key is not a JSON object")]
    NotAnObject,
    /// The JWK contains a private key, which must not be here (RFC 7518 §6.2.2, §6.3.2; RFC 8037 §2).
    #[error(
        "the key has the PRIVATE member `{0}`, so every reader can sign tokens; replace the key, and publish its public half only"
    )]
    Private(&'static str),
    /// `kty` is `oct`: a shared secret (RFC 7518 §6.4).
    #[error(
        "the key is a shared secret (`kty` is `oct`), which must not be published; replace it, and use a public key"
    )]
    Symmetric,
    /// A required member is missing.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// A member has another JSON type.
    #[error("the key's `{0}` is not a string")]
    NotText(&'static str),
    /// A member has padding, a foreign character, an impossible length, or unused bits that are not zero.
    #[error("the key's `{0}` is not canonical base64url without padding")]
    Encoding(&'static str),
    /// A number is zero (RFC 7518 §2, `Base64urlUInt`).
    #[error("the key's `{0}` is zero")]
    Zero(&'static str),
    /// A coordinate has another length than the curve's (RFC 7518 §6.2.1.2).
    #[error("the key's `{member}` has {bytes} bytes, and its curve requires {needed}")]
    CoordinateLength {
        /// `x` or `y`.
        member: &'static str,
        /// The number of bytes.
        bytes: usize,
        /// The required number of bytes.
        needed: usize,
    },
    /// An unsupported `kty`.
    #[error("the key's `kty` is {0}; use `RSA`, `EC` or `OKP`")]
    UnknownType(SafeToken),
    /// An unsupported `crv`.
    #[error("the key's `crv` is {0}; use `P-256`, `P-384` or `P-521` (`EC`) or `Ed25519` (`OKP`)")]
    UnknownCurve(SafeToken),
    /// `use` is neither `sig` (RFC 7517 §4.2) nor `jwt-svid`.
    #[error("the key's `use` is {0}; use `sig`")]
    OtherUse(SafeToken),
    /// `key_ops` has another JSON type (RFC 7517 §4.3).
    #[error("the key's `key_ops` is not an array of strings")]
    OperationsMistyped,
    /// `key_ops` lacks `verify`.
    #[error("the key's `key_ops` does not list `verify`")]
    OtherOperations,
    /// `alg` is not a supported signature algorithm (RFC 7517 §4.4).
    #[error("the key's `alg` is {0}, which is not a supported signature algorithm")]
    UnknownAlgorithm(SafeToken),
    /// `alg` needs a key of another kind.
    #[error("the key's `alg` is {}, which a key of type {} does not support", algorithm.name(), key_type.name())]
    AlgorithmMisfit {
        /// The value of `alg`.
        algorithm: Algorithm,
        /// The kind of the key.
        key_type: KeyType,
    },
    /// `kid` is longer than that of any token.
    #[error("the key's `kid` is longer than {MAX_KEY_ID_BYTES} bytes")]
    KeyIdTooLong,
    /// The key itself is malformed or too weak.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A word from the input, if it looks like one: at most 16 letters, digits and `-`, `_`, `+` or `.`. A longer text could be content in the
/// wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeToken(Option<Box<str>>);

impl SafeToken {
    fn new(text: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
        Self(((1..=16).contains(&text.len()) && text.bytes().all(plain)).then(|| text.into()))
    }

    /// Returns true if it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.0.as_deref() == Some(word)
    }
}

impl fmt::Display for SafeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(word) => write!(f, "`{word}`"),
            None => f.write_str("unknown"),
        }
    }
}

/// Members of private and secret keys, unless they are `null` or empty, as some libraries write them (RFC 7518 §6.2.2, §6.3.2, §6.4.1; `priv` is that of newer key types).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

impl VerificationKey {
    /// Parses a public key from a JWK. A private one is rejected, whatever its other members.
    ///
    /// # Errors
    /// The first [`JwkError`] found.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let kind = text(jwk, "kty");
        // Before all else, so that a leaked secret is reported as such.
        if kind == Ok(Some("oct")) {
            return Err(JwkError::Symmetric);
        }
        if let Some(member) = PRIVATE.into_iter().find(|name| member(jwk, name).is_some()) {
            return Err(JwkError::Private(member));
        }
        let common = Common::read(jwk)?;
        let key = match kind?.ok_or(JwkError::Missing("kty"))? {
            "RSA" => PublicKey::rsa_of(&number(jwk, "n")?, &number(jwk, "e")?)?,
            "EC" => {
                let name = needed(jwk, "crv")?;
                let curve = Curve::parse(name).ok_or_else(|| JwkError::UnknownCurve(SafeToken::new(name)))?;
                PublicKey::ec_of(curve, &coordinate(jwk, "x", curve)?, &coordinate(jwk, "y", curve)?)?
            }
            "OKP" => match needed(jwk, "crv")? {
                "Ed25519" => PublicKey::ed25519(&bytes(jwk, "x")?)?,
                other => return Err(JwkError::UnknownCurve(SafeToken::new(other))),
            },
            other => return Err(JwkError::UnknownType(SafeToken::new(other))),
        };
        common.put_on(Self::from_public(&key)?)
    }

    /// Parses the text of one JWK that the operator keeps: a public key, or a secret that issuer and modgud share (`kty` is `oct`, RFC 7518
    /// §6.4). A published one must go to [`from_jwk`](Self::from_jwk), because a published secret is none.
    ///
    /// # Errors
    /// The first [`JwkError`] found.
    pub fn from_own_jwk(text: &str) -> Result<Self, JwkError> {
        let jwk = read_object(text.trim().as_bytes()).map_err(JwkError::Json)?;
        if jwk.contains_key("keys") {
            return Err(JwkError::IsSet);
        }
        if self::text(&jwk, "kty") != Ok(Some("oct")) {
            return Self::from_jwk(&jwk);
        }
        let common = Common::read(&jwk)?;
        common.put_on(Self::from_secret(&bytes(&jwk, "k")?)?)
    }
}

/// The members that keys of every type have.
struct Common {
    algorithm: Option<Algorithm>,
    id: Option<KeyId>,
}

impl Common {
    fn read(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        check_use(jwk)?;
        let algorithm = text(jwk, "alg")?
            .map(|name| Algorithm::parse(name).ok_or_else(|| JwkError::UnknownAlgorithm(SafeToken::new(name))))
            .transpose()?;
        // An empty `kid` is a name: a token can have it, too.
        let id = jwk.get("kid").filter(|id| !id.is_null());
        let id = id.map(|id| id.as_str().ok_or(JwkError::NotText("kid"))).transpose()?;
        let id = id.map(|id| KeyId::new(id).ok_or(JwkError::KeyIdTooLong)).transpose()?;
        Ok(Self { algorithm, id })
    }

    /// Returns the key with this name, for this algorithm only.
    fn put_on(self, key: VerificationKey) -> Result<VerificationKey, JwkError> {
        let Self { algorithm, id } = self;
        let key_type = key.key_type();
        let key = match algorithm {
            Some(algorithm) => key.restricted_to(&[algorithm]).map_err(|error| match error {
                KeyError::SecretTooShortFor { .. } => JwkError::Key(error),
                _ => JwkError::AlgorithmMisfit { algorithm, key_type },
            })?,
            None => key,
        };
        Ok(match id {
            Some(id) => key.with_id(id),
            None => key,
        })
    }
}

/// Applies the same strict parsing to the members that [`Jwk`] keeps. `Jwk` drops others when it is parsed, private ones among them: use
/// [`VerificationKey::from_jwk`] for JSON text.
impl TryFrom<&Jwk> for VerificationKey {
    type Error = JwkError;

    fn try_from(jwk: &Jwk) -> Result<Self, JwkError> {
        let Ok(Value::Object(jwk)) = serde_json::to_value(jwk) else { return Err(JwkError::NotAnObject) };
        Self::from_jwk(&jwk)
    }
}

/// The `use` of keys for signatures: that of RFC 7517 §4.2, and that of tokens in a bundle of SPIFFE (SPIFFE Trust Domain and Bundle §4.2.2).
const SIGNATURE_USES: [&str; 2] = ["sig", "jwt-svid"];

/// Checks that the key is published for signatures; a key without `use` and `key_ops` is for everything (RFC 7517 §4.2, §4.3).
fn check_use(jwk: &Map<String, Value>) -> Result<(), JwkError> {
    if let Some(other) = text(jwk, "use")?.filter(|purpose| !SIGNATURE_USES.contains(purpose)) {
        return Err(JwkError::OtherUse(SafeToken::new(other)));
    }
    let Some(operations) = member(jwk, "key_ops") else { return Ok(()) };
    let operations: Option<Vec<&str>> = operations.as_array().and_then(|all| all.iter().map(Value::as_str).collect());
    let operations = operations.ok_or(JwkError::OperationsMistyped)?;
    if operations.contains(&"verify") { Ok(()) } else { Err(JwkError::OtherOperations) }
}

/// Returns a member; `None` also for one that is `null` or empty, as some libraries write what a key does not have.
fn member<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    jwk.get(name).filter(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    })
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, JwkError> {
    member(jwk, name).map(|value| value.as_str().ok_or(JwkError::NotText(name))).transpose()
}

fn needed<'a>(jwk: &'a Map<String, Value>, member: &'static str) -> Result<&'a str, JwkError> {
    text(jwk, member)?.ok_or(JwkError::Missing(member))
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD.decode(needed(jwk, member)?).map_err(|_| JwkError::Encoding(member))
}

/// Decodes a number. Leading zero bytes, which some libraries write, are removed, so that one key has one thumbprint.
fn number(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let bytes = bytes(jwk, member)?;
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(leading..) {
        Some(number @ [_, ..]) => Ok(number.to_vec()),
        Some([]) | None => Err(JwkError::Zero(member)),
    }
}

fn coordinate(jwk: &Map<String, Value>, member: &'static str, curve: Curve) -> Result<Vec<u8>, JwkError> {
    let (coordinate, needed) = (bytes(jwk, member)?, curve.coordinate_len());
    if coordinate.len() == needed {
        Ok(coordinate)
    } else {
        Err(JwkError::CoordinateLength { member, bytes: coordinate.len(), needed })
    }
}

#[cfg(test)]
mod tests;
