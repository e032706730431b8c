//! A marker in every secret place of a request, sent to the real program with everything logged: neither its output nor its
//! metrics may hold the marker, or any piece of a token.

#![expect(clippy::arithmetic_side_effects, clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, STRANGER, check, claims};
use crate::traces::receiver::{Protocol, Receiver};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::clock::Clock;
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// Texts that no output may contain. Tokens are encoded, so parts of tokens are searched, too.
const MARKER: &str = "canary-7f3d91c6e2";
/// What must be there, or nothing was looked at.
const SEEN: &str = "/crm/in-plain-sight";
/// The length of the pieces of tokens that are looked for.
const PIECE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(30);
const CONFIGURATION: &str = r#"
profile: bifrost
mint:
  - { name: internal, algorithm: EdDSA, key: { file: signing.key }, issuer: modgud, audience: modules, claims: { name: { claim: username } } }
upstream: { credential: { mint: internal } }
telemetry: { decisions: { which: all, principal: true }, otlp: { endpoint: COLLECTOR, protocol: http, claims: [organization_uuid], headers: { x-key: { value: canary-7f3d91c6e2 } } } }
server: { drain: 0s, deadline: 10s }
rules:
  - { name: docs, match: { paths: ["/docs/{*rest}"] }, access: public }
  - { name: admin, match: { paths: ["/admin/{*rest}"] }, access: denied }
"#;

/// A token with these claims over the standard ones, good at this time, with the marker in claims of its own.
fn token(now: u64, changed: &[(&str, Value)]) -> String {
    let mut claims = claims();
    let own = [("exp", json!(now + 3_600)), ("iat", json!(now - 60)), ("jti", json!(MARKER)), (MARKER, json!(MARKER))];
    for (name, value) in own.iter().chain(changed) {
        claims.retain(|(known, _)| known != name);
        claims.push(((*name).to_owned(), value.clone()));
    }
    KEY.sign(&claims).unwrap()
}

/// The value of `Authorization`, and true if it is allowed.
fn credentials(now: u64) -> Vec<(String, bool)> {
    let good = token(now, &[("username", json!(MARKER))]);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let claims = format!(r#"{{"iss":"bifrost","exp":{},"username":"{MARKER}","core_user_uuid":"{MARKER}"}}"#, now + 60);
    let raw = |header: &str, claims: &str| KEY.sign_raw(header, claims).unwrap();
    let header = r#"{"alg":"RS256"}"#;
    let bad = [
        token(now, &[("iss", json!(MARKER))]),
        token(now, &[("aud", json!(MARKER))]),
        token(now, &[("exp", json!(now - 1))]),
        token(now, &[("nbf", json!(now + 3_600))]),
        token(now, &[("exp", json!(MARKER))]),
        token(now, &[("username", json!({ "name": MARKER }))]),
        token(now, &[("username", json!(format!("{MARKER}\r\n{MARKER}")))]),
        token(now, &[("core_user_uuid", json!(format!("{MARKER} ä")))]),
        token(now, &[("username", Value::Null)]),
        STRANGER.sign_raw(header, &claims).unwrap(),
        raw(&format!(r#"{{"alg":"{MARKER}"}}"#), &claims),
        raw(&format!(r#"{{"alg":"RS256","crit":["{MARKER}"]}}"#), &claims),
        raw(&format!(r#"{{"alg":"RS256","kid":["{MARKER}"]}}"#), &claims),
        raw(header, &format!(r#"{{"iss":"bifrost","{MARKER}":1,"{MARKER}":2}}"#)),
        raw(header, &format!(r#"{{"iss":"bifrost",{MARKER}"#)),
        raw(header, &format!("{claims}{MARKER}")),
        format!("{signed}.{MARKER}"),
        format!("{signature}.{signed}"),
        format!("{MARKER}.{MARKER}.{MARKER}"),
        format!("{good}.{MARKER}.{MARKER}"),
        good.repeat(40),
    ];
    let malformed = [
        format!("{MARKER} {good}"),
        format!("JWT {good} {MARKER}"),
        format!("JWT {good},JWT {MARKER}"),
        format!("JWT {MARKER}\0"),
        MARKER.to_owned(),
    ];
    let good = [(format!("JWT {good}"), true), (format!("bearer {good}"), true)];
    let bad = bad.iter().map(|token| format!("JWT {token}")).chain(malformed).map(|value| (value, false));
    good.into_iter().chain(bad).collect()
}

/// The checks, and whether each is let through.
fn checks(now: u64) -> Vec<(CheckRequest, bool)> {
    let query = format!("{SEEN}?access_token={MARKER}&next=/{MARKER}");
    let cookie = format!("session={MARKER}; {MARKER}={MARKER}");
    let good = format!("JWT {}", token(now, &[]));
    let mut checks = Vec::new();
    let mut add = |method: &str, path: &str, value: &str, header: &str, allowed| {
        for encoding in Encoding::ALL {
            let headers = [
                ("authorization", value.as_bytes()),
                ("cookie", cookie.as_bytes()),
                (header, MARKER.as_bytes()),
                ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                ("x-username", MARKER.as_bytes()),
            ];
            checks.push((check(encoding, method, path, &headers), allowed));
        }
    };
    for (value, allowed) in credentials(now) {
        add("GET", &query, &value, "x-secret", allowed);
    }
    add("GET", &format!("/docs/?{MARKER}"), &good, MARKER, true);
    add("GET", &format!("/admin/?{MARKER}"), &good, MARKER, false);
    // The path and the method of a refused request are logged, its query is not.
    add("GET", &format!("/crm/../a?{MARKER}"), &good, MARKER, false);
    add("GET", &format!("//{MARKER}@x"), &good, MARKER, false);
    add("GET", &format!("/crm/?{MARKER}#{MARKER}"), &good, MARKER, false);
    add("get", &format!("/crm/?{MARKER}"), &good, MARKER, false);
    add("GET", &format!("/a%253Faccess_token={MARKER}"), &good, MARKER, false);
    add("GET", "/crm/", &good, &format!("{MARKER} {MARKER}"), false);
    add("GET", "/crm/", &good, "authorization", false);
    for encoding in Encoding::ALL {
        let mut user = check(encoding, "GET", "/crm/", &[("authorization", good.as_bytes())]);
        let attributes = user.attributes.as_mut().and_then(|all| all.request.as_mut()?.http.as_mut()).unwrap();
        attributes.host = format!("{MARKER}:{MARKER}@api.example.com").into();
        checks.push((user, false));
    }
    checks
}

/// Everything that must not be seen: the marker, and every piece of every token's claims and signature.
fn secrets(checks: &[(CheckRequest, bool)]) -> Vec<String> {
    let mut secrets = vec![MARKER.to_owned(), URL_SAFE_NO_PAD.encode(MARKER)];
    for (check, _) in checks {
        let http = check.attributes.as_ref().unwrap().request.as_ref().unwrap().http.as_ref().unwrap();
        let Some(entry) = http.headers.first() else { continue };
        let value = String::from_utf8_lossy(&entry.value);
        for part in value.split(['.', ' ', ',']).filter(|part| part.is_ascii()).take(8) {
            secrets.extend(pieces(part));
        }
    }
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// Pieces of a text that are long enough to be nothing else.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let pieces = text.as_bytes().windows(PIECE).step_by(PIECE / 2);
    pieces.map(|piece| String::from_utf8_lossy(piece).into_owned())
}

/// The addresses in the log's line `serving`.
fn serving(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| event.get(name)?.as_str()?.parse().ok();
    (event.get("message")? == "serving").then_some((address("grpc")?, address("admin")?))
}

#[tokio::test]
async fn no_secret_of_a_request_is_ever_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let collector = Receiver::start(Protocol::Http).await;
    std::fs::write(&file, CONFIGURATION.replace("COLLECTOR", &format!("http://{}", collector.address))).unwrap();
    let private = SigningKey::generate(Algorithm::EdDsa).unwrap().private_text().unwrap();
    std::fs::write(folder.path().join("signing.key"), private.expose_secret()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command.args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"]).arg(&file);
    command.env("JWT_PUBLIC_KEY_RSA_BIFROST", KEY.public_pem().unwrap());
    let mut modgud = Process::start("modgud", command).unwrap();
    let output = RefCell::new(String::new());
    let keep = |line: &str| output.borrow_mut().extend([line, "\n"]);
    let look = |line: &str| {
        keep(line);
        serving(line)
    };
    let (grpc, admin) = modgud.wait_for(PATIENCE, look).await.unwrap();

    let checks = checks(Clock::System.now().as_secs());
    let mut secrets = secrets(&checks);
    // Its first bytes say no more than what kind of key it is.
    let key: String = private.expose_secret().lines().filter(|line| !line.starts_with("-----")).collect();
    secrets.extend(pieces(key.trim_start_matches("MC4CAQAwBQYDK2VwBCIEI")));
    let mut client = AuthorizationClient::connect(format!("http://{grpc}")).await.unwrap();
    for (check, allowed) in &checks {
        let answer = Answer::read(client.check(check.clone()).await.unwrap().into_inner()).unwrap();
        assert_eq!(answer.status().is_none(), *allowed, "{answer:?}");
        match answer {
            Answer::Deny { status: _, body, challenge, headers } => keep(&format!("{body} {challenge:?} {headers:?}")),
            // What is minted is as good as what the client has shown.
            Answer::Allow { set, .. } => {
                let minted = set.get("authorization").map(|value| value.split(['.', ' ']).skip(1).flat_map(pieces));
                secrets.extend(minted.into_iter().flatten());
            }
        }
    }
    let metrics = Exchange::get(admin, "/metrics").await.unwrap();
    keep(&String::from_utf8(metrics.body).unwrap());
    modgud.signal(Signal::INT);
    // To the end of its output: `wait_for` finds nothing there, and says so.
    let rest = modgud.wait_for(PATIENCE, |line| {
        keep(line);
        None::<()>
    });
    assert!(rest.await.is_err());
    assert_eq!(modgud.ended().await, Some(0));

    for received in collector.received() {
        // Its own header is for the collector. Protobuf keeps texts as they are.
        assert_eq!(received.headers.get("x-key").unwrap(), MARKER);
        keep(&format!("{} {}", received.path, String::from_utf8_lossy(&received.raw)));
    }
    let output = output.into_inner();
    let events = output.lines().filter(|line| line.contains(r#""message":"check""#)).count();
    assert_eq!(events, checks.len(), "not every decision was logged:\n{output}");
    assert!(
        output.matches(SEEN).count() > checks.len() / 2
            && output.contains("modgud_checks_total")
            && output.contains(r#""message":"stopped""#)
    );
    let reported: Vec<&String> = secrets.iter().filter(|secret| output.contains(*secret)).collect();
    assert!(reported.is_empty(), "{reported:?} is in\n{output}");
}
