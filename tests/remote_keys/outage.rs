//! A provider that can't be asked.

use super::asked::{Asked, token, yaml};
use crate::support::NOW;
use modgud::server::app::Shutdown;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use std::os::unix::fs::MetadataExt;

#[tokio::test]
async fn while_it_is_down_known_and_new_tokens_are_good() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1s }}", idp.url("/jwks")))).await;
    let known = token(&key, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    idp.reply("/jwks", Reply::Close);
    let before = idp.count("/jwks");
    for number in 1..4 {
        idp.wait_for_requests("/jwks", before + number).await;
        assert_eq!(asked.ask(&known).await, "allowed");
        assert_eq!(asked.ask(&token(&key, NOW, number)).await, "allowed");
    }
    assert_eq!(asked.readyz().await, "ready\n");
    let failures = r#"modgud_key_fetches_total{authenticator="idp","#.to_owned();
    let failures = format!("{failures}source=\"{}\",outcome=\"failure\"}}", idp.url("/jwks"));
    let counters = asked.metric(&failures, 2).await;
    let keys = format!("modgud_keys{{authenticator=\"idp\",source=\"{}\"}}", idp.url("/jwks"));
    assert_eq!(counters.get(&keys), 1);
}

#[tokio::test]
async fn keys_that_are_too_old_serve_no_more_until_it_is_back() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let entry = format!("jwks: {{ url: {:?}, refresh: 30m, stale_if_error: 1h }}", idp.url("/jwks"));
    let mut asked = Asked::ready(&yaml(&entry)).await;
    let known = token(&key, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    idp.reply("/jwks", Reply::Close);
    asked.at(3_599);
    assert_eq!(asked.ask(&known).await, "allowed");
    asked.at(3_600);
    assert_eq!(asked.ask(&known).await, "keys_unavailable");
    assert_eq!(asked.ask(&token(&key, NOW, 1)).await, "keys_unavailable");
    assert_eq!(idp.count("/jwks"), 2, "and it was asked once");
    let keys = format!("modgud_keys{{authenticator=\"idp\",source=\"{}\"}}", idp.url("/jwks"));
    assert_eq!(asked.metric(&keys, 0).await.get(&keys), 0);
    idp.publish(&[&key]);
    asked.at(3_630);
    assert_eq!(asked.ask(&known).await, "allowed");
}

#[tokio::test]
async fn a_restart_serves_with_what_was_kept_and_not_without() {
    let (key, new) = (IdpKey::new("key"), IdpKey::new("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let idp = Idp::of(&[&key]).await;
    let url = idp.url("/jwks");
    let keeping = yaml(&format!("jwks: {{ url: {url:?}, refresh: 1s, stale_if_error: 1h, cache_file: {file:?} }}"));
    let mut asked = Asked::ready(&keeping).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");
    // The file is written before the next question is asked.
    idp.wait_for_requests("/jwks", 2).await;
    let inode = file.metadata().unwrap().ino();
    idp.wait_for_requests("/jwks", 4).await;
    assert_eq!(file.metadata().unwrap().ino(), inode, "the same keys are not written again");
    idp.reply("/jwks", Reply::Close);
    asked.sidecar.stop(Shutdown::Immediate).await;

    let mut asked = Asked::ready(&keeping).await;
    assert_eq!(asked.ask(&token(&key, NOW, 1)).await, "allowed");
    asked.at(3_600);
    assert_eq!(asked.ask(&token(&key, NOW, 1)).await, "keys_unavailable", "its age counts");
    asked.sidecar.stop(Shutdown::Immediate).await;

    let mut without = Asked::start(&yaml(&format!("jwks: {{ url: {url:?} }}"))).await;
    let before = idp.count("/jwks");
    assert_eq!(without.ask(&token(&key, NOW, 2)).await, "keys_unavailable");
    assert_eq!(without.readyz().await, "not ready: keys of idp\n");
    idp.publish(&[&new]);
    idp.wait_for_requests("/jwks", before + 1).await;
    without.until("ready\n").await;
    assert_eq!(without.ask(&token(&new, NOW, 2)).await, "allowed");
    without.sidecar.stop(Shutdown::Immediate).await;

    // What another provider's file holds is not taken.
    let other = yaml(&format!("jwks: {{ url: {:?}, cache_file: {file:?} }}", idp.url("/other")));
    let mut other = Asked::start(&other).await;
    assert_eq!(other.ask(&token(&key, NOW, 3)).await, "keys_unavailable");
}
