//! A start: what is waited for, and what is not.

use super::asked::{Asked, token, yaml};
use crate::support::{KEY, NOW};
use modgud_testbed::idp::{Idp, IdpKey, Reply};

/// Another authenticator, with a key of its own.
fn and_another(yaml: &str) -> String {
    let pem = KEY.public_pem().unwrap();
    let other = "- name: other\n  from: [{ header: x-other }]\n  jwt: { issuer: other, algorithms: [RS256], keys: [{ pem: { value: ";
    format!("{yaml}{other}{pem:?} }} }}] }}\n")
}

#[tokio::test]
async fn not_ready_before_the_first_keys_are_in() {
    let key = IdpKey::new("key");
    let idp = Idp::start().await;
    idp.reply("/jwks", Reply::Silence);
    let yaml = yaml(&format!("jwks: {{ url: {:?} }}", idp.url("/jwks")));
    for yaml in [yaml.clone(), and_another(&yaml)] {
        let before = idp.count("/jwks");
        let asked = Asked::start(&yaml).await;
        idp.wait_for_requests("/jwks", before + 1).await;
        asked.until("not ready: keys of idp\n").await;
    }
    idp.publish(&[&key]);
    Asked::ready(&yaml).await;
}

/// A provider that is down must not keep out those who come with other credentials.
#[tokio::test]
async fn a_provider_that_is_down_delays_only_its_own_tokens() {
    let key = IdpKey::new("key");
    let idp = Idp::start().await;
    idp.reply("/jwks", Reply::Close);
    let yaml = yaml(&format!("jwks: {{ url: {:?} }}", idp.url("/jwks")));
    let mut asked = Asked::ready(&and_another(&yaml)).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "keys_unavailable");
    let alone = Asked::start(&yaml).await;
    let asked_so_often = idp.count("/jwks");
    idp.wait_for_requests("/jwks", asked_so_often + 2).await;
    assert_eq!(alone.readyz().await, "not ready: keys of idp\n");
}

#[tokio::test]
async fn a_fixed_key_serves_while_the_provider_is_down() {
    let (fixed, published) = (IdpKey::new("fixed"), IdpKey::new("published"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, modgud_testbed::idp::jwk_set(&[&fixed]).to_string()).unwrap();
    let idp = Idp::start().await;
    idp.reply("/jwks", Reply::Close);
    let entries = format!("{{ jwks: {{ file: {file:?} }} }}, {{ jwks: {{ url: {:?} }} }}", idp.url("/jwks"));
    let mut asked = Asked::ready(&yaml(&entries)).await;
    assert_eq!(asked.ask(&token(&fixed, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&token(&published, NOW, 0)).await, "keys_unavailable");
    idp.publish(&[&published]);
    asked.at(30);
    assert_eq!(asked.ask(&token(&published, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&token(&fixed, NOW, 1)).await, "allowed");
}
