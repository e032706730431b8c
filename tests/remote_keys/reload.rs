//! A configuration that changes while a provider is down.

use super::asked::{Asked, token, yaml};
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use std::fs;

/// Changes the configuration, and waits until it serves.
async fn change(asked: &Asked, yaml: &str, reloads: u64) {
    fs::write(asked.sidecar.folder().join("modgud.yaml"), yaml).unwrap();
    asked.metric("modgud_config_reloads_total", reloads).await;
}

#[tokio::test]
async fn a_reload_during_an_outage_loses_no_keys() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let entry = format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks"));
    let mut asked = Asked::ready(&yaml(&entry)).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");
    idp.reply("/jwks", Reply::Close);

    change(&asked, &format!("{}# the same\n", yaml(&entry)), 1).await;
    assert_eq!(asked.ask(&token(&key, NOW, 1)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 1, "whoever is followed already is not asked anew");

    // Asked less often, it is still the same provider.
    change(&asked, &yaml(&entry.replace("1h", "2h")), 2).await;
    idp.wait_for_requests("/jwks", 2).await;
    assert_eq!(asked.ask(&token(&key, NOW, 2)).await, "allowed");

    // Another address is another provider.
    change(&asked, &yaml(&entry.replace("/jwks", "/other")), 3).await;
    assert_eq!(asked.ask(&token(&key, NOW, 3)).await, "keys_unavailable");
}

/// Whoever is not used any more is not asked any more.
#[tokio::test]
async fn a_provider_that_is_taken_out_is_left_alone() {
    let key = IdpKey::new("key");
    let (idp, other) = (Idp::of(&[&key]).await, Idp::of(&[&key]).await);
    let of = |idp: &Idp| yaml(&format!("jwks: {{ url: {:?}, refresh: 1s }}", idp.url("/jwks")));
    let asked = Asked::ready(&of(&idp)).await;
    idp.wait_for_requests("/jwks", 2).await;
    change(&asked, &of(&other), 1).await;
    let before = idp.count("/jwks");
    other.wait_for_requests("/jwks", 4).await;
    assert!(idp.count("/jwks") <= before + 1, "one question may have been under way");
}
