//! The correlation itself: its fields, the signed text, the signature, and the JSON that carries it. Writers and workers use it.
//!
//! The fields of the signed text are joined by `|` without escaping, so none may contain one.

use crate::jose::{Claims, JsonError, JsonRef, KeyError, holds_pem};
use crate::time::Timestamp;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, json};
use std::fmt::{self, Write};

/// The names of the members, in the order in which they are written.
const USERNAME: &str = "username";
const EMAIL: &str = "email";
const IMPERSONATED: &str = "impersonateProcessValue";
const ISSUED_AT: &str = "issuedAt";
const INSTANCE: &str = "processInstanceId";
const SIGNATURE: &str = "signature";

/// A field of a correlation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorrelationField(Box<str>);

/// The reason why a value is not a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The value is not text.
    #[error("is not a text")]
    NotText,
    /// The text has a `|`, so it would be read as two fields.
    #[error("has a `|`, which separates the signed fields")]
    Bar,
    /// The text has a control character.
    #[error("has a control character")]
    Control,
    /// The text is longer than [`CorrelationField::MAX_BYTES`].
    #[error("is longer than {} bytes", CorrelationField::MAX_BYTES)]
    TooLong,
    /// The value is a number that readers write in more than one way.
    #[error("is a number that can't be written exactly")]
    Number,
    /// The text is empty where a value is required.
    #[error("is empty")]
    Empty,
    /// The value is a time after the year 9999.
    #[error("is after the year 9999")]
    Date,
}

impl CorrelationField {
    /// The longest field, in bytes; a longer one is an error.
    pub const MAX_BYTES: usize = 256;

    /// Checks a text, which may be empty.
    ///
    /// # Errors
    /// [`FieldError`] if the text would make the signed text ambiguous.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if text.len() > Self::MAX_BYTES {
            return Err(FieldError::TooLong);
        }
        match text.chars().find(|c| *c == '|' || c.is_control()) {
            Some('|') => Err(FieldError::Bar),
            Some(_) => Err(FieldError::Control),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

/// The signing secret of correlations, which modgud and the workers share.
pub struct SigningSecret(hmac::Key);

impl SigningSecret {
    /// The length of the signature's hash in bytes. A shorter secret is easier to guess than the hash (RFC 2104 §3).
    pub const RECOMMENDED_BYTES: usize = 32;

    /// Builds the secret from the bytes of a text that an operator wrote.
    ///
    /// # Errors
    /// [`KeyError::SecretIsPem`]: every holder of a public key could sign.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if holds_pem(text.as_bytes()) { Err(KeyError::SecretIsPem) } else { Ok(Self::new(text)) }
    }

    /// Builds the secret from the bytes of the text, whatever they are.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, text.as_bytes()))
    }
}

/// Hides the secret.
impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The user, the impersonated person, the time and the process instance of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityCorrelation {
    /// The user's name; empty if it is unknown.
    pub username: CorrelationField,
    /// The user's email address; `None` if it is unknown.
    pub email: Option<CorrelationField>,
    /// The impersonated person; `None` if the user acts for itself.
    pub impersonated: Option<CorrelationField>,
    /// The time of issue, to the millisecond.
    pub issued_at: Timestamp,
    /// The process instance; `None` until there is one.
    pub instance: Option<CorrelationField>,
    /// The signature, in standard base64 with padding; `None` if it is unsigned.
    pub signature: Option<Box<str>>,
}

/// The reason why a text is not a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The text is not an unambiguous JSON object.
    #[error("the correlation {0}")]
    Json(#[from] JsonError),
    /// A member is missing.
    #[error("the correlation has no `{0}`")]
    Missing(&'static str),
    /// A member is not a valid field.
    #[error("the correlation's `{member}` {error}")]
    Part {
        /// The member.
        member: &'static str,
        /// The error of its value.
        error: FieldError,
    },
    /// `issuedAt` is not a time.
    #[error("the correlation's `{ISSUED_AT}` is not a whole number of milliseconds since 1970")]
    IssuedAt,
}

/// The reason why a correlation is not trustworthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no signature.
    #[error("the correlation is not signed")]
    Unsigned,
    /// The correlation has no process instance, without which nothing is signed.
    #[error("the correlation has no process instance, so it can't be signed")]
    NoInstance,
    /// The signature is not of this text with this secret.
    #[error("the correlation's signature does not match its content and this secret")]
    Signature,
}

/// The reason why a correlation can't be signed for a process instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It has a signature. Signing it again could move it to another process instance.
    #[error("the correlation is signed already; use the one that modgud sent when the process started")]
    Signed,
    /// It names another process instance.
    #[error("the correlation names another process instance")]
    OtherInstance,
    /// The id is not a valid field.
    #[error("the process instance's id {0}")]
    Instance(FieldError),
}

impl IdentityCorrelation {
    /// The latest time of issue: the end of the year 9999.
    pub const LAST_ISSUED_AT: Timestamp = Timestamp::from_millis(253_402_300_799_999);

    /// Returns true if it has a signature, valid or not.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Signs it if it has a process instance: without one there is no text to sign.
    pub fn sign(&mut self, secret: &SigningSecret) {
        self.signature = self.message().map(|message| {
            let tag = hmac::sign(&secret.0, message.as_bytes());
            STANDARD.encode(tag.as_ref()).into()
        });
    }

    /// Signs an unsigned correlation for a process instance, once that has an id. The calling code must have got the correlation from
    /// modgud: without a signature, it proves nothing.
    ///
    /// # Errors
    /// [`SignError`] if it is signed already, names another process instance, or the id is not a valid field.
    pub fn sign_for(self, process_instance: &str, secret: &SigningSecret) -> Result<Self, SignError> {
        if self.is_signed() {
            return Err(SignError::Signed);
        }
        if process_instance.is_empty() {
            return Err(SignError::Instance(FieldError::Empty));
        }
        let instance = CorrelationField::parse(process_instance).map_err(SignError::Instance)?;
        if self.instance.as_ref().is_some_and(|named| *named != instance) {
            return Err(SignError::OtherInstance);
        }
        let mut signed = Self { instance: Some(instance), ..self };
        signed.sign(secret);
        Ok(signed)
    }

    /// Verifies the signature of the content, in constant time.
    ///
    /// # Errors
    /// [`VerifyError`] if it does not prove that an owner of this secret has signed exactly this content.
    pub fn verify(&self, secret: &SigningSecret) -> Result<(), VerifyError> {
        let signature = self.signature.as_ref().ok_or(VerifyError::Unsigned)?;
        let message = self.message().ok_or(VerifyError::NoInstance)?;
        let tag = STANDARD.decode(signature.as_bytes()).map_err(|_| VerifyError::Signature)?;
        hmac::verify(&secret.0, message.as_bytes(), &tag).map_err(|_| VerifyError::Signature)
    }

    /// Returns the text to sign; `None` without a process instance.
    fn message(&self) -> Option<String> {
        let Self { username, email, impersonated, issued_at, instance, signature: _ } = self;
        let text =
            |part: &Option<CorrelationField>| part.as_ref().map_or_else(String::new, |part| part.as_str().to_owned());
        let instance = instance.as_ref()?.as_str();
        let (email, impersonated) = (text(email), text(impersonated));
        Some(format!("{}|{email}|{impersonated}|{}|{instance}", username.as_str(), issued_at.as_millis()))
    }

    /// Returns the correlation as JSON on one line, in visible ASCII; absent members are omitted.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Self { username, email, impersonated, issued_at, instance, signature } = self;
        let part = |part: &Option<CorrelationField>| part.as_ref().map(|part| json!(part.as_str()));
        let members = [
            (USERNAME, Some(json!(username.as_str()))),
            (EMAIL, part(email)),
            (IMPERSONATED, part(impersonated)),
            (ISSUED_AT, Some(json!(issued_at.as_millis()))),
            (INSTANCE, part(instance)),
            (SIGNATURE, signature.as_ref().map(|signature| json!(signature))),
        ];
        let mut text = String::from("{");
        for (name, value) in members.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            let comma = if text.len() > 1 { "," } else { "" };
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}\"{name}\":{value}");
        }
        text.push('}');
        ascii(&text)
    }

    /// Parses a correlation as strictly as a token: an ambiguous text is an error.
    ///
    /// # Errors
    /// [`ReadError`] that names what is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, ReadError> {
        let members = Claims::parse(text)?;
        let member = |name: &'static str| match members.get(name) {
            None | Some(JsonRef::Null) => Ok(None),
            Some(JsonRef::String(text)) => Ok(Some(text)),
            Some(JsonRef::Bool(_) | JsonRef::Number(_) | JsonRef::Array(_) | JsonRef::Object(_)) => {
                Err(ReadError::Part { member: name, error: FieldError::NotText })
            }
        };
        let part = |name: &'static str| {
            let text = member(name)?.filter(|text| !text.is_empty());
            text.map(|text| CorrelationField::parse(text).map_err(|error| ReadError::Part { member: name, error }))
                .transpose()
        };
        let issued_at = match members.get(ISSUED_AT) {
            None => return Err(ReadError::Missing(ISSUED_AT)),
            Some(value) => value.as_number().and_then(Number::as_u64).ok_or(ReadError::IssuedAt)?,
        };
        if members.get(USERNAME).is_none() {
            return Err(ReadError::Missing(USERNAME));
        }
        Ok(Self {
            username: part(USERNAME)?.unwrap_or_default(),
            email: part(EMAIL)?,
            impersonated: part(IMPERSONATED)?,
            issued_at: Timestamp::from_millis(issued_at),
            instance: part(INSTANCE)?,
            signature: member(SIGNATURE)?.map(Box::from),
        })
    }
}

/// Escapes all characters that are not visible ASCII in JSON; they occur in texts only (RFC 8259 §7).
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{CorrelationField, FieldError};

    #[test]
    fn nothing_is_two_parts() {
        for (text, expected) in [
            ("", Ok("")),
            ("Jörg Müller", Ok("Jörg Müller")),
            ("a|b", Err(FieldError::Bar)),
            ("|", Err(FieldError::Bar)),
            ("a\nb", Err(FieldError::Control)),
            ("a\u{85}b", Err(FieldError::Control)),
        ] {
            assert_eq!(
                CorrelationField::parse(text).as_ref().map(CorrelationField::as_str),
                expected.as_ref().map(|text| &**text),
                "{text:?}"
            );
        }
        assert!(CorrelationField::parse(&"a".repeat(256)).is_ok());
        assert_eq!(CorrelationField::parse(&"a".repeat(257)), Err(FieldError::TooLong));
    }
}
