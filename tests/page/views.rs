//! What the page's requests return.

use super::{CONFIGURATION, PATIENCE, Served, token};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_decision_is_there_with_its_explanation() {
    let served = Served::of(CONFIGURATION).await;
    let clerk = format!("Bearer {}", token(&[("sub", json!("s-1")), ("roles", json!(["clerk"]))]));
    let bearer = [("authorization", clerk.as_str()), ("x-request-id", "id-1")];
    served.check("GET", "/orders/7?secret=in-the-query", &bearer).await;
    served.check("DELETE", "/orders/7", &bearer).await;
    served.check("GET", "/own/s-2", &bearer).await;
    served.check("GET", "/nowhere", &[]).await;
    served.check("GET", "/a/../b", &[]).await;
    let all = served.get("/api/decisions").await.json();
    let shown: Vec<[&str; 4]> = all["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["decision", "reason", "rule", "path"].map(|name| one[name].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        shown,
        [
            ["allowed", "-", "read-orders", "/orders/7"],
            ["denied", "role_missing", "change-orders", "/orders/7"],
            ["denied", "condition_false", "own-only", "/own/s-2"],
            ["denied", "no_rule", "-", "/nowhere"],
            ["denied", "path_ambiguous", "-", "/a/../b"],
        ]
    );
    assert_eq!((&all["last"], &all["checks"]), (&json!(5), &json!(5)));
    assert_eq!(all["decisions"][0]["request_id"], "id-1");
    // The shadow rule denies what the enforced one allows.
    assert_eq!(
        all["decisions"][0]["shadow"],
        json!({ "rule": "orders-of-tomorrow", "decision": "denied", "reason": "role_missing" })
    );
    assert_eq!(served.get("/api/decisions?since=4").await.json()["decisions"].as_array().unwrap().len(), 1);
    // A number of another process: all of them.
    assert_eq!(served.get("/api/decisions?since=400").await.json()["decisions"].as_array().unwrap().len(), 5);

    let step = |answer: &Value, what: &str| {
        let steps = answer["explanation"]["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["what"] == what).unwrap_or_else(|| panic!("no {what} in {steps:?}"));
        (step["outcome"].as_str().unwrap().to_owned(), step["text"].as_str().unwrap().to_owned())
    };
    // Every step of the verification, also where the server has the token in its cache.
    let allowed = served.explained(1).await;
    assert_eq!(allowed["explanation"]["same"], true);
    for what in ["token", "issuer", "signature", "dates", "access", "headers"] {
        assert_eq!(step(&allowed, what).0, "passed", "{what}");
    }
    let denied = served.explained(2).await;
    assert_eq!(step(&denied, "access").0, "failed");
    assert!(!denied.to_string().contains("clerk"), "{denied}");
    let condition = step(&served.explained(3).await, "when");
    assert_eq!(condition, ("failed".to_owned(), "`path.who == claims.sub` is false".to_owned()));
    assert!(step(&served.explained(4).await, "rule").1.contains("no rule matches"));
    assert_eq!(served.explained(5).await["explanation"]["reason"], "path_ambiguous");
    // The explanations are no checks, and used no cache.
    let cache = modgud_testbed::http::Exchange::send(served.page, "GET", "/api/status", &[("host", "localhost")])
        .await
        .unwrap()
        .json();
    assert_eq!(cache["checks"], 5);
}

#[tokio::test]
async fn rules_keys_history_and_configuration_are_those_of_the_process() {
    let served = Served::of(CONFIGURATION).await;
    let clerk = format!("Bearer {}", token(&[("roles", json!(["clerk"]))]));
    for path in ["/orders/1", "/orders/2", "/docs/a"] {
        served.check("GET", path, &[("authorization", clerk.as_str())]).await;
    }
    served.check("GET", "/orders/3", &[]).await;
    let rules = served.get("/api/rules").await.json();
    let of = |name: &str| rules["rules"].as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap().clone();
    assert_eq!(of("read-orders")["hits"], json!({ "allowed": 2, "denied": 1 }));
    assert_eq!(of("read-orders")["matches"], json!([{ "path": "/orders/{*rest}", "host": null, "methods": ["GET"] }]));
    assert_eq!(of("never")["hits"], json!({ "allowed": 0, "denied": 0 }));
    assert_eq!(of("never")["matches"][0]["host"], "old.example.com");
    assert_eq!(of("orders-of-tomorrow")["would"], json!({ "allowed": 0, "denied": 3 }));
    assert_eq!((&of("orders-of-tomorrow")["shadow"], &of("orders-of-tomorrow")["hits"]), (&json!(true), &Value::Null));
    assert_eq!((&rules["fallback"], &rules["compared"]), (&json!("denied"), &Value::Null));

    let failed = async {
        loop {
            let keys = served.get("/api/keys").await.json();
            if keys["authenticators"][1]["providers"][0]["next"].is_u64() {
                return keys;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let keys = timeout(PATIENCE, failed).await.unwrap();
    let (own, partners) = (&keys["authenticators"][0], &keys["authenticators"][1]);
    assert!(own["keys"][0].as_str().unwrap().contains("RSA 2048 bits"), "{own}");
    let provider = &partners["providers"][0];
    assert_eq!(
        (&provider["usable"], &provider["fetched"], &provider["successes"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    assert!(provider["error"]["text"].as_str().unwrap().contains("can't be fetched"), "{provider}");

    let history = served.get("/api/history").await.json();
    let sum = |name: &str| {
        history["samples"].as_array().unwrap().iter().map(|sample| sample[name].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("allowed"), sum("denied"), sum("unavailable")), (3, 1, 0));
    assert!(history["samples"].as_array().unwrap().iter().any(|sample| sample["p99"].is_u64()), "{history}");

    let config = served.get("/api/config").await.json();
    let yaml = config["yaml"].as_str().unwrap();
    assert!(yaml.contains("name: read-orders") && yaml.contains("# ") && yaml.contains("?not-shown"), "{yaml}");
    for secret in ["canary-of-the-address", "-----BEGIN"] {
        assert!(!format!("{config}{keys}").contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_reload_changes_rules_and_configuration() {
    let served = Served::of(CONFIGURATION).await;
    let changed = CONFIGURATION.replace("name: never", "name: from-now-on");
    std::fs::write(served.folder.path().join("modgud.yaml"), changed).unwrap();
    let reloaded = async {
        while !served.get("/api/config").await.json()["yaml"].as_str().unwrap().contains("from-now-on") {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, reloaded).await.unwrap();
    assert!(served.get("/api/rules").await.json().to_string().contains("from-now-on"));
}

#[tokio::test]
async fn the_form_explains_without_a_trace() {
    let served = Served::of(CONFIGURATION).await;
    let clerk = format!("Bearer {}", token(&[("sub", json!("canary-of-a-claim")), ("roles", json!(["clerk"]))]));
    let request = |path: &str, headers: Value| json!({ "method": "GET", "path": path, "host": "api.example.com", "headers": headers });
    let allowed = served.explain(&request("/orders/1", json!([["authorization", clerk]]))).await.json();
    assert_eq!((&allowed["decision"], &allowed["rule"]), (&json!("allowed"), &json!("read-orders")), "{allowed}");
    let denied = served.explain(&request("/own/x", json!([["Authorization", clerk]]))).await.json();
    assert_eq!((&denied["reason"], &denied["rule"]), (&json!("condition_false"), &json!("own-only")), "{denied}");
    assert!(!format!("{allowed}{denied}").contains("canary-of-a-claim"), "{allowed} {denied}");
    // A token of the provider that was never reached: the form says so, and asks nobody.
    let failures = served.get("/api/keys").await.json()["authenticators"][1]["providers"][0]["failures"].clone();
    let partner = crate::support::STRANGER
        .sign(&[("iss".to_owned(), json!("http://127.0.0.1:9/partners")), ("exp".to_owned(), json!(9_999_999_999_u64))])
        .unwrap();
    let undecided =
        served.explain(&request("/orders/1", json!([["authorization", format!("Bearer {partner}")]]))).await.json();
    assert!(undecided["lookup"].as_str().unwrap().contains("unavailable"), "{undecided}");
    assert!(failures.is_u64());
    let unreadable = served.explain(&request("nonsense", json!([]))).await.json();
    assert_eq!(unreadable["decision"], "denied", "{unreadable}");
    // Nothing of this is a check, or in the token cache.
    let all = served.get("/api/decisions").await.json();
    assert_eq!((&all["decisions"], &all["last"], &all["checks"]), (&json!([]), &json!(0), &json!(0)));
}
