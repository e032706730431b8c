//! Who gets a token, what it says of them, and what becomes of what they have shown.

use super::{
    ask, asking, claimed, minted, minting, private, published, sidecar, usual, verified, with_claims, without_id,
};
use crate::decisions::answer::Answer;
use crate::support::{NOW, Sidecar, claims, token};
use jsonwebtoken::DecodingKey;
use modgud::envoy::proto::{CheckRequest, Peer};
use modgud::server::app::Shutdown;
use modgud_core::authn::ApiKeyDigest;
use modgud_core::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

const CLAIMS: &str = r#"claims:
      username: { claim: username }
      groups: { claim: groups }
      address: { claim: address }
      tenant: { claim: ["https://example.com/tenant"] }
      scope: { principal: scopes }
      roles: { principal: roles }
      via: { principal: authenticator }
      environment: { value: test }
      nothing: { claim: nothing }
"#;

#[tokio::test]
async fn a_token_of_each_algorithm_identifies_the_caller() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256] {
        let sidecar = sidecar(&minting(algorithm, ""), &private(algorithm)).await;
        let token = minted(&sidecar, with_claims(&[])).await;
        assert_eq!(without_id(verified(&token, &published(&sidecar).await)), usual(NOW), "{}", algorithm.name());
        sidecar.stop(Shutdown::Immediate).await;
    }
    for (algorithm, theirs) in
        [(Algorithm::Hs256, jsonwebtoken::Algorithm::HS256), (Algorithm::Hs512, jsonwebtoken::Algorithm::HS512)]
    {
        let secret = private(algorithm);
        let sidecar = sidecar(&minting(algorithm, ""), &format!("{secret}\n")).await;
        let token = minted(&sidecar, with_claims(&[])).await;
        let key = DecodingKey::from_secret(secret.as_bytes()).unwrap();
        assert_eq!(without_id(claimed(&token, &key, theirs)), usual(NOW));
        // A secret is never published, nor is there a name for it.
        assert_eq!(published(&sidecar).await, json!({ "keys": [] }));
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid, None);
        sidecar.stop(Shutdown::Immediate).await;
    }
}

#[tokio::test]
async fn claims_are_taken_over_as_they_are() {
    // The name can't stand in a header as it is; in a token it can.
    let yaml = minting(Algorithm::EdDsa, CLAIMS)
        .replace("upstream: {", "upstream: { headers: { x-username: { value: see-token } },");
    let sidecar = sidecar(&yaml, &private(Algorithm::EdDsa)).await;
    let token = minted(
        &sidecar,
        with_claims(&[
            ("username", json!("José\nde 😀")),
            ("groups", json!(["a,b", 1, null])),
            ("address", json!({"zip": 1.5, "street": ""})),
            ("https://example.com/tenant", json!("blue")),
            ("roles", json!(["admin"])),
        ]),
    )
    .await;
    let mut expected = usual(NOW);
    let more = json!({
        "username": "José\nde 😀", "groups": ["a,b", 1, null], "address": {"zip": 1.5, "street": ""}, "tenant": "blue",
        "scope": ["read", "write"], "roles": ["admin"], "via": "bifrost", "environment": "test",
    });
    expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(without_id(verified(&token, &published(&sidecar).await)), expected);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn the_actor_for_the_subject_is_named() {
    let sidecar = sidecar(&minting(Algorithm::EdDsa, ""), &private(Algorithm::EdDsa)).await;
    let subject = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
    let keys = published(&sidecar).await;
    for (claims, actor) in [
        (vec![], Value::Null),
        (vec![("azp", json!("portal"))], json!({"sub": "portal"})),
        (vec![("client_id", json!("portal"))], json!({"sub": "portal"})),
        (vec![("azp", json!("portal")), ("client_id", json!("other"))], json!({"sub": "portal"})),
        (vec![("azp", json!(subject))], Value::Null),
        (vec![("azp", json!(""))], Value::Null),
        (
            vec![("act", json!({"sub": "a", "act": {"sub": "b"}})), ("azp", json!("a"))],
            json!({"sub": "a", "act": {"sub": "b"}}),
        ),
        (vec![("act", Value::Null), ("azp", Value::Null), ("client_id", json!("portal"))], json!({"sub": "portal"})),
    ] {
        let found = verified(&minted(&sidecar, with_claims(&claims)).await, &keys);
        assert_eq!(found["act"], actor, "{claims:?}");
        assert_eq!(found["sub"], subject);
    }
    // The module would treat the subject as the actor.
    for claims in [
        ("act", json!("portal")),
        ("act", json!({"sub": "a", "n": 1e30})),
        ("azp", json!(7)),
        ("client_id", json!(["portal"])),
    ] {
        let answer = ask(&sidecar, with_claims(std::slice::from_ref(&claims))).await;
        assert!(matches!(answer, Answer::Deny { status: 401, .. }), "{claims:?}: {answer:?}");
    }
    sidecar.stop(Shutdown::Immediate).await;
}

const EVERYBODY: &str = r#"
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT, Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
  - name: partners
    from: [{ header: x-api-key }, { cookie: session }, { query: key }]
    api_key: { file: keys.yaml }
  - name: mesh
    mtls: { principals: ["spiffe://example.org/{name}"] }
rules:
  - { name: news, match: { paths: ["/news/{*rest}"] }, access: optional }
  - { name: open, match: { paths: ["/open/{*rest}"] }, access: public }
"#;

/// The location of the token, if there is one, and what else is removed.
async fn outcome(sidecar: &Sidecar, check: CheckRequest) -> (Option<String>, Vec<String>) {
    match ask(sidecar, check).await {
        Answer::Allow { set, remove, remove_query } => {
            let ours = ["x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username"];
            let removed = remove.into_iter().chain(remove_query).filter(|name| !ours.contains(&name.as_str()));
            (set.get("authorization").cloned(), removed.collect())
        }
        Answer::Deny { .. } => panic!("it is turned away"),
    }
}

#[tokio::test]
async fn whatever_the_client_has_shown_the_module_gets_one_form() {
    let key = "mgk_for-everybody";
    let table = format!("- {{ id: partner, sha256: \"{}\", subject: acme }}\n", ApiKeyDigest::of(key));
    let yaml = format!("{}{EVERYBODY}", minting(Algorithm::EdDsa, ""));
    let files = [("signing.key".to_owned(), private(Algorithm::EdDsa)), ("keys.yaml".to_owned(), table)];
    let sidecar = Sidecar::with_files(&yaml, &files.into()).await;
    let keys = published(&sidecar).await;
    let good = format!("Bearer {}", token());
    let forged = SigningKey::generate(Algorithm::EdDsa).unwrap().sign(&claims()).unwrap();
    let forged = format!("Basic {forged}");

    let subject = |authorization: &str| {
        let token = authorization.strip_prefix("Bearer ").unwrap().to_owned();
        verified(&token, &keys)["sub"].as_str().unwrap().to_owned()
    };
    let user = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
    let cookie = format!("session={key}; theme=dark");
    for (path, headers, expected, removed) in [
        ("/crm/", vec![("authorization", good.as_str())], user, vec![]),
        ("/crm/", vec![("x-api-key", key)], "acme", vec!["x-api-key"]),
        ("/crm/", vec![("cookie", cookie.as_str())], "acme", vec![]),
        ("/crm/?key=mgk_for-everybody", vec![], "acme", vec!["key"]),
        ("/news/", vec![("authorization", good.as_str())], user, vec![]),
    ] {
        let (authorization, found) = outcome(&sidecar, asking(path, &headers)).await;
        assert_eq!(
            (subject(&authorization.unwrap()).as_str(), found),
            (expected, removed.into_iter().map(str::to_owned).collect()),
            "{path} {headers:?}"
        );
    }
    // A certificate speaks where no credential does.
    let mut check = asking("/crm/", &[]);
    check.attributes.as_mut().unwrap().source =
        Some(Peer { principal: "spiffe://example.org/billing".into(), ..Peer::default() });
    let (authorization, _) = outcome(&sidecar, check).await;
    assert_eq!(subject(&authorization.unwrap()), "spiffe://example.org/billing");

    // An anonymous request reaches the module without an identity.
    assert_eq!(outcome(&sidecar, asking("/news/", &[])).await, (None, vec![]));
    assert_eq!(outcome(&sidecar, asking("/open/", &[("authorization", &good)])).await, (None, vec![]));
    assert_eq!(outcome(&sidecar, asking("/open/", &[("authorization", &forged)])).await, (None, vec![]));
    assert_eq!(ask(&sidecar, asking("/crm/", &[])).await.status(), Some(401));
    assert_eq!(ask(&sidecar, asking("/news/", &[("authorization", &forged)])).await.status(), Some(401));
    sidecar.stop(Shutdown::Immediate).await;
}

/// If no authenticator reads `Authorization`, the client's value is unverified.
#[tokio::test]
async fn an_unchecked_authorization_reaches_no_module() {
    let key = "mgk_for-everybody";
    let table = format!("- {{ id: partner, sha256: \"{}\", subject: acme }}\n", ApiKeyDigest::of(key));
    for (credential, expected) in
        [("{ mint: internal }", None), ("remove", Some(true)), ("{ forward: JWT }", Some(true)), ("keep", Some(false))]
    {
        let yaml = format!(
            "{}\nauthenticators: [{{ name: partners, from: [{{ header: x-api-key }}], api_key: {{ file: keys.yaml }} }}]",
            minting(Algorithm::EdDsa, "").replace("{ mint: internal }", credential)
        );
        let files = [("signing.key".to_owned(), private(Algorithm::EdDsa)), ("keys.yaml".to_owned(), table.clone())];
        let sidecar = Sidecar::with_files(&yaml, &files.into()).await;
        let forged = format!("Bearer {}", token());
        let check = asking("/crm/", &[("x-api-key", key), ("Authorization", &forged)]);
        let (authorization, removed) = outcome(&sidecar, check).await;
        match expected {
            None => assert!(authorization.is_some_and(|written| written != forged)),
            Some(gone) => {
                assert_eq!(
                    (authorization, removed.contains(&"authorization".to_owned())),
                    (None, gone),
                    "{credential}"
                );
            }
        }
        sidecar.stop(Shutdown::Immediate).await;
    }
}
