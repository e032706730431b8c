//! `ca`: whose certificates are trusted.

use super::asked::{Asked, token, yaml};
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey};
use std::fs;

#[tokio::test]
async fn the_authorities_of_ca_are_trusted_and_a_changed_file_serves() {
    let key = IdpKey::new("key");
    let (idp, authority) = Idp::start_tls().await;
    let (_, stranger) = Idp::start_tls().await;
    idp.publish(&[&key]);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &stranger).unwrap();
    let url = format!("https://localhost:{}/jwks", idp.address.port());
    let mut asked = Asked::start(&yaml(&format!("jwks: {{ url: {url:?}, ca: {ca:?} }}"))).await;
    let failures = format!("modgud_key_fetches_total{{authenticator=\"idp\",source=\"{url}\",outcome=\"failure\"}}");
    asked.metric(&failures, 1).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "keys_unavailable");
    assert_eq!(idp.count("/jwks"), 0, "nothing is asked of whoever can't be trusted");

    fs::write(&ca, &authority).unwrap();
    asked.metric("modgud_config_reloads_total", 1).await;
    asked.until("ready\n").await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");

    // The public authorities, which are trusted where none are named, have never heard of this one.
    let mut public = Asked::start(&yaml(&format!("jwks: {{ url: {url:?} }}"))).await;
    assert_eq!(public.ask(&token(&key, NOW, 0)).await, "keys_unavailable");
}
