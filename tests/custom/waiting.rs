//! Custom authenticators that wait: what a check is answered with, and what becomes of the others.

use super::{Asked, example};
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, NOW, check};
use modgud_core::authn::{
    AsyncCustomAuthenticator, CustomAuthenticators, CustomClaims, CustomDenial, CustomError, CustomInput,
};
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use modgud_testbed::idp::{Idp, Reply};
use serde_json::{Map, Value, json};
use std::fs;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

/// Both read credentials with the same characters: the header belongs to the one that waits, the cookie to the one of the example.
const BOTH: &str = "
profile: none
server: { deadline: 10s }
authenticators:
  - { name: waits, from: [{ header: authorization, schemes: [Bearer] }], custom: scripted }
  - { name: at-once, from: [{ cookie: session }], custom: valid-prefix }
fallback: authenticated
upstream: { headers: { x-user: { principal: subject } } }
";

/// Does what the credential says.
#[derive(Clone)]
struct Scripted {
    input: CustomInput,
    calls: Arc<AtomicU64>,
    answers: Arc<Semaphore>,
}

impl Scripted {
    fn new(input: CustomInput) -> Self {
        Self { input, calls: Arc::default(), answers: Arc::new(Semaphore::new(0)) }
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

fn claims(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

impl AsyncCustomAuthenticator for Scripted {
    fn input(&self) -> CustomInput {
        self.input
    }

    async fn authenticate(
        &self,
        credential: &str,
        request: Option<&Request<'_>>,
        now: Timestamp,
    ) -> Result<CustomClaims, CustomDenial> {
        const REUSE: Duration = Duration::from_secs(30);
        self.calls.fetch_add(1, Ordering::Relaxed);
        yield_now().await;
        match credential {
            credential if credential.starts_with("never") => pending().await,
            "panic" => panic!("a fault of one's own"),
            "rejected" => Err(CustomError::Rejected)?,
            "expired" => Err(CustomError::Expired)?,
            "forbidden" => Err(CustomError::Forbidden)?,
            "unavailable" => Err(CustomError::Unavailable)?,
            "ended" => Err(CustomError::rejected_with("Your session has ended."))?,
            "locked" => Err(CustomError::forbidden_with("Your account is \"locked\": ask <support>."))?,
            "quoted" => Err(CustomError::rejected_with("Kein \"Zutritt\""))?,
            "two-lines" => Err(CustomError::forbidden_with("a\r\nset-cookie: a=b"))?,
            "long" => Err(CustomError::rejected_with(&"a".repeat(513)))?,
            "listed" => return Ok(claims(&json!({ "sub": ["eve"] })).into()),
            "short" => {
                let claims = CustomClaims::new(claims(&json!({ "sub": "short" })));
                return Ok(claims.reusable_for(REUSE).expires(now.plus(Duration::from_secs(10))));
            }
            "held" => self.answers.acquire().await.unwrap().forget(),
            "once" => return Ok(claims(&json!({ "sub": "once" })).into()),
            _ => {}
        }
        let path = request.map(|request| request.path.as_str().to_owned());
        Ok(CustomClaims::new(claims(&json!({ "sub": credential, "path": path }))).reusable_for(REUSE))
    }
}

async fn start(yaml: &str, scripted: &Scripted) -> Asked {
    let all = example::authenticators(http::Uri::from_static("http://127.0.0.1:1/"));
    Asked::start(yaml, all.with_async("scripted", scripted.clone())).await
}

fn set(answer: &Answer, name: &str) -> Option<String> {
    match answer {
        Answer::Allow { set, .. } => set.get(name).cloned(),
        Answer::Deny { .. } => None,
    }
}

#[tokio::test]
async fn each_answer_has_its_reason_and_its_text() {
    let scripted = Scripted::new(CustomInput::Credential);
    let asked = start(&BOTH.replace("10s", "150ms"), &scripted).await;
    let generic = "The token is not valid here.";
    for (credential, status, reason, text, description) in [
        ("somebody", None, "", "", ""),
        ("rejected", Some(401), "credential_refused", generic, generic),
        ("expired", Some(401), "token_expired", "The token has expired.", "The token has expired."),
        ("forbidden", Some(403), "caller_refused", "This is not allowed.", ""),
        (
            "unavailable",
            Some(503),
            "authenticator_unavailable",
            "The request could not be checked. Try again later.",
            "",
        ),
        ("ended", Some(401), "credential_refused", "Your session has ended.", "Your session has ended."),
        ("locked", Some(403), "caller_refused", "Your account is \"locked\": ask <support>.", ""),
        ("quoted", Some(401), "credential_refused", "Kein \"Zutritt\"", generic),
        ("two-lines", Some(403), "caller_refused", "This is not allowed.", ""),
        ("long", Some(401), "credential_refused", generic, generic),
        ("listed", Some(401), "claim_invalid", generic, generic),
        ("panic", Some(503), "internal", "The request could not be checked. Try again later.", ""),
        ("never", Some(503), "deadline_exceeded", "The request could not be checked. Try again later.", ""),
    ] {
        let (answer, counted) = asked.ask("GET", &format!("Bearer {credential}")).await;
        assert_eq!((answer.status(), counted.as_str()), (status, reason), "{credential}");
        if let Answer::Deny { body, challenge, .. } = &answer {
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["detail"], text, "{credential}");
            let description = format!(r#"error="invalid_token", error_description="{description}""#);
            let expected = (status == Some(401)).then_some(description);
            let challenge = challenge.as_deref().and_then(|text| text.find("error=").and_then(|at| text.get(at..)));
            assert_eq!(challenge, expected.as_deref(), "{credential}");
        }
    }
}

/// The limit of calls in progress, and the share of the deadline: other checks are decided as usual.
#[tokio::test]
async fn an_authenticator_that_never_answers_harms_no_other_check() {
    for input in [CustomInput::Credential, CustomInput::Request] {
        let scripted = Scripted::new(input);
        let asked = start(&BOTH.replace("10s", "4s"), &scripted).await;
        let before = Counters::read(&asked.sidecar).await;
        let client = asked.sidecar.client().await;
        let mut stuck = JoinSet::new();
        for number in 0..1_000 {
            let mut client = client.clone();
            let header = format!("Bearer never-{number}");
            stuck.spawn(async move {
                let check = check(Encoding::Joined, "GET", "/", &[("authorization", header.as_bytes())]);
                Answer::read(client.check(check).await.unwrap().into_inner()).unwrap().status()
            });
        }
        let cookie = format!("session=valid-bob-{}", NOW + 60);
        let mut others = 0;
        while stuck.try_join_next().is_none() || others < 100 {
            let check = check(Encoding::Joined, "GET", "/", &[("cookie", cookie.as_bytes())]);
            let answer = client.clone().check(check).await.unwrap().into_inner();
            assert_eq!(set(&Answer::read(answer).unwrap(), "x-user").as_deref(), Some("bob"));
            others += 1;
        }
        assert!(stuck.join_all().await.iter().all(|status| *status == Some(503)));
        let reasons = Counters::read(&asked.sidecar).await.reasons_since(&before);
        let count = |reason: &str| reasons.iter().filter(|one| *one == reason).count();
        let late = count("deadline_exceeded");
        assert_eq!((late + count("overloaded"), count("")), (1_000, others), "{input:?}");
        // A slow machine may send the last checks after the first calls have ended.
        assert!(
            late >= 64 && scripted.calls() == u64::try_from(late).unwrap(),
            "{late} late, {} calls",
            scripted.calls()
        );
    }
}

#[tokio::test]
async fn answers_are_reused_only_if_they_may_be() {
    let scripted = Scripted::new(CustomInput::Credential);
    let asked = start(BOTH, &scripted).await;
    for (after, credential, reason, calls) in [
        (0, "a", "", 1),
        (29, "a", "", 1),
        (30, "a", "", 2),
        (30, "once", "", 3),
        (30, "once", "", 4),
        (30, "rejected", "credential_refused", 5),
        (30, "rejected", "credential_refused", 6),
        (30, "short", "", 7),
        (39, "short", "", 7),
        // Its credential expires before its answer may no longer be reused.
        (40, "short", "token_expired", 7),
        (60, "short", "", 8),
    ] {
        asked.sidecar.clock.set(Timestamp::from_secs(NOW + after));
        let (_, counted) = asked.ask("GET", &format!("Bearer {credential}")).await;
        assert_eq!((counted.as_str(), scripted.calls()), (reason, calls), "{credential} after {after} s");
    }

    let scripted = Scripted::new(CustomInput::Request);
    let yaml = BOTH.replace("principal: subject", "claim: path");
    let asked = start(&yaml, &scripted).await;
    for calls in 1..4 {
        let (answer, _) = asked.ask("GET", "Bearer a").await;
        assert_eq!((set(&answer, "x-user").as_deref(), scripted.calls()), (Some("/"), calls));
    }
}

/// What is cached is the answer, never the decision: revocations and the configuration of now apply to it.
#[tokio::test]
async fn a_cached_answer_is_no_cached_decision() {
    let scripted = Scripted::new(CustomInput::Credential);
    let revocations = format!("{BOTH}revocations: {{ file: revoked.yaml }}\n");
    let asked = start(&revocations, &scripted).await;
    let ask = async || asked.ask("GET", "Bearer mallory").await;
    assert_eq!(ask().await.1, "");
    fs::write(asked.sidecar.folder().join("revoked.yaml"), "subjects: [eve, mallory]\n").unwrap();
    while ask().await.1 != "token_revoked" {}
    fs::write(asked.sidecar.folder().join("revoked.yaml"), "subjects: [eve]\n").unwrap();
    while !ask().await.1.is_empty() {}
    let changed = revocations.replace("fallback: authenticated", "fallback: denied");
    fs::write(asked.sidecar.folder().join("modgud.yaml"), &changed).unwrap();
    asked.sidecar.reload();
    while ask().await.1 != "no_rule" {}
    // Another location, another name and another mapping of the same authenticator.
    let moved = revocations
        .replace(
            "name: waits, from: [{ header: authorization, schemes: [Bearer] }]",
            "name: moved, from: [{ header: x-key }]",
        )
        .replace("upstream:", "principal: { subject: nothing }\nupstream:");
    fs::write(asked.sidecar.folder().join("modgud.yaml"), &moved).unwrap();
    asked.sidecar.reload();
    while ask().await.1 != "credential_missing" {}
    let key = check(Encoding::Joined, "GET", "/", &[("x-key", b"mallory")]);
    let answer = Answer::read(asked.sidecar.client().await.check(key).await.unwrap().into_inner()).unwrap();
    assert_eq!((answer.status(), set(&answer, "x-user")), (None, None));
    assert_eq!(scripted.calls(), 1, "one answer served them all");
}

#[tokio::test]
async fn a_reload_leaves_calls_in_flight_to_their_checks() {
    let scripted = Scripted::new(CustomInput::Credential);
    let asked = start(BOTH, &scripted).await;
    let mut client = asked.sidecar.client().await;
    let waiting = tokio::spawn(async move {
        let check = check(Encoding::Joined, "GET", "/", &[("authorization", b"Bearer held")]);
        Answer::read(client.check(check).await.unwrap().into_inner()).unwrap()
    });
    while scripted.calls() == 0 {
        yield_now().await;
    }
    let removed = BOTH
        .replace("  - { name: waits, from: [{ header: authorization, schemes: [Bearer] }], custom: scripted }\n", "");
    fs::write(asked.sidecar.folder().join("modgud.yaml"), &removed).unwrap();
    asked.sidecar.reload();
    while asked.ask("GET", "Bearer other").await.1 != "credential_missing" {}
    scripted.answers.add_permits(1);
    let answer = waiting.await.unwrap();
    assert_eq!(set(&answer, "x-user").as_deref(), Some("held"), "{answer:?}");
    assert_eq!(asked.ask("GET", "Bearer held").await.1, "credential_missing");
}

/// The example's authenticator, and a server that it asks.
#[tokio::test]
async fn the_example_asks_its_server() {
    let server = Idp::start().await;
    server.reply("/session", Reply::Body(br#"{"sub": "alice", "email": "alice@example.com"}"#.to_vec()));
    let yaml = format!("{}server: {{ deadline: 10s }}\n", super::YAML);
    let asked = Asked::start(&yaml, example::authenticators(server.url("/session").parse().unwrap())).await;
    let ask = async |session: &str| {
        let cookie = format!("session={session}");
        let check = check(Encoding::Joined, "GET", "/", &[("cookie", cookie.as_bytes())]);
        Answer::read(asked.sidecar.client().await.check(check).await.unwrap().into_inner()).unwrap()
    };
    for _ in 0..3 {
        assert_eq!(set(&ask("one").await, "x-user").as_deref(), Some("alice"));
    }
    assert_eq!(server.count("/session"), 1);
    let head = |status| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes();
    for (session, reply, status) in [
        ("ended", Reply::Raw(head("401 Unauthorized")), 401),
        ("locked", Reply::Raw(head("403 Forbidden")), 403),
        ("failing", Reply::Raw(head("500 Internal Server Error")), 503),
        ("closed", Reply::Close, 503),
        ("nonsense", Reply::Body(b"[]".to_vec()), 503),
    ] {
        server.reply("/session", reply);
        assert_eq!(ask(session).await.status(), Some(status), "{session}");
    }
}

/// Two authenticators of one name in one program: the later one replaces the earlier one, with its answers.
#[tokio::test]
async fn a_replaced_authenticator_leaves_no_answers() {
    let (first, second) = (Scripted::new(CustomInput::Credential), Scripted::new(CustomInput::Credential));
    let base = CustomAuthenticators::default().with_async("scripted", first.clone());
    let base = base.with("valid-prefix", example::ValidPrefix);
    let earlier = Asked::start(BOTH, base.clone()).await;
    assert_eq!(earlier.ask("GET", "Bearer a").await.1, "");
    let later = Asked::start(BOTH, base.with_async("scripted", second.clone())).await;
    assert_eq!(later.ask("GET", "Bearer a").await.1, "");
    assert_eq!((first.calls(), second.calls()), (1, 1));
}
