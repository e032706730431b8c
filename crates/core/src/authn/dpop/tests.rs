use super::{DpopError, DpopPolicy, PopContext, ReplayCache, ReplayError, ReplayMode, is_address_of};
use crate::credential::{AuthenticatorId, CredentialExtractor, Scheme};
use crate::http::header::HeaderName;
use crate::http::request::{Field, Headers, Request};
use crate::principal::{Identity, Principal};
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
fn shown(bound: &str, target: &str, now: u64, replay_cache: &ReplayCache) -> Result<(), DpopError> {
    let field = |name: &'static str, value: &'static str| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(vec![field("Authorization", AUTHORIZATION), field("DPoP", PROOF.trim_end())]);
    let mut request = Request::parse(b"GET", target.as_bytes(), b"resource.example.org", headers).unwrap();
    request.scheme = b"https";
    let mut places = CredentialExtractor::default();
    let header = HeaderName::parse("authorization").unwrap();
    places.add_schemes(&header, &[Scheme::parse("DPoP").unwrap()], AuthenticatorId(0)).unwrap();
    let token = places.find(&request).unwrap().unwrap().token;
    let principal = &Principal::of(json!({ "cnf": { "jkt": bound } }), &Identity::default(), Arc::default());
    let window = DpopPolicy { lifetime: Duration::from_secs(60), leeway: Duration::ZERO };
    let (now, replay_mode) = (Timestamp::from_secs(now), ReplayMode::Record);
    window.check(&PopContext { request: &request, token, principal, now, replay_cache, replay_mode })
}

#[test]
fn the_example_of_the_rfc_passes_once() {
    const MADE: u64 = 1_562_262_618;
    let replay_cache = ReplayCache::default();
    replay_cache.remember_for(Duration::from_secs(60));
    let path = "/protectedresource";
    assert_eq!(shown("0", path, MADE, &replay_cache), Err(DpopError::OtherKey));
    assert_eq!(shown(BOUND, "/other", MADE, &replay_cache), Err(DpopError::OtherAddress));
    assert!(matches!(shown(BOUND, path, MADE - 1, &replay_cache), Err(DpopError::Early { .. })));
    assert!(matches!(shown(BOUND, path, MADE + 60, &replay_cache), Err(DpopError::Old { .. })));
    assert_eq!(shown(BOUND, path, MADE + 59, &replay_cache), Ok(()));
    assert_eq!(shown(BOUND, path, MADE, &replay_cache), Err(DpopError::Replay(ReplayError::Replayed)));
}

#[test]
fn an_address_has_many_spellings_and_is_one() {
    const HERE: (&str, &str, &str) = ("https", "api.example.com", "/reports/7?page=2");
    let cases = [
        (HERE, "https://api.example.com/reports/7", true),
        (HERE, "HTTPS://API.example.COM/reports/7", true),
        (HERE, "https://api.example.com:443/reports/7", true),
        (HERE, "https://api.example.com./reports/7", true),
        (HERE, "https://api.example.com/reports/7?page=3#x", true),
        (HERE, "https://api.example.com/reports/7#?x", true),
        (("https", "API.Example.com:443", "/reports/7"), "https://api.example.com/reports/7", true),
        (("http", "api.example.com:8080", "/"), "http://api.example.com:8080", true),
        (("http", "api.example.com:8080", "/"), "http://api.example.com:8080?x=/y", true),
        (("http", "[::1]:8080", "/a"), "http://[0:0::1]:8080/a", true),
        (("http", "[::1]", "/a"), "http://[::1]:80/a", true),
        (("https", "a.example", "/a%2Cb%c3%a9"), "https://a.example/a,b%C3%A9", true),
        // Escapes of unreserved characters are needless (RFC 3986 §6.2.2.2).
        (HERE, "https://api.example.com/%72eports/%37", true),
        (("https", "a.example", "/a-b_c.d~e"), "https://a.example/a%2Db%5fc%2ed%7Ee", true),
        (HERE, "https://api.example.com/reports%2F7", false),
        (HERE, "https://api.example.com/reports/%2537", false),
        (HERE, "https://api.example.com/reports/%25%33%37", false),
        (HERE, "https://api.example.com/x/%2e%2e/reports/7", false),
        (HERE, "https://api.example.com/reports/7%3", false),
        (HERE, "http://api.example.com/reports/7", false),
        (HERE, "http://api.example.com:443/reports/7", false),
        (HERE, "https://api.example.com:80/reports/7", false),
        (HERE, "https://api.example.com:8443/reports/7", false),
        (HERE, "https://example.com/reports/7", false),
        (HERE, "https://api.example.com.evil.com/reports/7", false),
        (HERE, "https://api.example.com@evil.com/reports/7", false),
        (HERE, "https://evil.com@api.example.com/reports/7", false),
        (HERE, "https://api.example.com/reports/8", false),
        (HERE, "https://api.example.com/reports/7/", false),
        (HERE, "https://api.example.com/Reports/7", false),
        (HERE, "https://api.example.com/reports%2f7", false),
        (HERE, "https://api.example.com/x/../reports/7", false),
        (HERE, "https://api.example.com//reports/7", false),
        (HERE, "https://api.example.com", false),
        (HERE, "https://api.example.com?/reports/7", false),
        (HERE, "https:///reports/7", false),
        (HERE, "//api.example.com/reports/7", false),
        (HERE, "/reports/7", false),
        (HERE, " https://api.example.com/reports/7", false),
        (HERE, "https://api.example.com /reports/7", false),
        (HERE, "https://api.example.com/reports/7 ", false),
        (HERE, "", false),
        (("https", "api.example.com:8443", "/reports/7"), "https://api.example.com/reports/7", false),
        (("http", "api.example.com", "/reports/7"), "https://api.example.com/reports/7", false),
        (("", "api.example.com", "/reports/7"), "://api.example.com/reports/7", false),
        (("ws", "api.example.com", "/reports/7"), "ws://api.example.com/reports/7", false),
        (("https", "", "/reports/7"), "https:///reports/7", false),
    ];
    for ((scheme, authority, target), htu, same) in cases {
        let mut request = Request::parse(b"GET", target.as_bytes(), authority.as_bytes(), Headers::default()).unwrap();
        request.scheme = scheme.as_bytes();
        assert_eq!(is_address_of(htu, &request), same, "`{htu}` for {scheme} {authority} {target}");
    }
}
