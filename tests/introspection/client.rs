//! What the server is asked, and by whom.

use super::asked::{Asked, yaml, yaml_with};
use super::server::{AuthorizationServer, Shown};
use serde_json::json;

#[tokio::test]
async fn the_client_shows_itself_as_configured_whatever_its_secret_holds() {
    for (shown, more) in [
        (Shown::Basic, ""),
        (Shown::Basic, "client_authentication: basic"),
        (Shown::Post, "client_authentication: post"),
    ] {
        let server = AuthorizationServer::shown(shown).await;
        // `/`, `+`, `~` and `=` may stand in a token (RFC 6750 §2.1), and would mean something else in a form.
        let token = "a/b+c~d-e_f.g==";
        server.knows(token, &json!({ "active": true, "sub": "u" }));
        let mut asked = Asked::start(&yaml(&server, more)).await;
        assert_eq!(asked.ask(token).await, "allowed", "{shown:?} {more}");
        assert_eq!(asked.ask("a/b").await, "token_inactive", "{shown:?} {more}");
    }
}

/// If the server rejects modgud's credentials, the token is not to blame.
#[tokio::test]
async fn a_wrong_secret_is_our_fault() {
    let server = AuthorizationServer::of(&["good"]).await;
    for wrong in [yaml_with(&server, "wrong", "cache: 30s"), yaml(&server, "client_authentication: post")] {
        let before = server.count();
        let mut asked = Asked::start(&wrong).await;
        assert_eq!(asked.ask("good").await, "introspection_unavailable");
        assert_eq!(asked.ask("good").await, "introspection_unavailable", "and it is not remembered");
        assert_eq!(server.count(), before + 2);
        assert_eq!(asked.outcome("failed").await, 2);
    }
}
