//! Tokens in BiFrost's form: without an audience, with exactly its claims; and what becomes of a minted token that a module presents.

use super::{ask, asking, minting, private, published, sidecar, verified_for_anyone, with_claims};
use crate::decisions::answer::Answer;
use crate::support::{KEY, NOW, Sidecar, token};
use modgud::envoy::proto::CheckRequest;
use modgud::server::app::Shutdown;
use modgud_core::authn::ApiKeyDigest;
use modgud_core::jose::{Algorithm, PublicJwk, SigningKey};
use modgud_core::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// BiFrost's claims, from a client's token with the same ones.
const BIFROST: &str = "claims:
      core_user_uuid: { principal: subject }
      organization_uuid: { principal: organization }
      scope: { claim: scope }
      username: { claim: username }
    omit: [sub, jti, act]
    scheme: JWT
    lifetime: 5m
";

/// A configuration that mints tokens of `issuer: bifrost`, and accepts them. Clients' tokens are those of another issuer.
fn bifrost(leeway: &str, keys: &str) -> String {
    minting(Algorithm::Rs256, BIFROST).replace("issuer: modgud", "issuer: bifrost").replace("audience: modules", "audience: []")
        + &format!(
            "
authenticators:
  - name: users
    from: [{{ header: authorization, schemes: [JWT, Bearer] }}]
    jwt: {{ issuer: login, algorithms: [RS256], keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}], require: [] }}
  - name: modules
    from: [{{ header: authorization, schemes: [JWT, Bearer] }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{keys}], leeway: {leeway}, require: [core_user_uuid, username] }}
"
        )
}

/// A sidecar with these keys in its folder.
async fn accepting(leeway: &str, keys: &str, key: &str, other: &SigningKey) -> Sidecar {
    let public = SigningKey::from_pem(key).unwrap().public_pem().unwrap();
    let files = [("signing.key", key.to_owned()), ("own.pem", public), ("other.pem", other.public_pem().unwrap())];
    let files: BTreeMap<String, String> = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    Sidecar::with_files(&bifrost(leeway, keys), &files).await
}

/// The only key of the authenticator is that of the mint.
const OWN: &str = "{ pem: { file: own.pem } }";
/// The authenticator accepts tokens of another signer, too.
const BOTH: &str = "{ pem: { file: own.pem } }, { pem: { file: other.pem } }";

/// A check with a token of the clients' issuer.
fn of_a_client(until: u64) -> CheckRequest {
    with_claims(&[("iss", json!("login")), ("azp", json!("portal")), ("jti", json!("1")), ("exp", json!(until))])
}

/// The whole value for the module.
async fn authorization(sidecar: &Sidecar, check: CheckRequest) -> String {
    match ask(sidecar, check).await {
        Answer::Allow { set, .. } => set.get("authorization").expect("a token is handed on").clone(),
        Answer::Deny { status, .. } => panic!("it is turned away with {status}"),
    }
}

fn claims_of(authorization: &str, key: &str) -> Value {
    let token = authorization.strip_prefix("JWT ").unwrap_or_else(|| panic!("{authorization}"));
    let pem = SigningKey::from_pem(key).unwrap().public_pem().unwrap();
    let published = PublicJwk::set(&[PublicJwk::from_pem(&pem, Algorithm::Rs256).unwrap()]);
    verified_for_anyone(token, &serde_json::from_str(&published).unwrap())
}

fn seven(issued: u64, expires: u64) -> Value {
    json!({
        "core_user_uuid": "fd76ce0c-d8be-4aa6-91ed-59e698f6af60", "exp": expires, "iat": issued, "iss": "bifrost",
        "organization_uuid": "70f0d039-e3d9-427e-b161-4e95dbd9e918", "scope": "read write", "username": "admin",
    })
}

#[tokio::test]
async fn the_token_has_exactly_the_claims_of_bifrost() {
    let key = private(Algorithm::Rs256);
    let sidecar = accepting("0s", OWN, &key, &KEY).await;
    let found = authorization(&sidecar, of_a_client(NOW + 36_000)).await;
    assert_eq!(claims_of(&found, &key), seven(NOW, NOW + 300));
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn audiences_are_a_text_or_a_list_or_left_out() {
    for (written, expected) in [
        ("audience: modules", json!("modules")),
        ("audience: [modules]", json!("modules")),
        ("audience: [modules, reports]", json!(["modules", "reports"])),
        ("audience: []", Value::Null),
        ("", Value::Null),
    ] {
        let yaml = minting(Algorithm::EdDsa, "").replace("audience: modules", written);
        let sidecar = sidecar(&yaml, &private(Algorithm::EdDsa)).await;
        let token = super::minted(&sidecar, with_claims(&[])).await;
        let claims = verified_for_anyone(&token, &published(&sidecar).await);
        assert_eq!(claims["aud"], expected, "{written}");
        assert_eq!(claims.as_object().unwrap().contains_key("aud"), !expected.is_null(), "{written}");
        sidecar.stop(Shutdown::Immediate).await;
    }
}

#[tokio::test]
async fn claims_of_modguds_own_can_be_left_out() {
    for (omit, left) in [
        ("omit: []", vec!["act", "jti", "sub"]),
        ("omit: [jti]", vec!["act", "sub"]),
        ("omit: [act, sub]", vec!["jti"]),
    ] {
        let sidecar = sidecar(&minting(Algorithm::EdDsa, omit), &private(Algorithm::EdDsa)).await;
        let token = super::minted(&sidecar, with_claims(&[("azp", json!("portal"))])).await;
        let claims = verified_for_anyone(&token, &published(&sidecar).await);
        let names = claims.as_object().unwrap().keys().map(String::as_str);
        let found: Vec<&str> = names.filter(|name| !["aud", "exp", "iat", "iss"].contains(name)).collect();
        assert_eq!(found, left, "{omit}");
        sidecar.stop(Shutdown::Immediate).await;
    }
}

#[tokio::test]
async fn a_backdated_token_expires_no_later_and_is_used_as_long() {
    let sidecar = sidecar(&minting(Algorithm::EdDsa, "backdate: 5s"), &private(Algorithm::EdDsa)).await;
    let keys = published(&sidecar).await;
    let first = super::minted(&sidecar, with_claims(&[])).await;
    let claims = verified_for_anyone(&first, &keys);
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW - 5), &json!(NOW + 60)));
    sidecar.clock.set(Timestamp::from_secs(NOW + 30));
    assert_eq!(super::minted(&sidecar, with_claims(&[])).await, first);
    sidecar.clock.set(Timestamp::from_secs(NOW + 31));
    assert_ne!(super::minted(&sidecar, with_claims(&[])).await, first);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn a_minted_token_is_forwarded_unchanged_until_it_expires() {
    let key = private(Algorithm::Rs256);
    let sidecar = accepting("0s", OWN, &key, &KEY).await;
    let first = authorization(&sidecar, of_a_client(NOW + 36_000)).await;
    // Also after half of its time, when a client would get a new one; whatever scheme the module writes.
    for second in [200, 250, 299] {
        sidecar.clock.set(Timestamp::from_secs(NOW + second));
        assert_eq!(authorization(&sidecar, asking("/crm/", &[("authorization", &first)])).await, first);
        let bearer = first.replace("JWT ", "Bearer ");
        assert_eq!(authorization(&sidecar, asking("/crm/", &[("authorization", &bearer)])).await, first);
    }
    sidecar.clock.set(Timestamp::from_secs(NOW + 300));
    assert_eq!(ask(&sidecar, asking("/crm/", &[("authorization", &first)])).await.status(), Some(401));
    sidecar.stop(Shutdown::Immediate).await;
}

/// Otherwise a module could exchange a token for a later one forever, by the leeway of each exchange.
#[tokio::test]
async fn no_exchange_lengthens_a_minted_token() {
    let key = private(Algorithm::Rs256);
    let other = SigningKey::generate(Algorithm::Rs256).unwrap();
    for keys in [OWN, BOTH] {
        let sidecar = accepting("30s", keys, &key, &other).await;
        let mut token = authorization(&sidecar, of_a_client(NOW + 36_000)).await;
        for second in [250, 299, 310, 329] {
            sidecar.clock.set(Timestamp::from_secs(NOW + second));
            token = authorization(&sidecar, asking("/crm/", &[("authorization", &token)])).await;
            assert_eq!(claims_of(&token, &key)["exp"], json!(NOW + 300), "{keys}, after {second} s");
        }
        sidecar.clock.set(Timestamp::from_secs(NOW + 330));
        assert_eq!(ask(&sidecar, asking("/crm/", &[("authorization", &token)])).await.status(), Some(401), "{keys}");
        sidecar.stop(Shutdown::Immediate).await;
    }
}

/// Otherwise two gateways that accept each other's tokens could exchange one for a later one forever.
#[tokio::test]
async fn the_leeway_of_a_clients_token_lengthens_no_minted_token() {
    let key = private(Algorithm::Rs256);
    let public = SigningKey::from_pem(&key).unwrap().public_pem().unwrap();
    let files = [("signing.key".to_owned(), key.clone()), ("own.pem".to_owned(), public)].into();
    let sidecar =
        Sidecar::with_files(&bifrost("0s", OWN).replace("require: [] }", "require: [], leeway: 30s }"), &files).await;
    for second in [0, 4, 20] {
        sidecar.clock.set(Timestamp::from_secs(NOW + second));
        let token = authorization(&sidecar, of_a_client(NOW + 5)).await;
        assert_eq!(claims_of(&token, &key)["exp"], json!(NOW + 5), "after {second} s");
    }
    sidecar.stop(Shutdown::Immediate).await;
}

/// A module trusts only the mint's key, so a token of another signer never reaches it, though it has the same issuer.
#[tokio::test]
async fn a_token_of_another_signer_with_the_same_issuer_is_minted_again() {
    let key = private(Algorithm::Rs256);
    let other = SigningKey::generate(Algorithm::Rs256).unwrap();
    let sidecar = accepting("0s", BOTH, &key, &other).await;
    let theirs = other.sign(&crate::support::claims()).unwrap();
    let found = authorization(&sidecar, asking("/crm/", &[("authorization", &format!("JWT {theirs}"))])).await;
    assert_eq!(claims_of(&found, &key), seven(NOW, NOW + 300));
    // Where the authenticator has the mint's key alone, the same token is denied.
    sidecar.stop(Shutdown::Immediate).await;
    let sidecar = accepting("0s", OWN, &key, &other).await;
    let denied = ask(&sidecar, asking("/crm/", &[("authorization", &format!("JWT {theirs}"))])).await;
    assert_eq!(denied.status(), Some(401));
    // So is one of the clients' issuer that claims to be minted.
    let denied = ask(&sidecar, asking("/crm/", &[("authorization", &format!("JWT {}", token()))])).await;
    assert_eq!(denied.status(), Some(401));
    sidecar.stop(Shutdown::Immediate).await;
}

/// Rules see of a minted token what it says, which is less than the client's own credential says.
#[tokio::test]
async fn a_minted_token_opens_no_more_than_the_clients_own_credential() {
    let rules = r#"
rules:
  - { name: direct, match: { paths: ["/direct/{*rest}"] }, require: { authenticators: [users] } }
  - { name: role, match: { paths: ["/role/{*rest}"] }, require: { roles: [clerk] } }
  - { name: scope, match: { paths: ["/scope/{*rest}"] }, require: { permissions: [write] } }
  - { name: more, match: { paths: ["/more/{*rest}"] }, require: { permissions: [delete] } }
"#;
    let key = private(Algorithm::Rs256);
    let public = SigningKey::from_pem(&key).unwrap().public_pem().unwrap();
    let files = [("signing.key".to_owned(), key), ("own.pem".to_owned(), public)].into();
    let sidecar = Sidecar::with_files(&format!("{}{rules}", bifrost("0s", OWN)), &files).await;
    let client = crate::support::claims().into_iter().filter(|(name, _)| name != "iss");
    let client: Vec<(String, Value)> =
        client.chain([("iss".to_owned(), json!("login")), ("roles".to_owned(), json!(["clerk"]))]).collect();
    let client = format!("JWT {}", KEY.sign(&client).unwrap());
    let minted = authorization(&sidecar, asking("/crm/", &[("authorization", &client)])).await;
    for (path, of_the_client, of_the_minted) in [
        ("/direct/", None, Some(403)),
        ("/role/", None, Some(403)),
        ("/scope/", None, None),
        ("/more/", Some(403), Some(403)),
    ] {
        for (token, expected) in [(&client, of_the_client), (&minted, of_the_minted)] {
            let answer = ask(&sidecar, asking(path, &[("authorization", token)])).await;
            assert_eq!(answer.status(), expected, "{path}: {answer:?}");
        }
    }
    sidecar.stop(Shutdown::Immediate).await;
}

/// The page's changes of the sample for a provider whose tokens have `sub` and `preferred_username` only.
#[tokio::test]
async fn claims_with_other_names_give_the_same_token() {
    let key = private(Algorithm::Rs256);
    let public = SigningKey::from_pem(&key).unwrap().public_pem().unwrap();
    let mut yaml = super::bifrost::SAMPLE.to_owned();
    for (old, new) in [
        ("{ oidc: https://login.example.com/realms/bifrost }", "{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }"),
        ("require: [core_user_uuid, username]", "require: [sub, preferred_username]"),
        ("require: [core_user_uuid, username]", "require: [sub, username]"),
        ("username: { claim: username }", "username: { claim: preferred_username }"),
        ("omit: [sub, jti, act]", "omit: [jti, act]"),
        (
            "upstream:\n",
            "principal: { subject: sub }\nupstream:\n  headers:\n    x-core-user-uuid: { principal: subject }\n    x-username: \
             { cel: \"has(claims.username) ? claims.username : claims.preferred_username\" }\n",
        ),
    ] {
        assert!(yaml.contains(old), "{old}");
        yaml = yaml.replacen(old, new, 1);
    }
    let table = format!(
        "- {{ id: a, sha256: \"{}\", subject: partner, claims: {{ preferred_username: Partner A }} }}\n",
        ApiKeyDigest::of("mgk_for-a-partner")
    );
    let files = [("bifrost.key", key.clone()), ("bifrost.pub.pem", public), ("api-keys.yaml", table)];
    let files = files.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    let of_the_provider = with_claims(&[
        ("iss", json!("https://login.example.com/realms/bifrost")),
        ("aud", json!("bifrost-api")),
        ("sub", json!("u1")),
        ("preferred_username", json!("ada")),
        ("core_user_uuid", Value::Null),
        ("username", Value::Null),
    ]);
    let partner = asking("/crm/", &[("x-api-key", "mgk_for-a-partner")]);
    for (check, user, username) in [(of_the_provider, "u1", "ada"), (partner, "partner", "Partner A")] {
        let first = authorization(&sidecar, check).await;
        let claims = claims_of(&first, &key);
        assert_eq!([&claims["core_user_uuid"], &claims["sub"], &claims["username"]], [user, user, username]);
        let Answer::Allow { set, .. } = ask(&sidecar, asking("/documents/", &[("authorization", &first)])).await else {
            panic!("the second hop is denied")
        };
        let header = |name: &str| set.get(name).map(String::as_str);
        assert_eq!(
            [header("authorization"), header("x-core-user-uuid"), header("x-username")],
            [Some(first.as_str()), Some(user), Some(username)]
        );
    }
    sidecar.stop(Shutdown::Immediate).await;
}
