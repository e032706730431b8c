use super::{DpopError, DpopPolicy, PopContext, ReplayCache, ReplayError, ReplayMode};
use crate::credential::{AuthenticatorId, CredentialExtractor, Scheme};
use crate::http::header::HeaderName;
use crate::http::request::{Field, Headers, Request};
use crate::jose::Claims;
use crate::principal::{AuthMethod, AuthenticatorName, Identity, Principal};
use crate::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The request of RFC 9449 §7.1, figure 13.
const AUTHORIZATION: &str = "DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const PROOF: &str = include_str!("../../../../../tests/data/sender/rfc9449.txt");
/// The key that its token is bound to: §6.1, figure 9.
const BOUND: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// Checks the request's token, which is bound to this key, with its proof.
fn shown(bound: &str, target: &str, now: u64, spent: &ReplayCache) -> Result<(), DpopError> {
    let field = |name: &'static str, value: &'static str| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(vec![field("Authorization", AUTHORIZATION), field("DPoP", PROOF.trim_end())]);
    let mut request = Request::parse(b"GET", target.as_bytes(), b"resource.example.org", headers).unwrap();
    request.scheme = b"https";
    let mut places = CredentialExtractor::default();
    let header = HeaderName::parse("authorization").unwrap();
    places.add_schemes(&header, &[Scheme::parse("DPoP").unwrap()], AuthenticatorId(0)).unwrap();
    let token = places.find(&request).unwrap().unwrap().token;
    let claims = Claims::from_json(json!({ "cnf": { "jkt": bound } }));
    let (name, absent) = (AuthenticatorName::new("a"), Arc::default());
    let principal = &Principal::new(name, claims, Identity::default(), absent, AuthMethod::Token);
    let window = DpopPolicy { lifetime: Duration::from_secs(60), leeway: Duration::ZERO };
    let (now, replay_mode) = (Timestamp::from_secs(now), ReplayMode::Record);
    window.check(&PopContext { request: &request, token, principal, now, spent, replay_mode })
}

#[test]
fn the_example_of_the_rfc_passes_once() {
    const MADE: u64 = 1_562_262_618;
    let spent = ReplayCache::default();
    spent.remember_for(Duration::from_secs(60));
    let path = "/protectedresource";
    assert_eq!(shown("0", path, MADE, &spent), Err(DpopError::OtherKey));
    assert_eq!(shown(BOUND, "/other", MADE, &spent), Err(DpopError::OtherAddress));
    assert!(matches!(shown(BOUND, path, MADE - 1, &spent), Err(DpopError::Early { .. })));
    assert!(matches!(shown(BOUND, path, MADE + 60, &spent), Err(DpopError::Old { .. })));
    assert_eq!(shown(BOUND, path, MADE + 59, &spent), Ok(()));
    assert_eq!(shown(BOUND, path, MADE, &spent), Err(DpopError::Spent(ReplayError::Replayed)));
}
