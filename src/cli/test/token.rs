//! The default token of a policy test: what its authenticator requires, and nothing that grants access.

use crate::config::EphemeralKeys;
use modgud_core::authn::{AllowedValue, AudiencePolicy, ClaimsPolicy, JwtAuthenticator, RequiredClaim};
use modgud_core::jose::{Algorithm, SigningError};
use modgud_core::principal::ClaimPath;
use modgud_core::time::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The lifetime of a token, unless `max_lifetime` is shorter.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// A user and an organization, as BiFrost's documentation shows them.
const USER: &str = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
const ORGANIZATION: &str = "70f0d039-e3d9-427e-b161-4e95dbd9e918";

/// The issuer whose tokens always have the claims below.
const BIFROST: &str = "bifrost";
/// The claims of each of BiFrost's tokens that grant nothing.
const OF_BIFROST: [&str; 3] = ["core_user_uuid", "organization_uuid", "username"];

/// A token that its authenticator accepts. It has no permission, scope or role, unless a required claim is one.
pub(super) struct DefaultToken {
    algorithm: Algorithm,
    typ: String,
    claims: Map<String, Value>,
}

impl DefaultToken {
    /// Creates the token for an authenticator; without one, no token can be accepted.
    pub(super) fn of(authenticator: Option<&JwtAuthenticator>, now: Timestamp) -> Self {
        let mut claims = Map::new();
        let (mut typ, mut lifetime, mut algorithm) = ("JWT", LIFETIME, Algorithm::Rs256);
        if let Some(jwt) = authenticator {
            let ClaimsPolicy { audience, require, max_lifetime, types, .. } = &jwt.checks;
            claims.extend(jwt.issuer().map(|issuer| ("iss".to_owned(), issuer.into())));
            if let AudiencePolicy::AnyOf(audiences) = audience
                && let Some(first) = audiences.first()
            {
                claims.insert("aud".to_owned(), first.as_ref().into());
            }
            for RequiredClaim { path, values } in require {
                put(&mut claims, path, values.first(), now);
            }
            if jwt.issuer() == Some(BIFROST) {
                claims.extend(OF_BIFROST.map(|name| (name.to_owned(), plausible(name, now))));
            }
            typ = types.first().map_or(typ, |first| first);
            lifetime = max_lifetime.unwrap_or(LIFETIME).min(LIFETIME);
            algorithm = jwt.algorithms.first().copied().unwrap_or(algorithm);
        }
        claims.insert("iat".to_owned(), now.as_secs().into());
        claims.insert("exp".to_owned(), now.plus(lifetime).as_secs().into());
        Self { algorithm, typ: typ.to_owned(), claims }
    }

    /// Replaces claims by those of a case; `null` removes a claim.
    pub(super) fn with(mut self, overrides: &Map<String, Value>) -> Self {
        self.claims.extend(overrides.clone());
        self.claims.retain(|_, value| !value.is_null());
        self
    }

    /// Returns the claims, as JSON.
    pub(super) fn claims(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// Signs the token with a key of this run.
    pub(super) fn sign(&self, keys: &EphemeralKeys) -> Result<String, SigningError> {
        let header = json!({ "typ": self.typ, "alg": self.algorithm.name() });
        keys.signing(self.algorithm)?.sign_raw(&header.to_string(), &self.claims())
    }
}

/// Adds a required claim, inside the objects that its path names.
fn put(claims: &mut Map<String, Value>, path: &ClaimPath, allowed: Option<&AllowedValue>, now: Timestamp) {
    let Some((name, way)) = path.names().split_last() else { return };
    let mut object = claims;
    for name in way {
        let next = object.entry(&**name).or_insert_with(|| Value::Object(Map::new()));
        // A path through a claim that is no object names a claim that no token can have.
        let Value::Object(members) = next else { return };
        object = members;
    }
    object.entry(&**name).or_insert_with(|| match allowed {
        None => plausible(name, now),
        Some(AllowedValue::Text(text)) => text.as_ref().into(),
        Some(AllowedValue::Prefix(prefix)) => format!("{prefix}a").into(),
        Some(AllowedValue::Bool(value)) => (*value).into(),
    });
}

/// Returns a value that a claim of this name can have.
fn plausible(name: &str, now: Timestamp) -> Value {
    match name {
        "core_user_uuid" | "sub" | "oid" | "sid" => USER.into(),
        "organization_uuid" => ORGANIZATION.into(),
        "username" | "preferred_username" | "name" => "admin".into(),
        "email" | "upn" => "admin@example.com".into(),
        "email_verified" => true.into(),
        "iat" | "nbf" | "auth_time" => now.as_secs().into(),
        name => format!("a-{name}").into(),
    }
}
