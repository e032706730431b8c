//! Tokens of unknown keys, by the thousand.

use super::asked::{Asked, token, with, yaml};
use crate::decisions::answer::Answer;
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey};
use std::time::Duration;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_made_up_keys_cost_one_fetch_and_valid_traffic_goes_on() {
    const CLIENTS: u64 = 20;
    const EACH: u64 = 500;
    let (good, stranger) = (IdpKey::new("good"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&good]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")))).await;
    let known = token(&good, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    assert_eq!(idp.count("/jwks"), 1);

    let made_up = token(&stranger, NOW - 5, 0);
    let (_, rest) = made_up.split_once('.').unwrap();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = asked.sidecar.client().await;
        let (known, rest) = (known.clone(), rest.to_owned());
        let fresh = token(&good, NOW, 1 + number);
        clients.spawn(async move {
            for kid in 0..EACH {
                let header = format!(r#"{{"alg":"EdDSA","kid":"{number}-{kid}"}}"#);
                let header = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
                let forged = client.check(with(&format!("{header}.{rest}"))).await.unwrap().into_inner();
                assert_eq!(Answer::read(forged).unwrap().status(), Some(401));
                let good = if kid % 2 == 0 { &known } else { &fresh };
                let good = client.check(with(good)).await.unwrap().into_inner();
                assert_eq!(Answer::read(good).unwrap().status(), None);
            }
        });
    }
    let done = tokio::time::timeout(Duration::from_secs(120), clients.join_all()).await;
    assert_eq!(done.map(|done| done.len()), Ok(20));
    assert_eq!(idp.count("/jwks"), 2);
}

/// While the provider is asked for the sake of one key, tokens of known keys are answered.
#[tokio::test]
async fn no_other_request_waits_for_the_fetch() {
    let (good, stranger) = (IdpKey::new("good"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&good]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")))).await;
    idp.reply("/jwks", modgud_testbed::idp::Reply::Silence);
    let mut client = asked.sidecar.client().await;
    let unknown = with(&token(&stranger, NOW, 0));
    let waiting = tokio::spawn(async move { client.check(unknown).await.unwrap().into_inner() });
    idp.wait_for_requests("/jwks", 2).await;
    for number in 0..100 {
        assert_eq!(asked.ask(&token(&good, NOW, number)).await, "allowed");
        assert!(!waiting.is_finished(), "it waits longer than a hundred others take");
    }
    waiting.abort();
}
