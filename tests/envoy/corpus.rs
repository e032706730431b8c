//! Some thousand odd request targets, through Envoy with the sample's settings: what modgud decided on is what the module got, and
//! ambiguous paths get nowhere.

use super::paths::module_path;
use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, logged, replaced, testbed};
use modgud_core::http::path::RequestTarget;
use modgud_testbed::Setup;
use modgud_testbed::http::Exchange;
use serde_json::Value;
use tokio::time::timeout;

/// Texts that are one segment, or several when decoded.
const PIECES: [&str; 78] = [
    "a",
    "A",
    "admin",
    "ADMIN",
    "Admin",
    "%61dmin",
    "ad%6din",
    "%41dmin",
    "static",
    "statics",
    "crm",
    "core",
    "",
    ".",
    "..",
    "...",
    "....",
    "..a",
    "a..",
    ".a",
    "a.",
    "%2e",
    "%2E",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e",
    "%252e%252e",
    "%%32%65",
    "..%2f",
    "%2f",
    "%2F",
    "a%2fb",
    "%2fadmin",
    "%252f",
    "%5c",
    "%5C",
    "a%5cb",
    "\\",
    "a\\b",
    "..\\",
    "\\..\\admin",
    ";",
    "a;b=1",
    ";admin",
    "..;",
    ".;",
    "%3b",
    "..%3b",
    "%00",
    "a%00",
    "%0a",
    "%0d%0a",
    "%09",
    "%7f",
    "%20",
    "a%20b",
    "+",
    "%2b",
    "~",
    "%7e",
    "%7E",
    "*",
    ":",
    "a:b",
    "@",
    "%40",
    "'",
    "(a)",
    "a,b",
    "%23",
    "%3f",
    "%25",
    "%2525",
    "%25zz",
    "%zz",
    "%c3%a9",
    "%c0%ae%c0%ae",
];

/// Texts that have an effect only as a whole segment, or are not ASCII.
const ODD: [&str; 30] = [
    "#",
    "a#b",
    "%",
    "%1",
    "%e2%80%ae",
    "%ef%bc%8f",
    "%ef%bc%8e%ef%bc%8e",
    "%c0%af",
    "%e0%80%af",
    "%ff",
    "%u002e",
    "\u{e9}",
    "\u{ff0f}",
    "\u{2025}",
    "<",
    ">",
    "\"",
    "{",
    "}",
    "|",
    "^",
    "`",
    "[",
    "]",
    "%5b",
    "%7b",
    "%3c",
    "%22",
    "\u{1}",
    "\u{7f}",
];

/// Every target, each once.
fn targets() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for piece in PIECES.iter().chain(&ODD) {
        for shape in [
            "/{}",
            "/{}/",
            "/crm/{}",
            "/crm/{}/",
            "/crm/{}/x",
            "/crm/a{}",
            "/{}crm/a",
            "/crm{}",
            "/crm{}/a",
            "/static/{}/admin",
            "/crm/a?{}",
            "/crm?{}/../admin",
            "{}",
            "{}/crm",
            "//{}/crm",
            "http://api.example.com/{}",
            "/crm/{}//a",
        ] {
            all.push(shape.replace("{}", piece));
        }
    }
    for one in PIECES {
        for other in ["..", "%2e%2e", ".", "", "admin", ";", "\\", "%2f", "a", "%25"] {
            all.push(format!("/crm/{one}/{other}"));
            all.push(format!("/static/{other}/{one}/crm"));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test]
async fn what_was_decided_on_is_what_the_module_gets_however_odd_it_is() {
    let targets = targets();
    assert!(targets.len() > 3_000, "{} targets are not some thousand", targets.len());
    // A busy machine must not be taken for a modgud that can't decide.
    let config = Some("profile: bifrost\nserver: { deadline: 10s }\ntelemetry: { decisions: all }");
    // A connection that Envoy refuses is closed at once, and not a second later.
    let edit: fn(&str) -> String = |yaml| {
        let server = "server_name: bifrost\n";
        let at_once = replaced(yaml, server, &format!("{server}                delayed_close_timeout: 0s\n"));
        replaced(&at_once, "timeout: 0.25s", "timeout: 15s")
    };
    let mut testbed = testbed(Setup { config, edit: Some(edit), ..Setup::default() }).await;
    let jwt = jwt(&sign(&testbed.key, &claims()));
    let (mut forwarded, mut refused, mut kept) = (0_usize, 0_usize, 0_usize);
    for sent in &targets {
        let request = format!("GET {sent} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{jwt}\r\n\r\n");
        let answer = timeout(PATIENCE, Exchange::raw(testbed.gateway, request.as_bytes())).await;
        let answer = answer.unwrap_or_else(|_| panic!("{sent:?}: no answer"));
        let answer = answer.unwrap_or_else(|error| panic!("{sent:?}: {error}"));
        if answer.status == 200 {
            let seen = Seen::of(&answer);
            let event = logged(&mut testbed.modgud).await;
            assert_eq!(event["decision"], "allowed", "{sent:?}: {event}");
            let decided = event["url.path"].as_str().unwrap_or_else(|| panic!("{sent:?}: {event}"));
            // Of `/crm` and of `/crm/` the rewrite makes `/`; no rule can tell them apart either.
            let got = module_path(&seen);
            assert_eq!(got.trim_end_matches('/'), decided.trim_end_matches('/'), "{sent:?}");
            let first = decided.split('/').nth(1).unwrap_or_default();
            assert_ne!(first, "admin", "{sent:?}: nobody may");
            let belongs = if first == "crm" { "crm" } else { "core" };
            assert_eq!(seen.module, belongs, "{sent:?}");
            // Whoever reads the target as the module gets it reads one path, too.
            let read = RequestTarget::parse(seen.path.as_bytes()).unwrap_or_else(|fault| panic!("{sent:?}: {fault}"));
            let segments = format!("/{}", read.path.segments().collect::<Vec<_>>().join("/"));
            assert!(decided.trim_end_matches('/').ends_with(segments.trim_end_matches('/')), "{sent:?}: {segments}");
            forwarded += 1;
        } else if answer.json() == Value::Null {
            // Envoy's own answer: no way leads there, or it is no request. Had modgud been asked, its line would be the next one's.
            assert!(matches!(answer.status, 301 | 400 | 404), "{sent:?}: {}", answer.status);
            kept += 1;
        } else {
            let event = logged(&mut testbed.modgud).await;
            let expected = if answer.status == 400 { "path_ambiguous" } else { "rule_denied" };
            assert_eq!(
                (&event["decision"], &event["reason"]),
                (&"denied".into(), &expected.into()),
                "{sent:?}: {event}"
            );
            refused += 1;
        }
    }
    println!("{forwarded} forwarded, {refused} refused by modgud, {kept} kept by Envoy");
    // A corpus of which one of the three got nothing would prove less than it says.
    assert!(forwarded > 400 && refused > 400 && kept > 400, "{forwarded} {refused} {kept}");
    testbed.stop().await;
}
