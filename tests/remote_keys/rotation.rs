//! Keys that come and go while the provider can be asked.

use super::asked::{Asked, token, yaml};
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey};

/// A provider's set that is fetched by and by only when it is asked for.
fn rarely(idp: &Idp) -> String {
    yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")))
}

#[tokio::test]
async fn a_new_key_signs_at_once_without_denials() {
    let (old, new) = (IdpKey::new("old"), IdpKey::new("new"));
    let idp = Idp::of(&[&old]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    let known = token(&old, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    assert_eq!(idp.count("/jwks"), 1);

    idp.publish(&[&old, &new]);
    for number in 0..5 {
        assert_eq!(asked.ask(&token(&new, NOW, number)).await, "allowed");
        assert_eq!(asked.ask(&known).await, "allowed");
        assert_eq!(asked.ask(&token(&old, NOW, 100 + number)).await, "allowed");
    }
    assert_eq!(idp.count("/jwks"), 2, "the one that was not known cost one fetch");
}

#[tokio::test]
async fn a_key_that_is_removed_is_so_for_tokens_that_were_verified_before_too() {
    let (leaked, new) = (IdpKey::new("leaked"), IdpKey::new("new"));
    let idp = Idp::of(&[&leaked]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    let known = token(&leaked, NOW - 10, 0);
    for _ in 0..2 {
        assert_eq!(asked.ask(&known).await, "allowed");
    }
    idp.publish(&[&new]);
    // The first message is about the new key; the removal comes with it.
    assert_eq!(asked.ask(&token(&new, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&known).await, "key_unknown");
    assert_eq!(idp.count("/jwks"), 2, "it was issued before the keys were had: nobody asks again");
}

#[tokio::test]
async fn the_same_name_for_another_key_is_another_key() {
    let (old, new) = (IdpKey::new("same"), IdpKey::new("same"));
    let idp = Idp::of(&[&old]).await;
    let mut asked = Asked::ready(&yaml(&format!("jwks: {{ url: {:?}, refresh: 1s }}", idp.url("/jwks")))).await;
    let known = token(&old, NOW, 0);
    assert_eq!(asked.ask(&known).await, "allowed");
    assert_eq!(asked.ask(&token(&new, NOW, 0)).await, "signature_invalid");
    idp.publish(&[&new]);
    let asked_before = idp.count("/jwks");
    // The question after the next one is asked when the next one's answer is in.
    idp.wait_for_requests("/jwks", asked_before + 2).await;
    assert_eq!(asked.ask(&token(&new, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&known).await, "signature_invalid");
}

#[tokio::test]
async fn two_keys_of_one_name_are_both_tried() {
    let (one, other) = (IdpKey::new("same"), IdpKey::new("same"));
    let idp = Idp::of(&[&one, &other]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    assert_eq!(asked.ask(&token(&one, NOW, 0)).await, "allowed");
    assert_eq!(asked.ask(&token(&other, NOW, 0)).await, "allowed");
}

/// Between two refreshes an unknown key may be new or invented, unless the token is older than the JWKS.
#[tokio::test]
async fn within_the_window_the_signing_time_decides_about_an_unknown_key() {
    let (one, two, three) = (IdpKey::new("1"), IdpKey::new("2"), IdpKey::new("3"));
    let idp = Idp::of(&[&one]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    asked.at(100);
    idp.publish(&[&one, &two]);
    assert_eq!(asked.ask(&token(&two, NOW + 100, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 2);

    idp.publish(&[&one, &two, &three]);
    asked.at(104);
    assert_eq!(asked.ask(&token(&three, NOW + 101, 0)).await, "keys_unavailable", "it may be new");
    assert_eq!(asked.ask(&token(&three, NOW + 100, 0)).await, "keys_unavailable", "or of that very second");
    assert_eq!(asked.ask(&token(&three, NOW + 99, 0)).await, "key_unknown", "it would have been there");
    assert_eq!(asked.ask(&token(&one, NOW + 101, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 2);
    asked.at(105);
    // Somebody came too soon: what was put off is asked for, whether anybody comes or not.
    idp.wait_for_requests("/jwks", 3).await;
    assert_eq!(asked.ask(&token(&three, NOW + 101, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 3);
    let stranger = IdpKey::new("4");
    asked.at(160);
    assert_eq!(asked.ask(&token(&stranger, NOW + 160, 0)).await, "key_unknown", "just asked: there is none");
}

/// An attacker who spends the fetch just before a rotation delays it by the rest of five seconds, and by no more however many come.
#[tokio::test]
async fn an_unknown_kid_does_not_spend_the_fetch_that_a_rotation_needs() {
    let (old, new, stranger) = (IdpKey::new("old"), IdpKey::new("new"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&old]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    let source = idp.url("/jwks");
    let successes =
        format!("modgud_key_fetches_total{{authenticator=\"idp\",source=\"{source}\",outcome=\"success\"}}");
    let mut fetches = 1;
    for round in 1..=3 {
        let at = round * 10;
        asked.at(at);
        // Whatever it says about itself: nothing of it can be trusted.
        assert_eq!(asked.ask(&token(&stranger, NOW + at, round)).await, "key_unknown");
        fetches += 1;
        assert_eq!(idp.count("/jwks"), fetches);
        for (number, issued) in [NOW, NOW + at, NOW + at + 1, NOW + 500_000].into_iter().enumerate() {
            let forged = token(&stranger, issued, 100 * round + u64::try_from(number).unwrap());
            assert_ne!(asked.ask(&forged).await, "allowed");
        }
        if round == 2 {
            idp.publish(&[&old, &new]);
            assert_eq!(asked.ask(&token(&new, NOW + at, 0)).await, "keys_unavailable", "for now");
        }
        assert_eq!(idp.count("/jwks"), fetches, "not one fetch more for all of them");
        asked.at(at + 5);
        fetches += 1;
        idp.wait_for_requests("/jwks", fetches).await;
        // A check joins a fetch under way, and its answer is as of the fetch's beginning.
        asked.metric(&successes, fetches).await;
    }
    for number in 0..3 {
        assert_eq!(asked.ask(&token(&new, NOW + 20, number)).await, "allowed");
        assert_eq!(asked.ask(&token(&old, NOW, number)).await, "allowed", "nobody else was ever turned away");
    }
    assert_eq!(idp.count("/jwks"), fetches);
}
