//! OpenID providers: the discovery document leads to the keys, if it is that of the very issuer.

use super::asked::{Asked, token_of, yaml_of};
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey, Reply, discovery};

const DISCOVERY: &str = "/realm/.well-known/openid-configuration";

#[tokio::test]
async fn the_discovery_document_of_the_very_issuer_leads_to_its_keys() {
    let key = IdpKey::new("key");
    for (spelled, slash) in [("oidc: ISSUER", ""), ("oidc: { issuer: ISSUER, refresh: 1h }", "/")] {
        let idp = Idp::of(&[&key]).await;
        let issuer = format!("{}{slash}", idp.url("/realm"));
        idp.reply(DISCOVERY, discovery(&issuer, &idp.url("/jwks")));
        let yaml = yaml_of(&issuer, &spelled.replace("ISSUER", &format!("{issuer:?}")));
        let mut asked = Asked::ready(&yaml).await;
        assert_eq!(asked.ask(&token_of(&issuer, &key, NOW, 0)).await, "allowed");
        assert_eq!((idp.count(DISCOVERY), idp.count("/jwks")), (1, 1));
    }
}

#[tokio::test]
async fn what_is_not_the_document_of_the_issuer_leads_nowhere() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let issuer = idp.url("/realm");
    let jwks = idp.url("/jwks");
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", idp.url("/moved"));
    idp.reply("/moved", discovery(&issuer, &jwks));
    idp.reply(DISCOVERY, Reply::Close);
    let mut asked = Asked::start(&yaml_of(&issuer, &format!("oidc: {issuer:?}"))).await;
    let mut seconds = 0;
    for reply in [
        discovery(&format!("{issuer}/"), &jwks),
        discovery("https://evil.example.com", &jwks),
        discovery("", &jwks),
        discovery(&issuer, "http://keys.example.com/jwks"),
        discovery(&issuer, "file:///etc/passwd"),
        discovery(&issuer, "/jwks"),
        Reply::Body(b"<html>".to_vec()),
        Reply::Raw(redirect.into_bytes()),
    ] {
        let shown = format!("{reply:?}");
        idp.reply(DISCOVERY, reply);
        seconds += 30;
        asked.at(seconds);
        assert_eq!(asked.ask(&token_of(&issuer, &key, NOW, 0)).await, "keys_unavailable", "{shown}");
    }
    assert_eq!((idp.count("/jwks"), idp.count("/moved")), (0, 0));
    idp.reply(DISCOVERY, discovery(&issuer, &jwks));
    asked.at(seconds + 30);
    assert_eq!(asked.ask(&token_of(&issuer, &key, NOW, 0)).await, "allowed");
    asked.until("ready\n").await;
}
