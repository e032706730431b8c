//! How long responses are cached, with a clock that a test sets.

use super::asked::{Asked, yaml};
use super::server::AuthorizationServer;
use crate::support::NOW;
use modgud_testbed::idp::Reply;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

#[tokio::test]
async fn a_yes_counts_for_cache_and_a_no_for_negative_cache() {
    for (more, yes, no) in [
        ("", 30_000, 5_000),
        ("cache: 90s, negative_cache: 1500ms", 90_000, 1_500),
        ("cache: 1s, negative_cache: 0s", 1_000, 0),
    ] {
        let server = AuthorizationServer::of(&["good"]).await;
        let mut asked = Asked::start(&yaml(&server, more)).await;
        let mut expected = 0;
        for (at, news) in [(0, 1), (yes - 1, 0), (yes, 1), (2 * yes - 1, 0), (2 * yes, 1)] {
            asked.at(at);
            expected += news;
            assert_eq!((asked.ask("good").await.as_str(), server.count()), ("allowed", expected), "{more} {at}");
        }
        asked.at(0);
        assert_eq!(asked.ask("good").await, "allowed");
        expected += 1;
        assert_eq!(server.count(), expected, "a clock that went back makes no answer count for longer");
        for (at, news) in [(0, 1), (no.max(1) - 1, u64::from(no == 0)), (no, 1)] {
            asked.at(at);
            expected += news;
            assert_eq!((asked.ask("bad").await.as_str(), server.count()), ("token_inactive", expected), "{more} {at}");
        }
    }
}

/// A server may prolong a token: at its end it is asked again.
#[tokio::test]
async fn no_yes_counts_beyond_the_end_of_the_token() {
    let server = AuthorizationServer::start().await;
    server.knows("ends", &json!({ "active": true, "exp": NOW + 10 }));
    server.knows("longer", &json!({ "active": true, "exp": NOW + 10 }));
    let mut asked = Asked::start(&yaml(&server, "cache: 1h, stale_if_error: 1h")).await;
    for token in ["ends", "longer"] {
        assert_eq!(asked.ask(token).await, "allowed");
    }
    asked.at(9_999);
    for token in ["ends", "longer"] {
        assert_eq!(asked.ask(token).await, "allowed");
    }
    assert_eq!(server.count(), 2);
    server.knows("ends", &json!({ "active": false }));
    server.knows("longer", &json!({ "active": true, "exp": NOW + 20 }));
    asked.at(10_000);
    assert_eq!(asked.ask("ends").await, "token_inactive");
    assert_eq!(asked.ask("longer").await, "allowed");
    assert_eq!(server.count(), 4);
    server.always(Some(Reply::Close));
    asked.at(20_000);
    assert_eq!(asked.ask("longer").await, "introspection_unavailable", "also while the server fails");
}

#[tokio::test]
async fn the_last_value_wins() {
    let server = AuthorizationServer::of(&["token"]).await;
    let mut asked = Asked::start(&yaml(&server, "cache: 10s, negative_cache: 20s, stale_if_error: 1h")).await;
    assert_eq!(asked.ask("token").await, "allowed");
    server.knows("token", &json!({ "active": false }));
    asked.at(10_000);
    assert_eq!(asked.ask("token").await, "token_inactive");
    server.always(Some(Reply::Close));
    asked.at(30_000);
    assert_eq!(asked.ask("token").await, "introspection_unavailable", "what it was before is forgotten");
    server.always(None);
    server.knows("token", &json!({ "active": true }));
    assert_eq!(asked.ask("token").await, "allowed");
    assert_eq!(asked.ask("token").await, "allowed");
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn a_known_answer_counts_longer_while_the_server_fails_if_that_is_allowed() {
    let server = AuthorizationServer::of(&["good"]).await;
    let mut asked = Asked::start(&yaml(&server, "stale_if_error: 60s")).await;
    let mut strict = Asked::start(&yaml(&server, "")).await;
    for asked in [&mut asked, &mut strict] {
        assert_eq!(asked.ask("good").await, "allowed");
        assert_eq!(asked.ask("bad").await, "token_inactive");
    }
    server.always(Some(Reply::Close));
    for (at, expected) in
        [(29_999, "allowed"), (30_000, "allowed"), (89_999, "allowed"), (90_000, "introspection_unavailable")]
    {
        asked.at(at);
        assert_eq!(asked.ask("good").await, expected, "{at}");
    }
    asked.at(5_000);
    assert_eq!(asked.ask("bad").await, "introspection_unavailable", "a no counts no longer");
    strict.at(30_000);
    assert_eq!(strict.ask("good").await, "introspection_unavailable");
    server.always(None);
    asked.at(90_000);
    assert_eq!(asked.ask("good").await, "allowed");
}

#[tokio::test]
async fn a_revocation_counts_for_what_is_known() {
    let server = AuthorizationServer::of(&["ann", "bob"]).await;
    let yaml = format!("{}revocations: {{ file: revoked.yaml }}\n", yaml(&server, "cache: 1h"));
    let files = BTreeMap::from([("revoked.yaml".to_owned(), "{}\n".to_owned())]);
    let mut asked = Asked::start_with(&yaml, &files).await;
    for token in ["ann", "bob"] {
        assert_eq!(asked.ask(token).await, "allowed");
    }
    fs::write(asked.sidecar.folder().join("revoked.yaml"), "subjects: [ann]\n").unwrap();
    asked.metric("modgud_revocations_entries", 1).await;
    assert_eq!(asked.ask("ann").await, "token_revoked");
    assert_eq!(asked.ask("bob").await, "allowed");
    assert_eq!(server.count(), 2);
    let entries = |answer: &str| format!("modgud_introspection_cache_entries{{answer=\"{answer}\"}}");
    let counters = asked.counters().await;
    assert_eq!((counters.get(&entries("active")), counters.get(&entries("inactive"))), (2, 0));
}
