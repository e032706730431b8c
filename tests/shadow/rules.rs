//! What a rule that is tried out leaves alone: proofs, other servers, the answer; what is logged of it, and what `explain` says.

use crate::cli::process::{KEY_VARIABLE, Serving, run_in};
use crate::decisions::DEADLINE;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::introspection::asked::yaml;
use crate::introspection::server::AuthorizationServer;
use crate::reload::changing::Reported;
use crate::sender::CONFIGURATION;
use crate::sender::holder::Holder;
use crate::support::{Encoding, KEY, NOW, Sidecar, check};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use tonic::transport::Channel;

async fn ask(client: &mut AuthorizationClient<Channel>, check: CheckRequest) -> Option<u16> {
    Answer::read(client.check(check).await.unwrap().into_inner()).unwrap().status()
}

/// What was counted of the rule `tried`, by decision and reason.
async fn tried(sidecar: &Sidecar, decision: &str, reason: &str) -> u64 {
    let name = format!("modgud_shadow_checks_total{{rule=\"tried\",decision=\"{decision}\",reason=\"{reason}\"}}");
    Counters::read(sidecar).await.get(&name)
}

/// If only a shadow rule requires a caller, a proof stays unused; else it is recorded once.
#[tokio::test]
async fn a_proof_is_not_spent_by_what_is_tried_out() {
    let rules = "rules:\n- { name: page, match: { paths: [/page] }, access: public }\n\
                 - { name: tried, match: { paths: [/page] }, shadow: true }\n\
                 - { name: tried-too, match: { paths: [/a] }, require: { roles: [x] }, shadow: true }\n\
                 fallback: authenticated\n";
    let configuration = CONFIGURATION.replace("fallback: authenticated\n", rules);
    assert_ne!(configuration, CONFIGURATION);
    let sidecar = Sidecar::with(&format!("{DEADLINE}{configuration}")).await;
    let mut client = sidecar.client().await;
    let holder = Holder::new(&KEY);

    let proof = holder.good("/page", NOW + 1);
    for _ in 0..3 {
        assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/page", &proof)).await, None);
    }
    assert_eq!(tried(&sidecar, "allowed", "").await, 3);
    let proof = holder.good("/a", NOW + 1);
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, None);
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, Some(401));
    let counters = Counters::read(&sidecar).await;
    let of = |reason: &str| {
        counters
            .get(&format!("modgud_shadow_checks_total{{rule=\"tried-too\",decision=\"denied\",reason=\"{reason}\"}}"))
    };
    assert_eq!((of("role_missing"), of("sender_unproven")), (1, 1));
    // One that was spent elsewhere is no good where it is only looked at.
    let other = holder.check(Encoding::Raw, "DPoP", "/page", &proof);
    assert_eq!(ask(&mut client, other).await, None);
    assert_eq!(tried(&sidecar, "denied", "sender_unproven").await, 1);
}

/// Nobody is asked for the sake of what is tried out, and no check waits for it.
#[tokio::test]
async fn no_server_is_asked_for_what_is_tried_out() {
    let server = AuthorizationServer::of(&["good"]).await;
    let rules = "rules:\n- { name: page, match: { paths: [/] }, access: public }\n\
                 - { name: tried, match: { paths: [/] }, shadow: true }\n\
                 - { name: asked, match: { paths: [/asked] } }\n\
                 - { name: tried-too, match: { paths: [/asked] }, require: { roles: [x] }, shadow: true }\n";
    let sidecar = Sidecar::with(&format!("{}{rules}", yaml(&server, ""))).await;
    let mut client = sidecar.client().await;
    let with = |path| check(Encoding::Joined, "GET", path, &[("authorization", b"Bearer good")]);
    for _ in 0..3 {
        assert_eq!(ask(&mut client, with("/")).await, None);
    }
    assert_eq!(server.count(), 0);
    assert_eq!(tried(&sidecar, "unavailable", "introspection_unavailable").await, 3);
    // What is known for another reason is known to what is tried out, too; and each check counts once, however often it is decided.
    assert_eq!(ask(&mut client, with("/asked")).await, None);
    assert_eq!(ask(&mut client, with("/")).await, None);
    assert_eq!((server.count(), tried(&sidecar, "allowed", "").await), (1, 1));
    let name = "modgud_shadow_checks_total{rule=\"tried-too\",decision=\"denied\",reason=\"role_missing\"}";
    assert_eq!(Counters::read(&sidecar).await.get(name), 1);
}

const TRIED: &str = "profile: bifrost
rules:
- { name: report, match: { paths: [/report] }, access: public }
- { name: tried, match: { paths: [/report] }, shadow: true }
- { name: same, match: { paths: [/same] }, shadow: true }
";

#[tokio::test]
async fn what_is_tried_out_no_more_is_counted_no_more() {
    let sidecar = Sidecar::with(TRIED).await;
    let mut client = sidecar.client().await;
    for path in ["/report", "/same"] {
        ask(&mut client, check(Encoding::Raw, "GET", path, &[])).await;
    }
    let before = Counters::read(&sidecar).await;
    assert!(
        before.get("modgud_shadow_checks_total{rule=\"same\",decision=\"denied\",reason=\"credential_missing\"}") == 1
    );
    assert_eq!(tried(&sidecar, "denied", "credential_missing").await, 1);
    let mut reported = Reported::at(sidecar.addresses.admin).await;
    let changed = TRIED.replace("paths: [/same] }, shadow: true", "paths: [/same] }");
    fs::write(sidecar.folder().join("modgud.yaml"), changed).unwrap();
    sidecar.reload();
    while reported.accepted == 0 {
        reported = reported.more(sidecar.addresses.admin).await;
    }
    // What is still tried out goes on being counted.
    assert_eq!(tried(&sidecar, "denied", "credential_missing").await, 1);
    ask(&mut client, check(Encoding::Raw, "GET", "/same", &[])).await;
    let after = Counters::read(&sidecar).await;
    assert_eq!(after.tried_since(&before), Vec::<[String; 3]>::new());
    assert!(!format!("{after:?}").contains("modgud_shadow_checks_total{rule=\\\"same"), "{after:?}");
}

/// The events about what is tried out, for `telemetry.decisions`.
async fn logged(decisions: &str) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let yaml = format!("telemetry: {{ decisions: {decisions} }}\n{TRIED}");
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let pem = KEY.public_pem().unwrap();
    let serving = Serving::start(folder.path(), &pem, &["--config", "modgud.yaml"]).await;
    let mut client = AuthorizationClient::connect(format!("http://{}", serving.grpc)).await.unwrap();
    let id: (&str, &[u8]) = ("x-request-id", b"one");
    assert_eq!(ask(&mut client, check(Encoding::Raw, "GET", "/report", &[id])).await, None);
    // An equal outcome is not logged.
    assert_eq!(ask(&mut client, check(Encoding::Raw, "GET", "/same", &[])).await, Some(401));
    let output = serving.end(Signal::INT).await.out;
    let events = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["message"] == "shadow").collect()
}

#[tokio::test]
async fn what_would_have_come_to_something_else_is_logged() {
    let events = logged("denied").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let mut event = event.as_object().unwrap().clone();
    for of_every_line in ["timestamp", "target", "message"] {
        assert!(event.remove(of_every_line).is_some());
    }
    let expected = json!({
        "level": "INFO", "rule": "tried", "would": "denied", "reason": "credential_missing",
        "detail": "the rule requires a credential, and the request has none", "done": "allowed", "done_rule": "report",
        "http.request.method": "GET", "server.address": "api.example.com", "url.path": "/report", "http.request.id": "one",
    });
    assert_eq!(Value::from(event), expected);
    assert_eq!(logged("none").await, Vec::<Value>::new());
}

#[tokio::test]
async fn explain_shows_the_decision_of_that_time() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("modgud.yaml"), TRIED).unwrap();
    let pem = KEY.public_pem().unwrap();
    let arguments = ["explain", "--config", "modgud.yaml", "--path", "/report"];
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &arguments).await;
    let expected = "· shadow         `tried` would deny the request, credential_missing: \
                    the rule requires a credential, and the request has none\n";
    assert!(output.code == Some(0) && output.out.contains(expected), "{output:?}");
}
