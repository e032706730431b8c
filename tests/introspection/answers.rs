//! What the server's answers come to.

use super::asked::{Asked, with, yaml};
use super::server::{AuthorizationServer, says};
use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, NOW, check};
use modgud_testbed::idp::Reply;
use serde_json::{Value, json};

/// A good answer, with these members over it; `null` takes one out.
fn answer(members: &Value) -> Value {
    let mut answer = json!({ "active": true, "sub": "u", "aud": "here", "exp": NOW + 60 });
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => answer.as_object_mut().unwrap().remove(name),
            value => answer.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    answer
}

#[tokio::test]
async fn introspection_results_are_checked_against_the_requirements() {
    let server = AuthorizationServer::start().await;
    let more = "audiences: [here, there], require: [sub], issuer: the-issuer";
    let mut asked = Asked::start(&yaml(&server, more)).await;
    for (number, (members, expected)) in [
        (json!({}), "allowed"),
        (json!({ "active": false }), "token_inactive"),
        (json!({ "exp": null }), "allowed"),
        (json!({ "exp": NOW + 1 }), "allowed"),
        (json!({ "exp": NOW }), "token_expired"),
        (json!({ "exp": NOW - 1 }), "token_expired"),
        (json!({ "exp": 0 }), "token_expired"),
        (json!({ "exp": "soon" }), "claim_invalid"),
        (json!({ "exp": (NOW + 60).to_string() }), "claim_invalid"),
        (json!({ "exp": -1 }), "claim_invalid"),
        (json!({ "exp": [NOW + 60] }), "claim_invalid"),
        (json!({ "nbf": NOW }), "allowed"),
        (json!({ "nbf": NOW + 1 }), "token_not_yet_valid"),
        (json!({ "nbf": "now" }), "claim_invalid"),
        // The server, whose clock may be ahead, has just reported an active token.
        (json!({ "iat": NOW + 1 }), "allowed"),
        (json!({ "iss": "the-issuer" }), "allowed"),
        (json!({ "iss": "the-issuer/" }), "issuer_unknown"),
        (json!({ "iss": "" }), "issuer_unknown"),
        (json!({ "iss": ["the-issuer"] }), "claim_invalid"),
        (json!({ "aud": ["elsewhere", "there"] }), "allowed"),
        (json!({ "aud": "elsewhere" }), "audience_mismatch"),
        (json!({ "aud": null }), "audience_mismatch"),
        (json!({ "aud": [] }), "claim_invalid"),
        (json!({ "sub": null }), "claim_missing"),
        (json!({ "sub": "" }), "claim_missing"),
        (json!({ "sub": 7 }), "claim_invalid"),
        (json!({ "jti": 7 }), "claim_invalid"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{number}");
        server.knows(&token, &answer(&members));
        // The second time what is known is looked at.
        for _ in 0..2 {
            assert_eq!(asked.ask(&token).await, expected, "{members}");
        }
    }
    // A token with an audience is for a certain server, unless the audience is unchecked.
    server.always(Some(says(&answer(&json!({})))));
    assert_eq!(Asked::start(&yaml(&server, "")).await.ask("any").await, "audience_mismatch");
    assert_eq!(Asked::start(&yaml(&server, "audiences: any")).await.ask("any").await, "allowed");
    let leeway = yaml(&server, "audiences: any, leeway: 10s");
    server.always(Some(says(&answer(&json!({ "exp": NOW - 9, "nbf": NOW + 10 })))));
    assert_eq!(Asked::start(&leeway).await.ask("any").await, "allowed");
    server.always(Some(says(&answer(&json!({ "exp": NOW - 10 })))));
    assert_eq!(Asked::start(&leeway).await.ask("any").await, "token_expired");
}

/// A claim that decides something is there with a type that rules, revocations and headers could not read alike: no header carries
/// what a revocation would not have seen (`claim_invalid`). `null` and the texts of `absent` are no value.
#[tokio::test]
async fn a_deciding_claim_of_an_unexpected_type_is_claim_invalid() {
    const GONE: &str = "70f0d039-e3d9-427e-b161-4e95dbd9e918";
    let server = AuthorizationServer::start().await;
    let principal = "principal: { subject: sub, organization: organization_uuid, roles: roles, permissions: [permissions], \
                     scopes: [scope], absent: [None] }\nrevocations: { file: revoked.yaml }\n";
    let yaml = yaml(&server, "audiences: any").replace(
        "x-user: { principal: subject }",
        "x-user: { principal: subject }, x-organization: { claim: organization_uuid }",
    );
    let revoked = format!("organizations: [\"{GONE}\", \"77\"]\n");
    let files = [("revoked.yaml".to_owned(), revoked)].into();
    let mut asked = Asked::start_with(&format!("{yaml}{principal}"), &files).await;
    let mut rows = vec![
        (json!({ "organization_uuid": GONE }), "token_revoked"),
        (json!({ "organization_uuid": "77" }), "token_revoked"),
        (json!({ "organization_uuid": "another" }), "allowed"),
        (json!({ "organization_uuid": 77 }), "claim_invalid"),
        (json!({ "organization_uuid": [GONE] }), "claim_invalid"),
        (json!({ "organization_uuid": { "id": GONE } }), "claim_invalid"),
        (json!({ "organization_uuid": true }), "claim_invalid"),
        (json!({ "organization_uuid": "None" }), "allowed"),
        (json!({ "sub": ["u"] }), "claim_invalid"),
        (json!({ "sub": { "id": "u" } }), "claim_invalid"),
        (json!({ "sub": true }), "claim_invalid"),
    ];
    for claim in ["roles", "permissions", "scope"] {
        rows.extend([
            (json!({ claim: "a b" }), "allowed"),
            (json!({ claim: ["a", "b"] }), "allowed"),
            (json!({ claim: [] }), "allowed"),
            (json!({ claim: "None" }), "allowed"),
            (json!({ claim: 7 }), "claim_invalid"),
            (json!({ claim: false }), "claim_invalid"),
            (json!({ claim: { "a": true } }), "claim_invalid"),
            (json!({ claim: ["a", 7] }), "claim_invalid"),
            (json!({ claim: ["a", null] }), "claim_invalid"),
            (json!({ claim: ["a", ["b"]] }), "claim_invalid"),
            (json!({ claim: ["a", ""] }), "claim_invalid"),
        ]);
    }
    for (number, (members, expected)) in rows.iter().enumerate() {
        let token = format!("token-{number}");
        server.knows(&token, &answer(members));
        // The second time what is known is looked at.
        for _ in 0..2 {
            assert_eq!(asked.ask(&token).await, *expected, "{members}");
        }
    }
    // `null` is no value, as if the claim were not there.
    for claim in ["organization_uuid", "roles", "permissions", "scope"] {
        let mut members = answer(&json!({}));
        members.as_object_mut().unwrap().insert(claim.to_owned(), Value::Null);
        let token = format!("null-{claim}");
        server.knows(&token, &members);
        assert_eq!(asked.ask(&token).await, "allowed", "{members}");
    }
}

/// What is no answer is neither a yes nor a no, and is not remembered.
#[tokio::test]
async fn an_invalid_response_proves_nothing_about_the_token() {
    let aim = AuthorizationServer::of(&["token"]).await;
    let server = AuthorizationServer::start().await;
    let status = |status: &str| Reply::Raw(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes());
    let redirect = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", aim.url());
    let body = |text: &str| Reply::Body(text.as_bytes().to_vec());
    let large = format!("{{\"active\": true, \"sub\": \"u\", \"pad\": \"{}\"}}", " ".repeat(10_000_000));
    let bad = [
        says(&json!({ "sub": "u" })),
        says(&json!({ "active": "true" })),
        says(&json!({ "active": 1 })),
        says(&json!({ "active": null })),
        says(&json!({ "active": [true] })),
        says(&json!({ "error": "invalid_request" })),
        body(r#"{"active": false, "active": true, "sub": "u"}"#),
        body("<html><title>Maintenance</title></html>"),
        body(""),
        body("true"),
        body(&large),
        Reply::Raw(redirect.into_bytes()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"active\": true".to_vec()),
        Reply::Close,
        status("204 No Content"),
        status("400 Bad Request"),
        status("401 Unauthorized"),
        status("403 Forbidden"),
        status("404 Not Found"),
        status("429 Too Many Requests"),
        status("500 Oh"),
        status("503 Oh"),
    ];
    let mut asked = Asked::start(&yaml(&server, "")).await;
    for (number, reply) in bad.into_iter().enumerate() {
        let shown = format!("{reply:?}").chars().take(100).collect::<String>();
        let before = server.count();
        server.replies("token", reply);
        assert_eq!(asked.ask("token").await, "introspection_unavailable", "{shown}");
        assert_eq!(server.count(), before + 1, "{shown}");
        // A good answer in between: what is tested here is not the patience with bad ones.
        let good = format!("good-{number}");
        server.knows(&good, &json!({ "active": true, "sub": "u" }));
        assert_eq!(asked.ask(&good).await, "allowed", "{shown}");
    }
    assert_eq!(aim.count(), 0, "no redirect is followed");
}

#[tokio::test]
async fn the_caller_is_that_of_the_response_in_both_encodings() {
    let server = AuthorizationServer::of(&["ann"]).await;
    let yaml = yaml(&server, "").replace("upstream: {", "upstream: { credential: { forward: JWT },");
    let mut asked = Asked::start(&yaml).await;
    for encoding in Encoding::ALL {
        let headers: [(&str, &[u8]); 3] =
            [("authorization", b"Bearer ann"), ("x-user", b"somebody-else"), ("x-active", b"true")];
        let Answer::Allow { set, remove, remove_query: _ } = asked.answer(check(encoding, "GET", "/", &headers)).await
        else {
            panic!("{encoding:?}: it is allowed")
        };
        assert_eq!(set.get("x-user").map(String::as_str), Some("ann"), "{encoding:?}");
        assert_eq!(set.get("authorization").map(String::as_str), Some("JWT ann"), "{encoding:?}");
        assert!(remove.contains("x-active"), "{encoding:?}: `active` is no claim of the caller");
    }
    assert_eq!(server.count(), 1);
}

/// What has three parts is for the authenticator of signed tokens, everything else for the server.
#[tokio::test]
async fn with_signed_tokens_the_form_selects_the_authenticator() {
    let jwt = KEY.sign(&crate::support::claims()).unwrap();
    let server = AuthorizationServer::of(&["ann", "two.parts", &jwt]).await;
    let pem = KEY.public_pem().unwrap();
    let alone = yaml(&server, "");
    let adjacent = format!(
        "{alone}- name: signed\n  from: [{{ header: authorization, schemes: [Bearer] }}]\n  \
         jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ value: {pem:?} }} }}] }}\n"
    );
    let mut asked = Asked::start(&adjacent).await;
    for token in ["ann", "two.parts", &jwt] {
        assert_eq!(asked.ask(token).await, "allowed");
    }
    assert_eq!(asked.ask("nobody").await, "token_inactive");
    assert_eq!(asked.ask("a.b.c").await, "token_malformed");
    assert_eq!(server.count(), 3, "the server never sees a signed token");
    let mut asked = Asked::start(&alone).await;
    assert_eq!(asked.ask(&jwt).await, "allowed", "alone it is asked about every token");
    assert_eq!(server.count(), 4);
}

/// A token that is bound to a certificate needs that certificate (RFC 8705 §3.2).
#[tokio::test]
async fn a_binding_in_the_answer_is_held_against_the_connection() {
    let server = AuthorizationServer::of(&["unbound"]).await;
    server.knows(
        "bound",
        &json!({ "active": true, "cnf": { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } }),
    );
    let mut asked = Asked::start(&yaml(&server, "sender_constraint: certificate")).await;
    for token in ["unbound", "bound"] {
        assert_eq!(asked.ask(token).await, "sender_unproven", "{token}");
    }
    assert!(asked.answer(with("bound")).await.status() == Some(401));
}
