//! What the log says of checks: no more than the configuration asks for, and no more than a client may make it hold.

use super::frame;
use super::frames::{Connection, End, check, last};
use super::raw::Raw;
use crate::cli::process::Serving;
use crate::introspection::asked::yaml as introspection;
use crate::introspection::server::AuthorizationServer;
use crate::support::{Encoding, KEY, check as message};
use prost::Message;
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

async fn serve(folder: &TempDir, yaml: &str) -> Serving {
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await
}

/// The log of a server that rejected many checks, and one message.
async fn of_undecided(decisions: &str) -> String {
    const REFUSED: u32 = 200;
    let folder = TempDir::new().unwrap();
    // It never answers: one check waits for it.
    let server = AuthorizationServer::of(&[]).await;
    server.hold(true);
    let yaml = introspection(&server, "").replace("deadline: 10s", "deadline: 5s, max_in_flight: 1");
    let serving = serve(&folder, &format!("{yaml}telemetry: {{ decisions: {decisions} }}\n")).await;
    let mut connection = Connection::open(&serving.grpc).await;
    let with = |token: &str| {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_bytes()));
        frame(&message(Encoding::Joined, "GET", "/", &headers).encode_to_vec())
    };
    // One without a message, too.
    connection.send(&[check(1), check(3), last(3, &with("first"))].concat()).await;
    server.asked(1).await;
    for stream in (5..).step_by(2).take(usize::try_from(REFUSED).unwrap()) {
        connection.send(&[check(stream), last(stream, &with(&stream.to_string()))].concat()).await;
        assert!(matches!(connection.end(stream).await, End::Answered(_)));
    }
    assert!(matches!(connection.end(1).await, End::Answered(_)));
    serving.end(Signal::INT).await.out
}

#[tokio::test]
async fn where_no_decision_is_logged_none_is() {
    let output = of_undecided("none").await;
    assert!(output.contains("serving"), "{output}");
    assert!(!output.contains("overloaded") && !output.contains("deadline_exceeded"), "{output}");
}

#[tokio::test]
async fn overload_is_logged_now_and_then() {
    let output = of_undecided("denied").await;
    let overloaded = output.lines().filter(|line| line.contains("\"reason\":\"overloaded\"")).count();
    assert!((1..=3).contains(&overloaded), "said {overloaded} times:\n{output}");
    assert!(output.contains("\"reason\":\"deadline_exceeded\""), "{output}");
}

#[tokio::test]
async fn a_long_path_makes_no_long_line() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder, "profile: bifrost\nserver: { deadline: 10s }\n").await;
    let long = format!("/crm/{}", "a".repeat(8_000));
    let mut raw = Raw::at(&serving.grpc).await;
    let denied = raw.send(&frame(&message(Encoding::Raw, "GET", &long, &[]).encode_to_vec())).await.answer().unwrap();
    assert_eq!(denied.status(), Some(401));
    let output = serving.end(Signal::INT).await.out;
    let line = output.lines().find(|line| line.contains("credential_missing")).unwrap();
    assert!(line.len() < 1_024, "{} bytes: {line}", line.len());
    assert!(line.contains(&format!("\"path\":\"/crm/{}…\"", "a".repeat(251))), "{line}");
}
