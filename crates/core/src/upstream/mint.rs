//! Tokens of our own for modules: one issuer and one form, whatever the client has shown (RFC 7519, RFC 8693). Owns what stands in
//! them and for how long they are used again; how they are signed is `jose`'s, how their keys are read `config`'s.

mod cache;

use super::header_encoding::EncodeError;
use super::value::{FieldValue, ValueSource};
use crate::credential::Scheme;
use crate::http::header::HeaderText;
use crate::jose::{SigningError, SigningKey, VerificationKey, holds_beyond_64_bits};
use crate::principal::{JsonType, Principal};
use crate::time::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cache::{CacheKey, MintedTokens};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The claims that every minted token has, or can have, of ours: nothing else can be written under their names. `cnf` is among them
/// because a minted token is bound to nobody.
pub const RESERVED_CLAIMS: [&str; 9] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act", "cnf"];

/// The bytes of a `jti`: enough that no two tokens ever share one.
const TOKEN_ID_BYTES: usize = 16;

/// CacheKey is minted.
#[derive(Debug)]
pub struct Mint {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// CacheKey signs, with its name if it has a public half.
    pub key: SigningKey,
    /// CacheKey verifies what it signs.
    pub verification: VerificationKey,
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`.
    pub audience: Box<str>,
    /// From `iat` to `exp`, at the most.
    pub lifetime: Duration,
    /// The scheme before the token in `Authorization`.
    pub scheme: Scheme,
    /// Claims beside ours, each with where its value comes from.
    pub claims: Vec<(Box<str>, ValueSource)>,
}

/// Why a token could not be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The signature.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// CacheKey the client's own token claims.
    #[error(transparent)]
    Claim(#[from] MintedClaimError),
}

/// A claim that can't be taken over into a minted token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` of the token for the module can't be written: {problem}")]
pub struct MintedClaimError {
    claim: Box<str>,
    problem: Box<str>,
}

impl MintedClaimError {
    fn number(claim: &str) -> Self {
        Self { claim: claim.into(), problem: format!("it {}", EncodeError::Number).into() }
    }

    fn kind(claim: &str, found: &Value, expected: &str) -> Self {
        let problem = format!("the caller's `{claim}` is {} and has to be {expected}", JsonType::of(found));
        Self { claim: claim.into(), problem: problem.into() }
    }
}

/// A mint that remembers what it has minted.
#[derive(Debug)]
pub struct Minter {
    mint: Mint,
    minted: MintedTokens,
}

impl Minter {
    /// A minter that has minted nothing yet: what was minted with another key or another configuration is never used again.
    #[must_use]
    pub fn new(mint: Mint) -> Self {
        Self { mint, minted: MintedTokens::default() }
    }

    /// CacheKey is minted.
    #[must_use]
    pub const fn mint(&self) -> &Mint {
        &self.mint
    }

    /// `SCHEME token` for a caller who is known. The same token again, while at least half of the time is left that a new one would
    /// have.
    ///
    /// # Errors
    /// [`MintedClaimError`] for a claim that can't be taken over as it is; [`SigningError::Library`] when the library gives no signature.
    pub(super) fn authorization(&self, principal: &Principal, now: Timestamp) -> Result<HeaderText, MintError> {
        let claims = self.mint.claims_of(principal)?;
        let text = Value::Object(claims.clone()).to_string();
        let until = now.plus(self.mint.lifetime).min(principal.valid_until());
        let what = CacheKey::new(principal.valid_until(), &text);
        if let Some(known) = self.minted.get(&what, now, until) {
            return Ok(known);
        }
        let authorization = self.mint.sign(claims, &text, now, until)?;
        self.minted.put(what, authorization.clone(), now, until);
        Ok(authorization)
    }
}

impl Mint {
    /// All but what makes one token differ from the next.
    fn claims_of(&self, principal: &Principal) -> Result<Map<String, Value>, MintedClaimError> {
        let mut claims = Map::new();
        for (name, source) in &self.claims {
            if let Some(found) = source.find(Some(principal)) {
                if matches!(found, FieldValue::Json(value) if holds_beyond_64_bits(value)) {
                    return Err(MintedClaimError::number(name));
                }
                claims.insert((**name).into(), found.to_json());
            }
        }
        claims.insert("iss".to_owned(), (*self.issuer).into());
        claims.insert("aud".to_owned(), (*self.audience).into());
        if let Some(subject) = &principal.identity().subject {
            claims.insert("sub".to_owned(), (**subject).into());
        }
        if let Some(actor) = actor(principal)? {
            claims.insert("act".to_owned(), actor);
        }
        Ok(claims)
    }

    fn sign(
        &self,
        mut claims: Map<String, Value>,
        text: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<HeaderText, SigningError> {
        let (issued, expires) = (now.as_secs(), until.as_secs());
        claims.insert("iat".to_owned(), issued.into());
        claims.insert("exp".to_owned(), expires.into());
        claims.insert("jti".to_owned(), token_id(text, issued, expires).into());
        let token = self.key.sign_claims(&Value::Object(claims).to_string())?;
        Ok(HeaderText::from_checked(format!("{} {token}", self.scheme.as_str()).into_bytes()))
    }
}

/// Who acts for the subject (RFC 8693 §4.1): whoever the client's own token says acts; else the client that the token was issued to,
/// if it names one that is not the subject itself.
///
/// A claim of another type would say nothing, and the module would take the subject for whoever acts: it is a fault.
fn actor(principal: &Principal) -> Result<Option<Value>, MintedClaimError> {
    let claims = principal.claims();
    let present = |name| claims.get(name).and_then(|value| principal.present(value));
    match present("act") {
        None => {}
        Some(actor @ Value::Object(_)) if holds_beyond_64_bits(actor) => return Err(MintedClaimError::number("act")),
        Some(actor @ Value::Object(_)) => return Ok(Some(actor.clone())),
        Some(other) => return Err(MintedClaimError::kind("act", other, "an object")),
    }
    let mut client = None;
    for name in ["azp", "client_id"] {
        match present(name) {
            None => {}
            Some(Value::String(text)) => client = client.or(Some(text.as_str())),
            Some(other) => return Err(MintedClaimError::kind(name, other, "a text")),
        }
    }
    let subject = principal.identity().subject.as_deref();
    let client = client.filter(|client| !client.is_empty() && subject != Some(client));
    Ok(client.map(|client| json!({ "sub": client })))
}

/// The token's name follows from what it says: two tokens have one name exactly when they say the same, and no randomness is needed.
fn token_id(text: &str, issued: u64, expires: u64) -> String {
    let hash = digest(&SHA256, format!("{issued} {expires} {text}").as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..TOKEN_ID_BYTES).unwrap_or_default())
}

impl FieldValue<'_> {
    /// The value as a claim; none of a header's bounds is one of a claim's.
    fn to_json(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Texts(texts) => texts.iter().map(|text| Value::from(&**text)).collect(),
            Self::Json(value) => value.clone(),
        }
    }
}
