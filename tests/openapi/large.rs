//! Two thousand operations, in both versions: every one gets a rule, and all of them load.

use super::{load, openapi};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;

const PATHS: usize = 500;
const METHODS: [&str; 4] = ["get", "put", "post", "delete"];

/// Paths with four operations each, some with an identifier, and with every kind of requirement.
fn paths() -> Value {
    let mut paths = Map::new();
    for number in 0..PATHS {
        let mut path = Map::new();
        for (kind, method) in METHODS.iter().enumerate() {
            let security = match (number + kind) % 5 {
                0 => json!([{ "login": [format!("scope-{number}")] }]),
                1 => json!([{ "login": ["read"] }, { "login": ["write", format!("scope-{kind}")] }]),
                2 => json!([{ "login": ["a"] }, { "login": ["b"] }]),
                3 => json!([]),
                _ => Value::Null,
            };
            let mut operation = json!({ "responses": { "200": { "description": "x".repeat(200) } } });
            if !security.is_null() {
                operation["security"] = security;
            }
            if kind % 2 == 0 {
                operation["operationId"] = format!("operation{number}{method}").into();
            }
            path.insert((*method).to_owned(), operation);
        }
        let template = match number % 4 {
            0 => format!("/things-{number}/{{id}}"),
            1 => format!("/things/{number}/parts/{{partId}}/"),
            2 => format!("/things-{number}/{{id}}.json"),
            _ => format!("/tenants/{{tenant}}/things-{number}"),
        };
        paths.insert(template, Value::Object(path));
    }
    Value::Object(paths)
}

#[tokio::test]
async fn every_operation_gets_a_rule() {
    let folder = tempfile::tempdir().unwrap();
    let schemes = json!({ "login": { "type": "oauth2" } });
    let two = json!({ "swagger": "2.0", "basePath": "/v1", "securityDefinitions": schemes, "paths": paths() });
    let three = json!({
        "openapi": "3.1.0", "servers": [{ "url": "/v1" }], "components": { "securitySchemes": schemes }, "paths": paths()
    });
    let mut printed = Vec::new();
    for (name, document) in [("two", two), ("three", three)] {
        // One line, and lines.
        let texts = [document.to_string(), serde_json::to_string_pretty(&document).unwrap()];
        for text in texts {
            fs::write(folder.path().join(name), text).unwrap();
            let output = openapi(folder.path(), &["rules", name, "--module", "big"]).await;
            assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
            let names: BTreeSet<&str> =
                output.out.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
            assert_eq!(names.len(), PATHS * METHODS.len());
            // What is open, but for a quarter, whose rules match more.
            assert_eq!(output.out.matches("access: public").count(), 300);
            let rules = output.out.split_once("rules:\n").unwrap().1.to_owned();
            printed.push(rules);
            if printed.len() == 1 {
                let checked = load(&output.out).await;
                assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
                assert!(checked.out.contains("2000 path patterns have a rule"), "{}", checked.out);
            }
        }
    }
    assert!(printed.iter().all(|one| *one == printed[0]), "the rules do not depend on version and form");
}
