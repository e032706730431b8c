//! `modgud explain` comes to what the server decides: the same check, asked of both.

use super::answer::Answer;
use super::table::{Case, Table};
use super::{Bench, NOW, TOPICS, folder, message, token, with_stranger};
use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::support::KEY;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modgud::envoy::proto::address::Address as AddressKind;
use modgud::envoy::proto::{CheckRequest, HeaderMap};
use modgud_core::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs;

/// Each command is a process of its own: one row out of this many.
const SAMPLE: usize = 5;

#[tokio::test]
async fn explain_comes_to_what_the_server_decides() {
    let mut compared = 0;
    for topic in TOPICS {
        let table = Table::read(&folder(), topic);
        let mut benches = HashMap::new();
        for (number, case) in table.cases.iter().enumerate().filter(|(number, _)| number % SAMPLE == 0) {
            let configuration = table.configuration(case);
            if !benches.contains_key(&case.configuration) {
                benches.insert(case.configuration.clone(), Bench::set_up(&configuration, &table.files).await);
            }
            let bench = benches.get_mut(&case.configuration).unwrap();
            let encodings = case.encodings();
            let encoding = encodings[number / SAMPLE % encodings.len()];
            let token = token::make(case.token.as_ref());
            let check = message::message(case, &token, encoding);
            // A text field that is no text can't be written in JSON.
            let Some(json) = in_json(&check) else { continue };
            bench.sidecar.clock.set(Timestamp::from_secs(case.at.unwrap_or(NOW)));
            let served = bench.answer(check).await.unwrap();
            let explained = explain(&configuration, &table.files, &json, case).await;
            assert_eq!(explained, served, "{topic}: {} ({encoding:?})\n{json}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared} checks were compared");
}

/// The check in protobuf's JSON form; `None` when a text of it is none.
fn in_json(check: &CheckRequest) -> Option<Value> {
    let attributes = check.attributes.as_ref()?;
    let http = attributes.request.as_ref()?.http.as_ref()?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let mut headers = serde_json::Map::new();
    for entry in &http.headers {
        // One name twice can't be written as a JSON object.
        if headers.insert(text(&entry.key)?, text(&entry.value)?.into()).is_some() {
            return None;
        }
    }
    let mut json = json!({
        "method": text(&http.method)?, "path": text(&http.path)?, "host": text(&http.host)?,
        "scheme": text(&http.scheme)?, "protocol": text(&http.protocol)?, "headers": headers,
        "body": text(&http.body)?, "rawBody": STANDARD.encode(&http.raw_body),
    });
    if let Some(HeaderMap { headers }) = &http.header_map {
        let header = |header: &modgud::envoy::proto::HeaderValue| {
            Some(json!({ "key": text(&header.key)?, "rawValue": STANDARD.encode(&header.raw_value) }))
        };
        json["headerMap"] = json!({ "headers": headers.iter().map(header).collect::<Option<Vec<_>>>()? });
    }
    let source = match &attributes.source {
        None => json!({}),
        Some(peer) => {
            let address = match peer.address.as_ref().and_then(|address| address.address.as_ref()) {
                None => Value::Null,
                Some(AddressKind::SocketAddress(socket)) => {
                    json!({ "socketAddress": { "address": text(&socket.address)? } })
                }
                Some(AddressKind::Pipe(pipe)) => json!({ "pipe": { "path": text(&pipe.path)? } }),
            };
            json!({ "principal": text(&peer.principal)?, "certificate": text(&peer.certificate)?, "address": address })
        }
    };
    let mut context = serde_json::Map::new();
    for entry in &attributes.context_extensions {
        if context.insert(text(&entry.key)?, text(&entry.value)?.into()).is_some() {
            return None;
        }
    }
    let request = json!({ "http": json });
    Some(json!({ "attributes": { "source": source, "request": request, "contextExtensions": context } }))
}

/// What `modgud explain` comes to: the answer, and the reason (none when it is let through).
async fn explain(
    configuration: &str,
    files: &BTreeMap<String, String>,
    check: &Value,
    case: &Case,
) -> (Answer, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("check.json"), check.to_string()).unwrap();
    fs::write(folder.path().join("modgud.yaml"), with_stranger(configuration)).unwrap();
    let at = case.at.unwrap_or(NOW).to_string();
    let mut arguments = vec!["explain", "--request", "check.json", "--at", &at, "--json"];
    if !configuration.is_empty() {
        arguments.extend(["--config", "modgud.yaml"]);
    }
    let key = KEY.public_pem().unwrap();
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &key), ("JWT_PUBLIC_KEY", &key)], &arguments).await;
    let json: Value =
        serde_json::from_str(&output.out).unwrap_or_else(|error| panic!("{}: {error}\n{}", case.name, output.err));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let answer = match json["decision"].as_str() {
        Some("allowed") => {
            assert_eq!(output.code, Some(0), "{}", case.name);
            let upstream = &json["upstream"];
            let set = upstream["set"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1])));
            let remove = upstream["remove"].as_array().unwrap().iter().map(text);
            let query = upstream["remove_query"].as_array().into_iter().flatten().map(text);
            Answer::Allow { set: set.collect(), remove: remove.collect(), remove_query: query.collect() }
        }
        Some("denied") => {
            assert_eq!(output.code, Some(3), "{}", case.name);
            let answer = &json["answer"];
            let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
            let headers = answer["headers"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1])));
            Answer::denial(status, text(&answer["body"]), headers.collect()).unwrap()
        }
        other => panic!("{}: the decision is {other:?}", case.name),
    };
    (answer, text(&json["reason"]))
}
