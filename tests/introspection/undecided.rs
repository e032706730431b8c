//! `denials.unavailable: error`: what is left to Envoy is a server that is away, and no token makes it look so.

use super::asked::{Asked, with, yaml};
use super::server::AuthorizationServer;
use modgud::envoy::proto::HttpResponse;
use modgud_testbed::idp::Reply;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

/// What becomes of a token.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Denied(i32),
    /// Left to Envoy.
    Left,
}

async fn outcome(asked: &Asked, token: &str) -> Outcome {
    let response = asked.sidecar.client().await.check(with(token)).await.unwrap().into_inner();
    match response.http_response.unwrap() {
        HttpResponse::OkResponse(_) => Outcome::Allowed,
        HttpResponse::DeniedResponse(denied) => Outcome::Denied(denied.status.unwrap().code),
        HttpResponse::ErrorResponse(_) => Outcome::Left,
    }
}

async fn asked(server: &AuthorizationServer) -> Asked {
    Asked::start(&format!("{}denials: {{ unavailable: error }}\n", yaml(server, "cache: 0s"))).await
}

fn status(status: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
}

/// Something before the server, such as a firewall, closes the connection on it or answers as if there were no server.
#[tokio::test]
async fn an_odd_token_is_never_left_to_envoy() {
    let replies = [Reply::Close, status("502 Bad Gateway"), status("503 Service Unavailable"), status("504 Timeout")];
    for reply in replies {
        let server = AuthorizationServer::of(&["good"]).await;
        let asked = asked(&server).await;
        server.replies("odd", reply.clone());
        for number in 0..10 {
            assert_eq!(outcome(&asked, "odd").await, Outcome::Denied(503), "{reply:?}, {number}");
            assert_eq!(outcome(&asked, "good").await, Outcome::Allowed);
        }
        // Until the server is left alone; for others, too, that is none that is away.
        for number in 0..10 {
            assert_eq!(outcome(&asked, "odd").await, Outcome::Denied(503), "{reply:?}, {number}");
        }
        assert_eq!(server.count(), 25);
        assert_eq!(outcome(&asked, "good").await, Outcome::Denied(503), "{reply:?}");
    }
}

/// A proxy that has no server to pass questions on to.
#[tokio::test]
async fn a_server_that_fails_for_different_tokens_in_a_row_is_away() {
    let server = AuthorizationServer::of(&["good"]).await;
    let asked = asked(&server).await;
    server.always(Some(status("503 Service Unavailable")));
    for token in ["a", "b", "c", "d"] {
        assert_eq!(outcome(&asked, token).await, Outcome::Denied(503), "{token}");
    }
    assert_eq!(outcome(&asked, "e").await, Outcome::Left);
    assert_eq!(outcome(&asked, "good").await, Outcome::Left);
    server.always(None);
    asked.at(1_000);
    assert_eq!(outcome(&asked, "good").await, Outcome::Allowed);
    server.always(Some(status("503 Service Unavailable")));
    assert_eq!(outcome(&asked, "a").await, Outcome::Denied(503), "it has answered in between");
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_away_at_once() {
    let server = AuthorizationServer::of(&["good"]).await;
    let asked = asked(&server).await;
    assert_eq!(outcome(&asked, "good").await, Outcome::Allowed);
    let address = server.address;
    drop(server);
    let mut tries = interval(Duration::from_millis(5));
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tries.tick().await;
        }
    };
    timeout(Duration::from_secs(60), gone).await.unwrap();
    assert_eq!(outcome(&asked, "good").await, Outcome::Left);
}
