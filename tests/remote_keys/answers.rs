//! Providers that answer with something else than good keys.

use super::asked::{Asked, token, with, yaml};
use crate::decisions::answer::Answer;
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey, Reply, jwk_set};
use serde_json::json;

#[tokio::test]
async fn no_bad_answer_takes_good_keys_away() {
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&key]).await;
    let aim = Idp::of(&[&key, &stranger]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")))).await;
    let redirect = |status| {
        let answer = format!("HTTP/1.1 {status} Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", aim.url("/jwks"));
        Reply::Raw(answer.into_bytes())
    };
    let body = |text: &str| Reply::Body(text.as_bytes().to_vec());
    let mut private = stranger.jwk();
    private["d"] = json!("AAAA");
    let large = format!("{{\"pad\": \"{}\", \"keys\": [{}]}}", " ".repeat(10_000_000), stranger.jwk());
    let many: Vec<_> = (0..101).map(|_| stranger.jwk()).collect();
    let bad = [
        redirect(301),
        redirect(307),
        Reply::Raw(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Reply::Close,
        body(""),
        body("<html><title>Maintenance</title></html>"),
        body("{}"),
        body("[]"),
        body(r#"{"keys": []}"#),
        body(r#"{"keys": [{"kty": "EC"}]}"#),
        body(&json!({ "keys": [private] }).to_string()),
        body(&json!({ "keys": many }).to_string()),
        body(&large),
    ];
    let mut seconds = 0;
    for (number, reply) in bad.into_iter().enumerate() {
        let shown = format!("{reply:?}").chars().take(100).collect::<String>();
        idp.reply("/jwks", reply);
        seconds += 30;
        asked.at(seconds);
        let number = u64::try_from(number).unwrap();
        assert_eq!(asked.ask(&token(&stranger, NOW + seconds, number)).await, "keys_unavailable", "{shown}");
        assert_eq!(asked.ask(&token(&key, NOW, number)).await, "allowed", "{shown}");
        assert_eq!(idp.count("/jwks"), number + 2, "{shown}");
    }
    assert_eq!(aim.count("/jwks"), 0, "no redirect is followed");
    idp.publish(&[&stranger]);
    asked.at(seconds + 30);
    assert_eq!(asked.ask(&token(&stranger, NOW, 0)).await, "allowed");
}

#[tokio::test]
async fn odd_keys_are_left_out_and_the_others_serve() {
    let (key, leaked) = (IdpKey::new("key"), IdpKey::new("leaked"));
    let mut private = leaked.jwk();
    private["d"] = json!("AAAA");
    let odd =
        json!({ "keys": [1, {}, {"kty": "XYZ", "kid": "new"}, private, { "kty": "oct", "k": "AAAA" }, key.jwk()] });
    let idp = Idp::start().await;
    idp.reply("/jwks", Reply::Body(odd.to_string().into_bytes()));
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?} }}", idp.url("/jwks")))).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&token(&leaked, NOW - 1, 0)).await, "key_unknown");
    let keys = format!("modgud_keys{{authenticator=\"idp\",source=\"{}\"}}", idp.url("/jwks"));
    assert_eq!(asked.metric(&keys, 1).await.get(&keys), 1);
}

/// A check that waits for keys says that it lacked them, in time, however slowly the provider answers.
#[tokio::test]
async fn a_provider_that_is_silent_or_slow_costs_a_check_no_more_than_its_time() {
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    for reply in [Reply::Silence, Reply::Drip] {
        let idp = Idp::of(&[&key]).await;
        let yaml = yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")));
        let mut asked = Asked::ready(&yaml.replace("deadline: 10s", "deadline: 500ms")).await;
        idp.reply("/jwks", reply);
        assert_eq!(asked.ask(&token(&stranger, NOW, 0)).await, "keys_unavailable", "not `deadline_exceeded`");
        assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");
        // The next one waits for the same answer.
        let mut client = asked.sidecar.client().await;
        let answer = client.check(with(&token(&stranger, NOW, 1))).await.unwrap().into_inner();
        assert_eq!(Answer::read(answer).unwrap().status(), Some(503));
        assert_eq!(idp.count("/jwks"), 2);
    }
}

/// A text is compared as the provider wrote it: spaces are no change of keys.
#[tokio::test]
async fn the_same_keys_in_other_words_are_the_same_keys() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1s }}", idp.url("/jwks")))).await;
    let known = token(&key, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    idp.reply("/jwks", Reply::Body(format!("{:#}", jwk_set(&[&key])).into_bytes()));
    let before = idp.count("/jwks");
    idp.wait_for_requests("/jwks", before + 2).await;
    assert_eq!(asked.ask(&known).await, "allowed");
}

/// Google publishes certificates by key id; they are fetched, kept and replaced as a JWKS is.
#[tokio::test]
async fn certificates_are_fetched_like_a_jwks() {
    let certificate = |key: &IdpKey| {
        let pair = rcgen::KeyPair::from_pem(key.private_pem().expose_secret()).unwrap();
        rcgen::CertificateParams::default().self_signed(&pair).unwrap().pem()
    };
    let map = |keys: &[&IdpKey]| {
        let map = keys.iter().map(|key| (key.id.clone(), json!(certificate(key))));
        Reply::Body(json!(map.collect::<serde_json::Map<_, _>>()).to_string().into_bytes())
    };
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    let idp = Idp::start().await;
    idp.reply("/x509", map(&[&key]));
    let mut asked = Asked::ready(&yaml(&format!("certificates: {{ url: {:?}, refresh: 1h }}", idp.url("/x509")))).await;
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "allowed");
    let mut seconds = 0;
    let jwks = jwk_set(&[&stranger]).to_string();
    for bad in ["", "<html>", "{}", r#"{"stranger": "no certificate"}"#, &jwks] {
        seconds += 30;
        asked.at(seconds);
        idp.reply("/x509", Reply::Body(bad.as_bytes().to_vec()));
        assert_eq!(asked.ask(&token(&stranger, NOW + seconds, seconds)).await, "keys_unavailable", "{bad}");
        assert_eq!(asked.ask(&token(&key, NOW, seconds)).await, "allowed", "{bad}");
    }
    idp.reply("/x509", map(&[&stranger]));
    asked.at(seconds + 30);
    assert_eq!(asked.ask(&token(&stranger, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&token(&key, NOW, 0)).await, "key_unknown", "a key that is no longer in the map");
}
