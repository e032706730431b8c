//! What the log says of checks: no more than the configuration asks for, and no more than a client may make it hold.

use super::frame;
use super::frames::{Connection, End, check, last};
use super::raw::Raw;
use crate::cli::process::Serving;
use crate::introspection::asked::yaml as introspection;
use crate::introspection::server::AuthorizationServer;
use crate::support::{Encoding, KEY, check as message};
use bytes::Bytes;
use modgud::envoy::proto::{Address, AttributeContext, CheckRequest, Peer, SocketAddress, address};
use prost::Message;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

pub(super) async fn serve(folder: &TempDir, yaml: &str) -> Serving {
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await
}

/// The log of a server that rejected many checks, and one message.
pub(super) async fn of_undecided(decisions: &str) -> String {
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
    assert!(line.contains(&format!("\"url.path\":\"/crm/{}…\"", "a".repeat(251))), "{line}");
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A check from a client at 203.0.113.77, with ids of the request and its trace.
pub(super) fn traced(path: &str, headers: &[(&str, &[u8])]) -> CheckRequest {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let ids: [(&str, &[u8]); 2] = [("x-request-id", b"id-7"), ("traceparent", parent.as_bytes())];
    let mut check = message(Encoding::Raw, "GET", path, &[&ids, headers].concat());
    let socket = SocketAddress { address: Bytes::from_static(b"203.0.113.77"), ..SocketAddress::default() };
    let address = Some(Address { address: Some(address::Address::SocketAddress(socket)) });
    check.attributes =
        check.attributes.map(|all| AttributeContext { source: Some(Peer { address, ..Peer::default() }), ..all });
    check
}

/// The events `name` of a modgud with this configuration, to which these checks are sent.
async fn events(yaml: &str, name: &str, checks: &[CheckRequest]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder, yaml).await;
    let mut raw = Raw::at(&serving.grpc).await;
    for check in checks {
        raw.send(&frame(&check.encode_to_vec())).await.answer().unwrap();
    }
    let output = serving.end(Signal::INT).await.out;
    let events = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["message"] == name).collect()
}

pub(super) const RULES: &str = "rules:
  - { name: staff, match: { paths: ['/staff'] }, access: authenticated, require: { roles: [staff] } }
fallback: authenticated
";

/// A token that is good now.
pub(super) fn good_token(more: &[(&str, Value)]) -> String {
    let now = modgud::clock::Clock::System.now().as_secs();
    let mut claims = crate::support::claims();
    for (name, value) in [("exp", json!(now + 3_600)), ("iat", json!(now))].iter().chain(more) {
        claims.retain(|(known, _)| known != name);
        claims.push(((*name).to_owned(), value.clone()));
    }
    format!("JWT {}", KEY.sign(&claims).unwrap())
}

#[tokio::test]
async fn log_lines_identify_the_request_and_the_caller() {
    let token = good_token(&[]);
    let credential: [(&str, &[u8]); 1] = [("authorization", token.as_bytes())];
    let long = format!("/a?q={}", "a".repeat(8_300));
    let checks = [
        traced("/crm/x?secret=1", &[]),
        traced("/staff?secret=1", &credential),
        traced("/a//b;secret=1?secret=1", &credential),
        traced(&long, &credential),
        traced("/crm/x?secret=1", &credential),
    ];
    let yaml = |telemetry: &str| {
        format!("profile: bifrost\nserver: {{ deadline: 10s }}\ntelemetry: {{ decisions: {telemetry} }}\n{RULES}")
    };
    let full = events(&yaml("{ which: all, principal: true, mask: [] }"), "check", &checks).await;
    let expected = [
        ("credential_missing", json!(null), json!(null), "/crm/x"),
        ("role_missing", json!("bifrost"), json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60"), "/staff"),
        ("path_ambiguous", json!(null), json!(null), "/a//b"),
        ("uri_too_long", json!(null), json!(null), "/a"),
        ("allowed", json!("bifrost"), json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60"), "/crm/x"),
    ];
    assert_eq!(full.len(), expected.len(), "{full:#?}");
    for (event, (reason, issuer, subject, path)) in full.iter().zip(expected) {
        let found = if event["decision"] == "allowed" { &event["decision"] } else { &event["reason"] };
        assert_eq!(found, reason, "{event}");
        assert_eq!((&event["issuer"], &event["authenticator"]), (&issuer, &issuer), "{event}");
        assert_eq!(event["user.id"], subject, "{event}");
        for (field, value) in [
            ("http.request.method", "GET"),
            ("server.address", "api.example.com"),
            ("url.path", path),
            ("client.address", "203.0.113.77"),
            ("http.request.id", "id-7"),
            ("trace_id", TRACE),
        ] {
            assert_eq!(event[field], value, "{field} of {event}");
        }
        assert!(!event.to_string().contains("secret"), "{event}");
    }
    let detail = full[3]["detail"].as_str().unwrap();
    assert!(detail.contains("8305 bytes") && detail.contains("allows 8192"), "{detail}");

    // The sample of the documentation has these fields, and the id of a key, which this token does not name.
    let sample: Value =
        serde_json::from_str(crate::readme::block("docs/decision-log.md", "json log line").trim()).unwrap();
    let fields = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let mut expected = fields(&full[1]);
    expected.insert("key_id".to_owned());
    expected.insert("user.roles".to_owned());
    // By default it is masked.
    assert!(expected.remove("user.id") && expected.insert("user.hash".to_owned()));
    assert_eq!(fields(&sample), expected);

    let masked = events(&yaml("denied"), "check", &checks).await;
    assert_eq!(masked.len(), 4);
    for event in &masked {
        assert_eq!(event["client.address"], "203.0.113.0/24", "{event}");
        let personal = ["user.id", "user.hash", "user.roles", "organization.id"];
        assert!(personal.iter().all(|name| event.get(name).is_none()), "{event}");
    }
    let hashed = events(&yaml("{ principal: true }"), "check", &checks[1..2]).await;
    let subject = hashed[0]["user.hash"].as_str().unwrap();
    assert!(subject.len() == 16 && !subject.contains("fd76"), "{subject}");
}

/// Entra sends 200 groups. They are written up to the limit, and one beyond it is named where it happens.
#[tokio::test]
async fn a_header_of_many_groups_is_written_or_logged_with_name_and_size() {
    let groups = |count: usize| {
        let groups = (0..count).map(|number| format!("{number:08x}-0400-0000-0000-000000000007"));
        json!(groups.collect::<Vec<_>>())
    };
    let tokens = [110, 200, 300].map(|count| good_token(&[("groups", groups(count))]));
    let checks: Vec<CheckRequest> =
        tokens.iter().map(|token| traced("/crm/x", &[("authorization", token.as_bytes())])).collect();
    let yaml = |upstream: &str| {
        format!(
            "profile: bifrost\nserver: {{ deadline: 10s, max_token: 64KiB }}\nprincipal: {{ roles: groups }}\n\
             upstream: {{ headers: {{ x-groups: {{ principal: roles }} }}, {upstream} }}\nfallback: authenticated\n"
        )
    };
    let omitted = "identity header omitted";
    let dropped = events(&yaml("on_too_large: drop"), omitted, &checks).await;
    assert_eq!(dropped.len(), 1, "{dropped:#?}");
    assert_eq!((&dropped[0]["header"], &dropped[0]["http.request.id"]), (&json!("x-groups"), &json!("id-7")));
    let detail = dropped[0]["detail"].as_str().unwrap();
    assert!(detail.contains("11099 bytes") && detail.contains("8192"), "{detail}");
    let dropped = events(&yaml("max_header_bytes: 16KiB"), omitted, &checks).await;
    assert_eq!(dropped.len(), 0, "{dropped:#?}");
    let denied = events(&yaml("max_header_bytes: 4096, on_too_large: deny"), "check", &checks).await;
    assert_eq!(denied.len(), 2, "{denied:#?}");
    assert!(denied.iter().all(|event| event["reason"] == "claim_invalid"), "{denied:#?}");
}

#[tokio::test]
async fn a_check_that_is_too_large_is_logged_with_its_size() {
    let yaml = "profile: bifrost\nserver: { deadline: 10s, max_message: 64KiB }\n";
    let mut large = traced("/crm/x", &[]);
    let http = large.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    http.raw_body = vec![b'a'; 70_000].into();
    let size = large.encoded_len();
    let events = events(yaml, "check", &[large]).await;
    let expected = format!("the check has {size} bytes, and `server.max_message` allows 65536");
    assert_eq!((&events[0]["reason"], &events[0]["detail"]), (&json!("request_too_large"), &json!(expected)));
}
