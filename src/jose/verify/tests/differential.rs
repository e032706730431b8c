//! The second opinion: whatever this layer accepts, `jsonwebtoken` accepts and reads alike. The other way round does
//! not matter, because this layer is meant to be the stricter one. Headers in which only `jsonwebtoken` looks at members
//! that are ignored here (a `jku` that is no string) are left out.

use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::{CLAIMS, HEADER, verify};
use crate::jose::testing::{ISSUER, STRANGER, encode};

/// What `jsonwebtoken` says, with every check off but that of the signature.
fn second_opinion(token: &str) -> Option<Value> {
    let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_rsa_der(ISSUER.public_der());
    jsonwebtoken::decode::<Value>(token, &key, &validation).ok().map(|data| data.claims)
}

/// Whether we accept, having made sure that the second opinion does too and reads the same claims.
fn agreed(token: &str) -> bool {
    let Ok(verified) = verify(token) else { return false };
    let ours = verified.into_claims();
    let theirs = second_opinion(token).unwrap_or_else(|| panic!("accepted by us alone: {token}"));
    for (name, value) in theirs.as_object().unwrap() {
        assert_eq!(ours.get(name), Some(value), "{token}");
    }
    true
}

#[test]
fn what_we_accept_a_second_library_accepts() {
    let headers = [
        HEADER,
        r#"{"alg":"RS256"}"#,
        r#" {"alg" : "RS256", "kid":"a","typ":"at+jwt","cty":"x","unknown":{"a":[1]}} "#,
        r#"{"alg":"RS256","jku":"https://evil.example"}"#,
        r#"{"alg":"RS256","alg":"RS256"}"#,
        r#"{"alg":"RS256","crit":["x"]}"#,
        r#"{"alg":"RS384"}"#,
        r#"{"alg":"none"}"#,
        r#"{"alg":"rs256"}"#,
        "{}",
        "[]",
    ];
    let payloads: [&[u8]; 14] = [
        CLAIMS.as_bytes(),
        b"{}",
        b" {} ",
        br#"{"exp":1.5e9,"n":-0.0,"big":18446744073709551616,"t":"\ud83d\ude00"}"#,
        br#"{"aud":["a","b"],"nbf":"x","nested":{"a":{"b":[null,true]}}}"#,
        br#"{"a":1,"a":2}"#,
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"{\"a\":\"\xff\"}",
        br#"{"a":"\ud800"}"#,
        br#"{"a":1e400}"#,
        b"[]",
        b"null",
        b"",
    ];
    let mut accepted = 0;
    let mut stricter = 0;
    for (header, payload) in headers.iter().flat_map(|header| payloads.map(|payload| (header, payload))) {
        let token = ISSUER.sign(header, payload);
        let (message, signature) = token.rsplit_once('.').unwrap();
        for spelling in [
            token.clone(),
            format!("{token}="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{message}.{}", signature.replace('-', "+")),
            format!("{message}.{}", encode("short")),
            format!("{message}."),
            message.to_owned(),
            token.replacen('.', "..", 1),
            format!("{token}.{signature}"),
            STRANGER.sign(header, payload),
        ] {
            let ours = agreed(&spelling);
            accepted += usize::from(ours);
            stricter += usize::from(!ours && second_opinion(&spelling).is_some());
        }
    }
    // Both must occur, or the comparison compares nothing.
    assert!(accepted >= 20, "{accepted}");
    assert!(stricter >= 5, "{stricter}");
}

proptest! {
    #[test]
    fn what_we_accept_of_mutated_tokens_a_second_library_accepts(
        edits in proptest::collection::vec((any::<Index>(), prop::sample::select(vec!["", ".", "=", "A", "_", "-", "+", "e30", " "])), 0..3)
    ) {
        let mut token = ISSUER.sign(HEADER, CLAIMS);
        for (at, piece) in &edits {
            let at = at.index(token.len());
            token.replace_range(at..=at, piece);
        }
        prop_assert!(agreed(&token) || !edits.is_empty());
    }
}
