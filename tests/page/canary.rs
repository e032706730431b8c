//! A marker in every secret place of a request: no response of the page holds it, or any piece of a token.

use super::Served;
use crate::canary::{MARKER, checks, secrets};
use modgud::clock::Clock;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// The paths of everything that the page shows, besides the explanations.
const VIEWS: [&str; 7] =
    ["/", "/api/status", "/api/decisions", "/api/history", "/api/rules", "/api/keys", "/api/config"];

#[tokio::test]
async fn no_token_and_no_claim_is_in_any_response() {
    let configuration = "
profile: bifrost
server: { drain: 0s, deadline: 10s }
rules:
  - { name: docs, match: { paths: [\"/docs/{*rest}\"] }, access: public }
  - { name: admin, match: { paths: [\"/admin/{*rest}\"] }, access: denied }
  - { name: orders, match: { paths: [\"/orders/{*rest}\"] }, when: \"claims.username != 'x'\" }
  - { name: other-orders, match: { paths: [\"/crm/in-plain-sight\"], methods: [GET] }, when: \"claims.username == 'x'\", shadow: true }
";
    let served = Served::of(configuration).await;
    let checks = checks(Clock::System.now().as_secs());
    let secrets = secrets(&checks);
    let mut client = served.client.clone();
    for (number, (check, _)) in checks.iter().enumerate() {
        client.check(check.clone()).await.unwrap();
        // No more than are explained in a second.
        if number % 8 == 7 {
            sleep(Duration::from_millis(1_050)).await;
        }
    }
    let mut seen = Vec::new();
    for path in VIEWS {
        seen.push((path.to_owned(), String::from_utf8(served.get(path).await.body).unwrap()));
    }
    let kept = served.get("/api/decisions").await.json()["last"].as_u64().unwrap();
    assert_eq!(kept, checks.len() as u64);
    let mut explained = 0;
    for id in 1..=kept {
        let path = format!("/api/decisions/{id}");
        let text = String::from_utf8(served.get(&path).await.body).unwrap();
        explained += usize::from(!text.ends_with("null}"));
        seen.push((path, text));
    }
    // Most, or nothing was looked at.
    assert!(explained > checks.len() / 2, "{explained} of {}", checks.len());
    let value = String::from_utf8(
        checks[0].0.attributes.clone().unwrap().request.unwrap().http.unwrap().headers[0].value.to_vec(),
    )
    .unwrap();
    for path in ["/crm/", "/orders/1", "/docs/"] {
        let headers = json!([["authorization", value], ["cookie", MARKER], ["x-secret", MARKER]]);
        let request = json!({ "method": "GET", "path": format!("{path}?a={MARKER}"), "host": "a", "headers": headers });
        let answer = served.explain(&request).await;
        assert_eq!(answer.status, 200);
        seen.push((path.to_owned(), String::from_utf8(answer.body).unwrap()));
    }
    for (path, text) in &seen {
        let shown: Vec<&String> = secrets.iter().filter(|secret| text.contains(*secret)).collect();
        assert!(shown.is_empty(), "{path} shows {shown:?}: {text}");
    }
}

/// The `id` of an API key is a claim of its caller, and the log names it. The page does not.
#[tokio::test]
async fn no_id_of_an_api_key_is_in_any_response() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.yaml");
    let entry = |key: &str, more: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
        let digest: String = digest.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        format!("- {{ id: {MARKER}-{key}, sha256: {digest}, subject: {MARKER}{more} }}\n")
    };
    let entries = [entry("good", ""), entry("old", ", expires: 2020-01-01T00:00:00Z")].concat();
    std::fs::write(&keys, entries).unwrap();
    let configuration = format!(
        "profile: none\nserver: {{ drain: 0s }}\nauthenticators:\n  - {{ name: partners, from: [{{ header: x-api-key }}], api_key: {{ \
         file: {} }} }}\nfallback: authenticated\n",
        keys.display()
    );
    let served = Served::of(&configuration).await;
    for (id, key) in (1..).zip(["good", "old", "unknown"]) {
        served.check("GET", "/a", &[("x-api-key", key)]).await;
        let explained = served.explained(id).await;
        assert_eq!(explained["explanation"]["same"], true, "{explained}");
        let request = json!({ "method": "GET", "path": "/a", "host": "a", "headers": [["x-api-key", key]] });
        let form = served.explain(&request).await.json();
        assert_eq!(form["decision"], if key == "good" { "allowed" } else { "denied" }, "{form}");
        assert!(!format!("{explained}{form}").contains(MARKER), "{explained} {form}");
    }
    for path in VIEWS {
        let text = String::from_utf8(served.get(path).await.body).unwrap();
        assert!(!text.contains(MARKER), "{path}: {text}");
    }
}
