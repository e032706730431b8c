//! Minted tokens for modules: one issuer and one form, whatever the client's credential (RFC 7519, RFC 8693). This module determines their
//! claims and their reuse; `jose` signs them, `config` reads their keys.

use super::header_encoding::{EncodeError, FieldValue};
use super::value::ValueSource;
use crate::authn::LastUse;
use crate::cache::{ByteCache, Digest, Weigh, byte_cache, sha256};
use crate::credential::Scheme;
use crate::http::header::HeaderText;
use crate::jose::{JsonRef, SigningError, SigningKey, VerificationKey, holds_beyond_64_bits};
use crate::principal::{AuthMethod, AuthenticatorName, JsonType, Principal};
use crate::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::Duration;

/// The claims that only modgud sets in a minted token, whether every token has them or not. `cnf` is among them because a minted token is
/// not bound to a sender.
pub const RESERVED_CLAIMS: [&str; 9] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act", "cnf"];

/// The bytes of a `jti`: enough that two tokens never share one.
const TOKEN_ID_BYTES: usize = 16;

/// The settings of minted tokens.
#[derive(Debug)]
pub struct Mint {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// The signing key, with its name if it has a public half.
    pub key: SigningKey,
    /// The key that verifies the tokens.
    pub verification: VerificationKey,
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud`: a text for one, a list for several, and no claim for none.
    pub audiences: Vec<Box<str>>,
    /// The longest time from now to `exp`.
    pub lifetime: Duration,
    /// The time from `iat` to now, for verifiers whose clocks are behind.
    pub backdate: Duration,
    /// The scheme before the token in `Authorization`.
    pub scheme: Scheme,
    /// Additional claims, each with the source of its value.
    pub claims: Vec<(Box<str>, ValueSource)>,
    /// Claims of modgud's own that the tokens lack.
    pub omitted: Vec<OmittableClaim>,
    /// The authenticators that accept these tokens and no others. Such a token is forwarded instead of minted again.
    pub accepted_by: Vec<AuthenticatorName>,
}

/// A claim that modgud sets unless the configuration omits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OmittableClaim {
    /// The caller's subject.
    Sub,
    /// The token's id.
    Jti,
    /// The actor that acts for the subject (RFC 8693 §4.1).
    Act,
}

/// The reason why a token could not be minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The signature failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A claim of the client's own token can't be copied.
    #[error(transparent)]
    Claim(#[from] MintedClaimError),
}

/// The error for a claim that can't be copied into a minted token.
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

    fn kind(claim: &str, found: &JsonRef<'_>, expected: &str) -> Self {
        let problem = format!("the caller's `{claim}` is {} instead of {expected}", JsonType::of(found));
        Self { claim: claim.into(), problem: problem.into() }
    }
}

/// A minter with a cache of its tokens.
#[derive(Debug)]
pub struct Minter {
    mint: Mint,
    minted: MintedTokens,
    last_use: LastUse,
}

impl Minter {
    /// Builds a minter with an empty cache: a token of another key or configuration is never reused.
    #[must_use]
    pub fn new(mint: Mint) -> Self {
        Self { mint, minted: MintedTokens::default(), last_use: LastUse::default() }
    }

    /// Returns the settings of its tokens.
    #[must_use]
    pub const fn mint(&self) -> &Mint {
        &self.mint
    }

    /// Returns the time at which a token of this key was last passed on.
    #[must_use]
    pub const fn last_use(&self) -> &LastUse {
        &self.last_use
    }

    /// Inherits the last use of the minter that this one replaces, if that one had the same name and the same key.
    pub(super) fn inherit_last_use(&mut self, before: &Self) {
        let is_same_key = self.mint.verification.same_key_material(&before.mint.verification);
        if self.mint.name == before.mint.name && is_same_key {
            self.last_use = before.last_use.clone();
        }
    }

    /// Returns true if the caller's token is one of these: its issuer and its keys are those of this mint.
    pub(super) fn is_own(&self, principal: &Principal) -> bool {
        principal.auth_method() == AuthMethod::Token && self.mint.accepted_by.contains(principal.authenticator())
    }

    /// Returns `SCHEME token` for a known caller. A token is reused while it has at least half of the remaining lifetime of a new one.
    ///
    /// # Errors
    /// [`MintedClaimError`] for a claim that can't be copied unchanged; [`SigningError::Library`] if the library returns no signature.
    pub(super) fn authorization(&self, principal: &Principal, now: Timestamp) -> Result<HeaderText, MintError> {
        self.last_use.record(now);
        let claims = self.mint.claims_of(principal)?;
        let text = Value::Object(claims.clone()).to_string();
        let until = now.plus(self.mint.lifetime).min(principal.valid_until()).min(end_of_credential(principal));
        let key = CacheKey::new(principal.valid_until(), &text);
        if let Some(known) = self.minted.get(&key, now, until) {
            return Ok(known);
        }
        let authorization = self.mint.sign(claims, &text, now, until)?;
        self.minted.put(key, authorization.clone(), now, until);
        Ok(authorization)
    }
}

impl Mint {
    /// Returns all claims except those that distinguish one token from the next.
    fn claims_of(&self, principal: &Principal) -> Result<Map<String, Value>, MintedClaimError> {
        let mut claims = Map::new();
        for (name, source) in &self.claims {
            if let Some(found) = source.find(Some(principal)) {
                if matches!(&found, FieldValue::Json(value) if holds_beyond_64_bits(value)) {
                    return Err(MintedClaimError::number(name));
                }
                claims.insert((**name).into(), found.to_json());
            }
        }
        claims.insert("iss".to_owned(), (*self.issuer).into());
        match &*self.audiences {
            [] => {}
            [one] => drop(claims.insert("aud".to_owned(), (**one).into())),
            several => drop(claims.insert("aud".to_owned(), several.iter().map(|one| &**one).collect())),
        }
        if !self.omits(OmittableClaim::Sub)
            && let Some(subject) = principal.identity().subject()
        {
            claims.insert("sub".to_owned(), subject.into());
        }
        if !self.omits(OmittableClaim::Act)
            && let Some(actor) = actor(principal)?
        {
            claims.insert("act".to_owned(), actor);
        }
        Ok(claims)
    }

    fn omits(&self, claim: OmittableClaim) -> bool {
        self.omitted.contains(&claim)
    }

    fn sign(
        &self,
        mut claims: Map<String, Value>,
        text: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<HeaderText, SigningError> {
        let (issued, expires) = (now.minus(self.backdate).as_secs(), until.as_secs());
        claims.insert("iat".to_owned(), issued.into());
        claims.insert("exp".to_owned(), expires.into());
        if !self.omits(OmittableClaim::Jti) {
            claims.insert("jti".to_owned(), token_id(text, issued, expires).into());
        }
        let token = self.key.sign_claims(&Value::Object(claims).to_string())?;
        Ok(HeaderText::from_checked(format!("{} {token}", self.scheme.as_str()).into_bytes()))
    }
}

/// Returns the `exp` of the caller's token; [`Timestamp::NEVER`] without one.
///
/// The expiry of a principal includes the leeway. If it applied here, two gateways that accept each other's tokens could exchange a token for
/// a later one again and again.
fn end_of_credential(principal: &Principal) -> Timestamp {
    match principal.claims().numeric_date("exp") {
        Ok(Some(expires)) => expires.floor(),
        Ok(None) | Err(_) => Timestamp::NEVER,
    }
}

/// Returns the actor that acts for the subject (RFC 8693 §4.1): the `act` of the client's own token. Otherwise it is the client that the
/// token was issued to, if the token names one other than the subject.
///
/// # Errors
/// `MintedClaimError` for a claim of another type: if it were ignored, the module would take the subject for the actor.
fn actor(principal: &Principal) -> Result<Option<Value>, MintedClaimError> {
    let claims = principal.claims();
    let present = |name| claims.get(name).and_then(|value| principal.present(value));
    match present("act") {
        None => {}
        Some(actor @ JsonRef::Object(_)) if holds_beyond_64_bits(&actor) => {
            return Err(MintedClaimError::number("act"));
        }
        Some(actor @ JsonRef::Object(_)) => return Ok(Some(actor.to_value())),
        Some(other) => return Err(MintedClaimError::kind("act", &other, "an object")),
    }
    let mut client = None;
    for name in ["azp", "client_id"] {
        match present(name) {
            None => {}
            Some(JsonRef::String(text)) => client = client.or(Some(text)),
            Some(other) => return Err(MintedClaimError::kind(name, &other, "a text")),
        }
    }
    let subject = principal.identity().subject();
    let client = client.filter(|client| !client.is_empty() && subject != Some(client));
    Ok(client.map(|client| json!({ "sub": client })))
}

/// Computes the `jti` from the content. Two tokens have the same one exactly when their content is the same, and no randomness is needed.
fn token_id(text: &str, issued: u64, expires: u64) -> String {
    let hash = sha256(&[format!("{issued} {expires} {text}").as_bytes()]);
    URL_SAFE_NO_PAD.encode(hash.get(..TOKEN_ID_BYTES).unwrap_or_default())
}

/// The cache key of a minted token: a hash of its content without the times, and of the end of the caller's credential. Callers with the
/// same content and the same end share a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CacheKey(Digest);

impl CacheKey {
    fn new(until: Timestamp, claims: &str) -> Self {
        // The time has a constant length, so that no claims can be mistaken for another time.
        Self(sha256(&[&until.as_millis().to_be_bytes(), claims.as_bytes()]))
    }
}

/// A minted token.
#[derive(Clone)]
struct Minted {
    authorization: HeaderText,
    issued: Timestamp,
    until: Timestamp,
}

impl Weigh for Minted {
    fn weight(&self) -> u64 {
        /// The memory of an entry without its token.
        const ENTRY_BYTES: usize = 256;
        u64::try_from(self.authorization.bytes().len().saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}

/// Tokens by content: valid tokens in memory add no risk, as their owner could mint them anew at any time. Limited by [`Self::MAX_BYTES`].
struct MintedTokens(ByteCache<CacheKey, Minted>);

impl MintedTokens {
    /// The most memory for the tokens, estimated: 16 MiB, some 20,000 of them. Beyond it, those are evicted first that were not used again.
    const MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// Returns the token of this content. `None` unless it is valid for at least half as long as a token minted now, until `until`.
    fn get(&self, key: &CacheKey, now: Timestamp, until: Timestamp) -> Option<HeaderText> {
        let Minted { authorization, issued, until: known } = self.0.get(key)?;
        let left = |end: Timestamp| end.as_millis().saturating_sub(now.as_millis());
        // After the clock is set back, its `iat` would be in the future, and every verifier would reject it.
        (issued <= now && left(known) >= left(until).div_ceil(2)).then_some(authorization)
    }

    /// Caches a token.
    fn put(&self, key: CacheKey, authorization: HeaderText, issued: Timestamp, until: Timestamp) {
        self.0.insert(key, Minted { authorization, issued, until });
    }
}

impl Default for MintedTokens {
    fn default() -> Self {
        Self(byte_cache(Self::MAX_BYTES))
    }
}

/// Omits the tokens.
impl fmt::Debug for MintedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedTokens").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}
