//! The real binary with a second configuration: problems end its start, its files are followed, its differences are logged now and then.

use crate::cli::process::{KEY_VARIABLE, Serving, serve_in};
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, check};
use modgud::envoy::proto::AuthorizationClient;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 4] = ["--config", "modgud.yaml", "--shadow-config", "shadow.yaml"];

fn folder(serves: &str, shadow: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("modgud.yaml"), serves).unwrap();
    fs::write(folder.path().join("shadow.yaml"), shadow).unwrap();
    folder
}

/// Waits until a counter has a value.
async fn until(serving: &Serving, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut looks = interval(Duration::from_millis(10));
    let reached = async {
        loop {
            looks.tick().await;
            let value = Counters::at(serving.admin).await.get(name);
            if wanted(value) {
                return value;
            }
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} never has the value"))
}

async fn ask(serving: &Serving, path: &str) -> Option<u16> {
    ask_with(serving, path, &[]).await
}

async fn ask_with(serving: &Serving, path: &str, more: &[(&str, &[u8])]) -> Option<u16> {
    let headers = [&[("x-request-id", b"one".as_slice())], more].concat();
    let mut client = AuthorizationClient::connect(format!("http://{}", serving.grpc)).await.unwrap();
    let answer = client.check(check(Encoding::Raw, "GET", path, &headers)).await.unwrap();
    Answer::read(answer.into_inner()).unwrap().status()
}

#[tokio::test]
async fn what_is_wrong_with_it_ends_the_start() {
    let folder = folder(
        "profile: bifrost\nfallback: authenticated\n",
        "profile: bifrost\nfallback: nobody\nrules: [{ name: a }]\n",
    );
    let key = KEY.public_pem().unwrap();
    let output = serve_in(folder.path(), &[(KEY_VARIABLE, &key)], &ARGUMENTS).await;
    let expected = "modgud: shadow.yaml:2:11: fallback: `nobody` is not a known value; write one of `authenticated`, `denied` [value-unknown]\n";
    assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{output:?}");
    assert!(output.err.starts_with(expected) && output.err.contains("shadow.yaml:3:9: rules[0].match"), "{output:?}");
    let output = serve_in(folder.path(), &[(KEY_VARIABLE, &key)], &["--shadow-config", "nowhere.yaml"]).await;
    assert_eq!(
        (output.code, output.err.as_str()),
        (
            Some(1),
            "modgud: nowhere.yaml: the file can't be read: No such file or directory (os error 2) [file-unreadable]\n"
        )
    );
}

const SERVES: &str = "profile: bifrost\nrules: [{ name: page, match: { paths: [/page] }, access: public }]\n";

#[tokio::test]
async fn a_changed_one_is_compared_and_a_bad_one_is_refused() {
    let shadow = "server: { grpc: 192.0.2.1:1, admin: 192.0.2.1:2 }\n";
    let folder = folder(SERVES, &format!("{shadow}{SERVES}"));
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &ARGUMENTS).await;
    let put = |text: &str| {
        fs::write(folder.path().join("new.yaml"), text).unwrap();
        fs::rename(folder.path().join("new.yaml"), folder.path().join("shadow.yaml")).unwrap();
    };
    let checks = "modgud_shadow_config_checks_total";
    assert_eq!(ask(&serving, "/page").await, None);
    until(&serving, checks, |value| value == 1).await;
    assert!(Counters::at(serving.admin).await.get("modgud_shadow_config_loaded_timestamp_seconds") > 1_700_000_000);

    put("profile: bifrost\nfallback: nobody\n");
    serving.signal(Signal::HUP);
    until(&serving, "modgud_shadow_config_reload_failures_total", |value| value > 0).await;
    put("profile: bifrost\nfallback: denied\nrules: [{ name: page, match: { paths: [/page] } }]\n");
    let differs = |counters: &Counters| {
        let all = counters.labelled("modgud_shadow_config_differences_total", ["rule", "enforced", "shadow"]);
        all.get(&["page".to_owned(), "allowed".to_owned(), "credential_missing".to_owned()])
            .copied()
            .unwrap_or_default()
    };
    let mut asked = 1;
    let changed = async {
        while differs(&Counters::at(serving.admin).await) == 0 {
            asked += 1;
            assert_eq!(ask(&serving, "/page").await, None);
            until(&serving, checks, |value| value == asked).await;
        }
    };
    timeout(PATIENCE, changed).await.unwrap_or_else(|_| panic!("the changed one is not compared"));
    // What serves has not been loaded again, but by the signal.
    let counters = Counters::at(serving.admin).await;
    assert_eq!(counters.get("modgud_config_reload_failures_total"), 0);

    let output = serving.end(Signal::INT).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    let events: Vec<Value> = output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |message: &str| -> Vec<&Value> { events.iter().filter(|event| event["message"] == message).collect() };
    assert_eq!(of("shadow configuration reloaded").len(), 1);
    // Its plaintext listener on another address is not opened: the warnings are about other keys.
    let warnings = of("shadow configuration warning");
    assert!(!warnings.is_empty());
    assert!(warnings.iter().all(|event| !event["warning"].as_str().unwrap().contains("server.")), "{warnings:?}");
    let [refused, ..] = of("shadow configuration rejected; the active one stays in use")[..] else {
        panic!("{events:?}")
    };
    assert!(refused["error"].as_str().unwrap().starts_with("shadow.yaml:2:11: fallback: "), "{refused}");
    let differences = of("shadow configuration");
    let [difference] = differences[..] else { panic!("{differences:?}") };
    let mut difference = difference.as_object().unwrap().clone();
    for of_every_line in ["timestamp", "target", "message"] {
        assert!(difference.remove(of_every_line).is_some());
    }
    let expected = json!({
        "level": "INFO", "rule": "page", "enforced": "allowed", "shadow": "credential_missing", "shadow_rule": "page",
        "detail": "the rule requires a credential, and the request has none", "before": 0,
        "http.request.method": "GET", "url.path": "/page", "http.request.id": "one",
    });
    assert_eq!(Value::from(difference), expected);
}

/// However often a kind of difference occurs, it is logged once in an interval.
#[tokio::test]
async fn differences_are_logged_now_and_then() {
    let folder = folder(SERVES, "profile: none\n");
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &ARGUMENTS).await;
    for path in ["/page", "/other"].repeat(50) {
        ask(&serving, path).await;
    }
    until(&serving, "modgud_shadow_config_checks_total", |value| value == 100).await;
    let output = serving.end(Signal::INT).await.out;
    for kind in [
        "\"enforced\":\"allowed\",\"shadow\":\"no_rule\"",
        "\"enforced\":\"credential_missing\",\"shadow\":\"no_rule\"",
    ] {
        let lines = output.lines().filter(|line| line.contains(kind)).count();
        assert!((1..=4).contains(&lines), "{kind} is said {lines} times:\n{output}");
    }
}

/// With the profile that the command line says.
#[tokio::test]
async fn the_profile_can_be_chosen() {
    let folder = folder(SERVES, "rules: [{ name: page, match: { paths: [/page] }, access: public }]\n");
    let arguments = [ARGUMENTS.as_slice(), &["--shadow-profile", "none"]].concat();
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &arguments).await;
    assert_eq!(ask_with(&serving, "/page", &[("x-username", b"root")]).await, None);
    assert_eq!(ask(&serving, "/other").await, Some(401));
    until(&serving, "modgud_shadow_config_checks_total", |value| value == 2).await;
    let counters = Counters::at(serving.admin).await;
    let all = counters.labelled("modgud_shadow_config_differences_total", ["rule", "enforced", "shadow"]);
    // That profile denies what no rule is for, and removes no identity header of a client.
    let expected = [["", "credential_missing", "no_rule"], ["page", "allowed", "headers"]];
    assert_eq!(all, expected.map(|labels| (labels.map(str::to_owned), 1)).into());
    serving.end(Signal::INT).await;
}
