//! Tokens that modgud mints, verified by the Python module through the keys that modgud publishes, also while they rotate.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign, with};
use super::{PATIENCE, ask, testbed};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed, Verified};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tokio::time::timeout;

/// A configuration that mints with the keys in this folder. The testbed takes a text that lives as long as the process.
fn configuration(folder: &Path) -> &'static str {
    let folder = folder.display();
    Box::leak(
        format!(
            "
profile: bifrost
mint:
  - name: internal
    algorithm: EdDSA
    key: {{ file: \"{folder}/signing.key\" }}
    also_published: [{{ file: \"{folder}/other.pub.pem\" }}]
    issuer: modgud
    audience: modules
    lifetime: 10s
    claims:
      username: {{ claim: username }}
      scope: {{ principal: scopes }}
rules: [{{ name: news, match: {{ paths: [\"/crm/news/{{*rest}}\"] }}, access: optional }}]
upstream: {{ credential: {{ mint: internal }}, headers: {{ x-username: {{ claim: username, encode: percent }} }} }}
"
        )
        .into_boxed_str(),
    )
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

/// Replaces a file atomically, as a key rotation should.
fn put(folder: &Path, name: &str, text: &str) {
    let adjacent = folder.join(format!("{name}.new"));
    fs::write(&adjacent, text).unwrap();
    fs::rename(adjacent, folder.join(name)).unwrap();
}

/// The names of the keys that are published.
async fn published(testbed: &Testbed) -> Vec<String> {
    let answer = Exchange::get(testbed.modgud_admin, "/.well-known/jwks.json").await.unwrap();
    let keys = answer.json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Asks with this token as long as these keys are not yet the published ones; every answer has to be that of a module that has
/// verified what it got.
async fn until_published(testbed: &Testbed, token: &str, keys: &[String]) -> usize {
    let asking = async {
        let mut asked = 0;
        loop {
            let last = published(testbed).await == keys;
            verified(testbed, token).await;
            asked += 1;
            if last {
                return asked;
            }
        }
    };
    timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{keys:?} are never published"))
}

/// What the module made of a request with this token.
async fn verified(testbed: &Testbed, token: &str) -> Seen {
    let answer = ask(testbed.gateway, "GET", "/crm/", &[jwt(token)]).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    Seen::of(&answer)
}

#[tokio::test]
async fn a_module_believes_one_issuer_and_keys_rotate_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (key(), key());
    put(folder.path(), "signing.key", old.private_text().unwrap().expose_secret());
    put(folder.path(), "other.pub.pem", &new.public_pem().unwrap());
    let config = Some(configuration(folder.path()));
    let testbed = testbed(Setup { config, modules: Verified::Minted, ..Setup::default() }).await;
    let token = sign(&testbed.key, &with(with(claims(), "username", json!("José")), "azp", json!("portal")));

    let seen = verified(&testbed, &token).await;
    let mut decoded = seen.decoded.clone();
    let times: Vec<Option<Value>> =
        ["iat", "exp", "jti"].map(|name| decoded.as_object_mut().unwrap().remove(name)).into();
    assert!(times.iter().all(Option::is_some), "{seen:?}");
    let expected = json!({
        "iss": "modgud", "aud": "modules", "sub": "fd76ce0c-d8be-4aa6-91ed-59e698f6af60", "act": {"sub": "portal"},
        "username": "José", "scope": ["read", "write"],
    });
    assert_eq!(decoded, expected);
    assert!(!format!("{seen:?}").contains(&token), "the client's own token reaches no module");
    assert_eq!(seen.values("x-username"), ["Jos%C3%A9"]);

    // Nobody gets no token, and brings none.
    let forged = format!("Authorization: Bearer {}", key().sign(&claims()).unwrap());
    let anonymous = ask(testbed.gateway, "GET", "/crm/news/", &[]).await;
    assert_eq!((anonymous.status, Seen::of(&anonymous).decoded), (200, Value::Null));
    assert_eq!(ask(testbed.gateway, "GET", "/crm/news/", std::slice::from_ref(&forged)).await.status, 401);

    let ids = published(&testbed).await;
    assert_eq!(ids.len(), 2);
    put(folder.path(), "other.pub.pem", &old.public_pem().unwrap());
    put(folder.path(), "signing.key", new.private_text().unwrap().expose_secret());
    let swapped = [ids[1].clone(), ids[0].clone()];
    assert!(until_published(&testbed, &token, &swapped).await > 0);
    put(folder.path(), "other.pub.pem", &new.public_pem().unwrap());
    until_published(&testbed, &token, &swapped[..1]).await;
    testbed.stop().await;
}
