//! Keys that come and go while the provider can be asked.

use super::asked::{Asked, token, yaml};
use crate::support::NOW;
use crate::support::idp::{Idp, IdpKey};

/// A provider's set that is fetched by and by only when it is asked for.
fn rarely(idp: &Idp) -> String {
    yaml(&format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks")))
}

#[tokio::test]
async fn a_new_key_signs_at_once_and_nobody_is_turned_away() {
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
    // The first that is told is one of the new key; the removal comes with it.
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
    idp.asked("/jwks", asked_before + 2).await;
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

/// Between two fetches for unknown keys nobody knows whether a key is new or made up, unless the token is older than the keys.
#[tokio::test]
async fn within_the_window_an_unknown_key_is_told_by_when_it_signed() {
    let (one, two, three) = (IdpKey::new("1"), IdpKey::new("2"), IdpKey::new("3"));
    let idp = Idp::of(&[&one]).await;
    let mut asked = Asked::ready(&rarely(&idp)).await;
    asked.at(100);
    idp.publish(&[&one, &two]);
    assert_eq!(asked.ask(&token(&two, NOW + 100, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 2);

    idp.publish(&[&one, &two, &three]);
    asked.at(129);
    assert_eq!(asked.ask(&token(&three, NOW + 101, 0)).await, "keys_unavailable", "it may be new");
    assert_eq!(asked.ask(&token(&three, NOW + 100, 0)).await, "keys_unavailable", "or of that very second");
    assert_eq!(asked.ask(&token(&three, NOW + 99, 0)).await, "key_unknown", "it would have been there");
    assert_eq!(asked.ask(&token(&one, NOW + 101, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 2);
    asked.at(130);
    assert_eq!(asked.ask(&token(&three, NOW + 101, 0)).await, "allowed");
    assert_eq!(idp.count("/jwks"), 3);
    let stranger = IdpKey::new("4");
    asked.at(160);
    assert_eq!(asked.ask(&token(&stranger, NOW + 160, 0)).await, "key_unknown", "just asked: there is none");
}
