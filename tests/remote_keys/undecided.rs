//! `denials.unavailable: error`: what is left to Envoy, and what is not, however it is asked for.

use super::asked::{Asked, token, with, yaml};
use crate::support::NOW;
use modgud::envoy::proto::HttpResponse;
use modgud_testbed::idp::{Idp, IdpKey, Reply};

/// The answer to a token: whether it is an error, and its status.
async fn answer(asked: &Asked, token: &str) -> (bool, i32) {
    let response = asked.sidecar.client().await.check(with(token)).await.unwrap().into_inner();
    assert_ne!(response.status.unwrap().code, 0);
    match response.http_response.unwrap() {
        HttpResponse::DeniedResponse(denied) => (false, denied.status.unwrap().code),
        HttpResponse::ErrorResponse(error) => (true, error.status.unwrap().code),
        HttpResponse::OkResponse(_) => panic!("let through"),
    }
}

#[tokio::test]
async fn a_made_up_key_is_never_an_error_that_envoy_could_let_pass() {
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&key]).await;
    let keys = format!("jwks: {{ url: {:?}, refresh: 1h }}", idp.url("/jwks"));
    let yaml = format!("{}\ndenials: {{ unavailable: error }}\n", yaml(&keys));
    let asked = Asked::ready(&yaml).await;
    idp.reply("/jwks", Reply::Close);
    // Its issuer can't be asked whether the key is new: undecided, and still a denial, since anybody can make up a key.
    assert_eq!(answer(&asked, &token(&stranger, NOW, 0)).await, (false, 503));
    // Nor while it is too soon to ask again.
    for number in 0..20 {
        assert_eq!(answer(&asked, &token(&stranger, NOW + 1, number)).await, (false, 503));
    }
    // Without a usable key, no caller can be authenticated.
    asked.at(2 * 24 * 3_600);
    assert_eq!(answer(&asked, &token(&stranger, NOW, 0)).await, (true, 503));
}
