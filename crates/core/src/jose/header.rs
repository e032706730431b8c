//! The JOSE header (RFC 7515 §4): members that are read, rejected or ignored.
//!
//! `jwk`, `jku`, `x5u`, `x5c` and `x5t` are never read. With them the sender would name the key that authenticates it. modgud fetches
//! nothing for them and trusts nothing because of them (RFC 8725 §3.10). Other members are ignored, as RFC 7515 §4 requires.

use jsonwebtoken::Header;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::error::{Part, TokenError};
use crate::jose::identity::KeyId;
use crate::jose::json::JsonError;

/// The content of the header, unverified until the signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoseHeader {
    algorithm: Algorithm,
    key_id: Option<KeyId>,
    token_type: Option<String>,
}

impl JoseHeader {
    /// Parses the header from its JSON object.
    ///
    /// # Errors
    /// `TokenError` for a rejected member, whatever its value, and for one of the wrong type.
    pub(super) fn from_object(mut object: Map<String, Value>) -> Result<Self, TokenError> {
        for (name, error) in REJECTED {
            if object.contains_key(name) {
                return Err(error);
            }
        }
        let algorithm = text(&mut object, "alg", TokenError::AlgorithmNotText)?.ok_or(TokenError::AlgorithmMissing)?;
        let algorithm = Algorithm::parse(&algorithm).ok_or(TokenError::AlgorithmUnknown)?;
        let key_id = text(&mut object, "kid", TokenError::KeyIdNotText)?;
        let key_id = key_id.map(|id| KeyId::new(&id).ok_or(TokenError::KeyIdTooLong)).transpose()?;
        let token_type = text(&mut object, "typ", TokenError::TypeNotText)?;
        Ok(Self { algorithm, key_id, token_type })
    }

    /// Returns `alg` (RFC 7515 §4.1.1).
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns `kid` (RFC 7515 §4.1.4); `None` if it is absent.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.key_id.as_ref()
    }

    /// Returns `typ` as it is spelled (RFC 7515 §4.1.9): a media type, usually without its `application/`, in any case. `None` if it is
    /// absent.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }
}

/// Applies the same strict parsing as for a token: it rejects `crit`, `b64`, `zip`, `enc` and a long `kid`.
impl TryFrom<&Header> for JoseHeader {
    type Error = TokenError;

    fn try_from(header: &Header) -> Result<Self, TokenError> {
        let Ok(Value::Object(object)) = serde_json::to_value(header) else {
            return Err(TokenError::Json(Part::Header, JsonError::NotAnObject));
        };
        Self::from_object(object)
    }
}

/// Fails with [`TokenError::AlgorithmUnknown`] for an algorithm that a later version of `jsonwebtoken` adds.
impl TryFrom<jsonwebtoken::Algorithm> for Algorithm {
    type Error = TokenError;

    fn try_from(algorithm: jsonwebtoken::Algorithm) -> Result<Self, TokenError> {
        let same = |candidate: &Self| jsonwebtoken::Algorithm::try_from(*candidate).is_ok_and(|one| one == algorithm);
        Self::ALL.iter().copied().find(same).ok_or(TokenError::AlgorithmUnknown)
    }
}

/// Members that change the token's meaning in an unsupported way. Presence is enough, whatever the value.
const REJECTED: [(&str, TokenError); 4] = [
    ("crit", TokenError::CriticalExtension),
    ("b64", TokenError::UnencodedPayload),
    ("zip", TokenError::CompressedPayload),
    ("enc", TokenError::EncryptedPayload),
];

fn text(object: &mut Map<String, Value>, name: &str, otherwise: TokenError) -> Result<Option<String>, TokenError> {
    match object.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(otherwise),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Header, JoseHeader, KeyId};
    use crate::jose::algorithm::Algorithm;
    use crate::jose::error::TokenError;
    use crate::jose::identity::MAX_KEY_ID_BYTES;

    fn read(header: Value) -> Result<JoseHeader, TokenError> {
        let Value::Object(object) = header else { panic!("a header is an object") };
        JoseHeader::from_object(object)
    }

    #[test]
    fn a_header_is_read() {
        let header = read(json!({"alg": "RS256"})).unwrap();
        assert_eq!((header.algorithm(), header.key_id(), header.token_type()), (Algorithm::Rs256, None, None));

        let header = read(json!({"typ": "at+jwt", "alg": "RS256", "kid": "../../etc/passwd' OR 1=1 --"})).unwrap();
        assert_eq!(header.key_id().map(KeyId::as_str), Some("../../etc/passwd' OR 1=1 --"));
        assert_eq!(header.token_type(), Some("at+jwt"));
    }

    #[test]
    fn members_that_bring_a_key_along_are_not_read() {
        let plain = read(json!({"alg": "RS256"})).unwrap();
        for name in ["jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "cty", "x"] {
            for value in [json!("https://evil.example/keys"), json!({"kty": "RSA"}), json!(["MIIB"]), json!(null)] {
                assert_eq!(read(json!({"alg": "RS256", name: value})).as_ref(), Ok(&plain), "{name}");
            }
        }
    }

    #[test]
    fn members_that_change_the_meaning_are_refused_in_any_form() {
        for (name, error) in super::REJECTED {
            let values = [
                json!([]),
                json!(["exp"]),
                json!(["b64"]),
                json!("exp"),
                json!({}),
                json!(null),
                json!(true),
                json!(false),
                json!(0),
            ];
            for value in values {
                assert_eq!(read(json!({"alg": "RS256", name: value})), Err(error), "{name}");
            }
        }
    }

    #[test]
    fn alg_is_one_exact_name() {
        assert_eq!(read(json!({})), Err(TokenError::AlgorithmMissing));
        assert_eq!(read(json!({"Alg": "RS256"})), Err(TokenError::AlgorithmMissing));
        for value in [json!({"name": "RS256"}), json!(["RS256"]), json!(null), json!(256), json!(true)] {
            assert_eq!(read(json!({"alg": value})), Err(TokenError::AlgorithmNotText));
        }
        for name in ["none", "None", "NONE", "nOnE", "", "ES521", "ES256K", "EDDSA", "rs256", "RS256 ", "RS256\u{0}"] {
            assert_eq!(read(json!({"alg": name})), Err(TokenError::AlgorithmUnknown), "{name}");
        }
    }

    #[test]
    fn a_header_of_jsonwebtoken_is_read_as_strictly() {
        type Change = fn(&mut Header);
        for header in [json!({"typ": "at+jwt", "alg": "ES384", "kid": "a\"b"}), json!({"alg": "HS256"})] {
            let theirs: Header = serde_json::from_value(header.clone()).unwrap();
            assert_eq!(JoseHeader::try_from(&theirs), read(header));
        }

        let with = |change: Change| {
            let mut header = Header::default();
            change(&mut header);
            JoseHeader::try_from(&header)
        };
        assert!(with(|header| header.jku = Some("https://evil.example".to_owned())).is_ok());
        let rejected: [(Change, TokenError); 5] = [
            (|header| header.crit = Some(Vec::new()), TokenError::CriticalExtension),
            (|header| header.extras.insert("b64", true), TokenError::UnencodedPayload),
            (|header| header.extras.insert("zip", "DEF"), TokenError::CompressedPayload),
            (|header| header.extras.insert("enc", "A256GCM"), TokenError::EncryptedPayload),
            (|header| header.kid = Some("k".repeat(MAX_KEY_ID_BYTES + 1)), TokenError::KeyIdTooLong),
        ];
        for (change, error) in rejected {
            assert_eq!(with(change), Err(error));
        }
    }

    #[test]
    fn jsonwebtoken_has_no_other_algorithm() {
        let theirs = |algorithm: &Algorithm| jsonwebtoken::Algorithm::try_from(*algorithm).ok();
        for (ours, theirs) in Algorithm::ALL.iter().filter_map(|ours| Some((*ours, theirs(ours)?))) {
            assert_eq!(Algorithm::try_from(theirs), Ok(ours));
        }
    }

    #[test]
    fn kid_and_typ_are_strings() {
        for value in [json!(null), json!(1), json!(["a"]), json!({"a": "b"}), json!(false)] {
            assert_eq!(read(json!({"alg": "RS256", "kid": value})), Err(TokenError::KeyIdNotText));
            assert_eq!(read(json!({"alg": "RS256", "typ": value})), Err(TokenError::TypeNotText));
        }
        let of_size = |size| read(json!({"alg": "RS256", "kid": "k".repeat(size)}));
        assert!(of_size(MAX_KEY_ID_BYTES).is_ok());
        assert_eq!(of_size(MAX_KEY_ID_BYTES + 1), Err(TokenError::KeyIdTooLong));
        assert_eq!(of_size(8 * 1024), Err(TokenError::KeyIdTooLong));
    }
}
