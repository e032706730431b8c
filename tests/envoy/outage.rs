//! Envoy without modgud: no request passes. And a modgud that answers, answers with a decision, whatever it is sent: an error
//! would let everybody pass where `failure_mode_allow` is on.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{ask, body, envoy_minor, replaced, testbed, until};
use crate::introspection::server::{AuthorizationServer, ID, SECRET};
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use modgud_testbed::{Setup, Testbed};
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test]
async fn without_modgud_no_request_passes_until_it_is_back() {
    let mut testbed = testbed(Setup::default()).await;
    let good = [jwt(&sign(&testbed.key, &claims()))];
    for _ in 0..3 {
        assert_eq!(ask(testbed.gateway, "GET", "/crm/", &good).await.status, 200);
    }

    testbed.kill_modgud().await;
    no_request_passes(&testbed, &good).await;

    // An Envoy that has never seen a modgud: it started first.
    testbed.restart_envoy().await.unwrap();
    no_request_passes(&testbed, &good).await;

    testbed.start_modgud().await.unwrap();
    until(testbed.gateway, "/crm/", &good, 200).await;
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &[]).await.status, 401);
    testbed.stop().await;
}

async fn no_request_passes(testbed: &Testbed, good: &[String]) {
    for path in ["/crm/", "/oauth/", "/admin/", "/crm/a;x=1"] {
        for lines in [&[][..], good] {
            let answer = ask(testbed.gateway, "GET", path, lines).await;
            assert_eq!((answer.status, body(&answer).as_str()), (503, ""), "{path}");
        }
    }
}

/// Envoy lets everybody pass when it gets no answer: not what the sample says, but what some run.
fn open_on_failure(yaml: &str) -> String {
    replaced(yaml, "failure_mode_allow: false", "failure_mode_allow: true")
}

#[tokio::test]
async fn a_denial_is_never_an_error_that_envoy_could_let_pass() {
    let mut testbed = testbed(Setup { edit: Some(open_on_failure), ..Setup::default() }).await;
    let good = jwt(&sign(&testbed.key, &claims()));
    let long = format!("/crm/{}", "a".repeat(8_200));
    let cases: &[(&str, &[u8], u16)] = &[
        ("/crm/", b"", 401),
        ("/crm/", b"Authorization: JWT a.b.c\r\n", 401),
        ("/admin/", good.as_bytes(), 403),
        ("/crm/a;x=1", good.as_bytes(), 400),
        ("/crm/%ff", good.as_bytes(), 400),
        (&long, good.as_bytes(), 414),
        // Bytes that are no text in any field that protobuf calls one.
        ("/crm/", b"X-Name: \xff\xfe\r\n", 401),
        ("/crm/", b"User-Agent: \xc0\x80\r\n", 401),
        ("/crm/", b"X-Core-User-UUID: \xed\xa0\x80\r\n", 401),
        ("/crm/", b"Authorization: \xff\r\n", 401),
        ("/crm/", b"Authorization: JWT \xff\xfe.\xff.\xff\r\n", 401),
        ("/crm/", b"X-Request-Id: \xff\r\n", 401),
        ("/crm/", b"Content-Type: \x80\r\nAccept: \x80\r\nReferer: \x80\r\n", 401),
    ];
    for (path, lines, status) in cases {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n").into_bytes();
        request.extend_from_slice(lines);
        request.extend_from_slice(if lines.is_empty() || lines.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" });
        let answer = Exchange::raw(testbed.gateway, &request).await.unwrap();
        let case = format!("{} {}", path.get(..40).unwrap_or(path), lines.escape_ascii());
        assert_eq!(answer.status, *status, "{case}");
        assert!(answer.json()["detail"].is_string(), "{case}: it is modgud that says so: {}", body(&answer));
    }
    // As large as Envoy lets a request be.
    let large: Vec<String> = (0..50).map(|number| format!("X-Filler-{number}: {}", "a".repeat(1_000))).collect();
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &large).await.status, 401);

    // That this Envoy would let pass what modgud can't answer.
    testbed.kill_modgud().await;
    let open = ask(testbed.gateway, "GET", "/crm/", &[]).await;
    assert_eq!((open.status, Seen::of(&open).module.as_str()), (200, "crm"));
    testbed.stop().await;
}

/// A configuration that leaves undecided checks to Envoy, with a limit of two introspections.
fn left_to_envoy(server: &AuthorizationServer, idp: &Idp) -> &'static str {
    let (introspected, keys) = (server.url(), idp.url("/jwks"));
    let text = format!(
        "profile: bifrost
server: {{ max_in_flight: 16 }}
authenticators:
  - name: opaque
    from: [{{ header: authorization, schemes: [Bearer] }}]
    introspection: {{ url: {introspected:?}, client_id: {ID:?}, client_secret: {{ value: {SECRET:?} }}, max_concurrent: 2 }}
  - name: signed
    from: [{{ header: authorization, schemes: [JWT] }}]
    jwt: {{ issuer: idp, algorithms: [EdDSA], keys: [{{ jwks: {{ url: {keys:?}, refresh: 1h }} }}], require: [] }}
denials: {{ unavailable: error }}
"
    );
    // A testbed's configuration is a constant everywhere else.
    text.leak()
}

/// Whatever one client sends and however much of it: what it can bring about is a denial of modgud's, also where Envoy lets errors pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_by_one_client_never_lets_a_forged_token_through_failure_mode_allow() {
    const FLOOD: usize = 40;
    let server = AuthorizationServer::of(&[]).await;
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&key]).await;
    let config = left_to_envoy(&server, &idp);
    let testbed = testbed(Setup { config: Some(config), edit: Some(open_on_failure), ..Setup::default() }).await;
    let gateway = testbed.gateway;
    let good = |key: &IdpKey, number: usize| {
        let claims = [("iss", json!("idp")), ("sub", json!(number.to_string())), ("exp", json!(4_000_000_000_u64))];
        format!("Authorization: JWT {}", key.sign(&claims.map(|(name, value)| (name.to_owned(), value))))
    };
    // `max_concurrent`, `deadline_exceeded` and `overloaded`: more questions than may be under way, none of which is answered.
    // And made-up keys, of which one is fetched for.
    server.hold(true);
    let mut asked = JoinSet::new();
    for number in 0..FLOOD {
        for line in [format!("Authorization: Bearer forged-{number}"), good(&stranger, number)] {
            asked.spawn(async move { ask(gateway, "GET", "/crm/", &[line]).await });
        }
    }
    for answer in asked.join_all().await {
        assert!(matches!(answer.status, 401 | 503), "{} {}", answer.status, body(&answer));
        assert!(answer.json()["detail"].is_string(), "it is modgud that says so: {}", body(&answer));
    }
    server.hold(false);
    until(gateway, "/crm/", &["Authorization: Bearer forged".to_owned()], 401).await;
    // An answer that one odd token brings about is none that the server is away by.
    let status = |status: &str| Reply::Raw(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes());
    for reply in [status("503 Nope"), Reply::Close, status("500 Oops")] {
        server.replies("odd", reply);
        for _ in 0..4 {
            let odd = ask(gateway, "GET", "/crm/", &["Authorization: Bearer odd".to_owned()]).await;
            assert_eq!(odd.status, 503);
            assert!(odd.json()["detail"].is_string(), "{}", body(&odd));
        }
    }

    // That this Envoy would let pass what modgud leaves to it: a server that is away.
    drop(server);
    if envoy_minor() < 37 {
        // It takes `error_response` for a denial: docs/envoy-versions.md.
        until(gateway, "/crm/", &["Authorization: Bearer forged-again".to_owned()], 403).await;
        testbed.stop().await;
        return;
    }
    until(gateway, "/crm/", &["Authorization: Bearer forged-again".to_owned()], 401).await;
    let open = ask(gateway, "GET", "/crm/", &["Authorization: Bearer forged-again".to_owned()]).await;
    assert_eq!(Seen::of(&open).module.as_str(), "crm");
    testbed.stop().await;
}
