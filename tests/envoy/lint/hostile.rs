//! Documents that are no configuration of Envoy, and ones that are damaged: an error or a finding, never a panic, never without end.

use super::{CONFIG, report, written};
use crate::cli::process::{run_in, run_with_input};
use crate::properties::runner;
use modgud::envoy::lint::{Document, Scope, lint};
use proptest::prelude::any;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::fs;

#[tokio::test]
async fn what_is_no_configuration_of_envoy_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let none = "it is no configuration of Envoy; name a bootstrap (`static_resources`), a file with `resources`, or the output of `/config_dump`";
    let deep = format!("static_resources: {}{}", "[".repeat(100), "]".repeat(100));
    let line = |n: u32| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 10].join(", "));
    let laughs = (0..9).map(line).collect::<Vec<_>>().concat();
    for (number, (text, said)) in [
        ("", none),
        ("a: 1", none),
        ("[]", none),
        ("text", none),
        ("configs: []", none),
        ("configs: [{}]", none),
        ("resources: [1]", none),
        ("resources: [{ '@type': type.googleapis.com/example.Listener }]", none),
        ("'@type': type.googleapis.com/example.Listener", none),
        ("profile: bifrost\nmodules: []", none),
        ("static_resources: { listeners: []", "1:19: unclosed bracket"),
        ("static_resources: {}\nstatic_resources: {}", "2:1: duplicate mapping key"),
        (&deep, "the document is nested deeper than 64 levels, the limit for a configuration of Envoy"),
        (
            &format!("a0: &a0 [x]\n{laughs}static_resources: *a9"),
            "up to here the document has more values than the limit for a configuration of Envoy",
        ),
        ("\u{0}", "1:1: "),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(folder.path().join("envoy.yaml"), text).unwrap();
        let output = run_in(folder.path(), &[], &["envoy", "lint", "envoy.yaml"]).await;
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{number}: {}", output.err);
        assert!(output.err.starts_with("modgud: envoy.yaml:") && output.err.contains(said), "{number}: {}", output.err);
    }
    fs::write(folder.path().join("envoy.yaml"), b"a: \xff").unwrap();
    let large = fs::File::create(folder.path().join("large.yaml")).unwrap();
    large.set_len(1 << 30).unwrap();
    for (file, said) in [
        ("envoy.yaml", "modgud: envoy.yaml: the file is not UTF-8 text\n"),
        (
            "large.yaml",
            "modgud: large.yaml: the file is larger than 67108864 bytes, the limit for a configuration of Envoy\n",
        ),
        ("absent.yaml", "modgud: absent.yaml: No such file or directory (os error 2)\n"),
    ] {
        let output = run_in(folder.path(), &[], &["envoy", "lint", file]).await;
        assert_eq!((output.code, output.out, output.err.as_str()), (Some(2), String::new(), said));
    }
    let twice = run_with_input(folder.path(), &[], &["envoy", "lint", "-", "-"], "").await;
    assert_eq!(twice.err, "modgud: standard input is named twice; name it once\n");
}

/// Each type of value in each place.
#[tokio::test]
async fn a_value_of_another_type_is_a_finding() {
    let (loaded, plain) = written(CONFIG, &[]).await;
    let check = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/1/typed_config";
    for (field, value) in [
        ("failure_mode_allow", json!("true")),
        ("failure_mode_allow", json!({ "value": true })),
        ("failure_mode_allow", json!(1)),
        ("transport_api_version", json!("v3")),
        ("transport_api_version", json!(7)),
        ("clear_route_cache", json!([])),
    ] {
        let mut varied = plain.clone();
        varied.pointer_mut(check).unwrap()[field] = value.clone();
        let report = report(&[&varied], Some(&loaded));
        let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code().name()).collect();
        assert_eq!(codes, ["unreadable"], "{field}: {value}");
    }
}

/// Replaces or removes one value, anywhere.
fn damage(root: &mut Value, at: &[Index], with: Option<Value>) {
    let Some((first, rest)) = at.split_first() else {
        *root = with.unwrap_or_default();
        return;
    };
    match root {
        Value::Array(list) if !list.is_empty() => {
            let index = first.index(list.len());
            if rest.is_empty() && with.is_none() {
                list.remove(index);
            } else {
                damage(&mut list[index], rest, with);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(first.index(members.len())).unwrap().clone();
            if rest.is_empty() && with.is_none() {
                members.remove(&key);
            } else {
                damage(members.get_mut(&key).unwrap(), rest, with);
            }
        }
        other => *other = with.unwrap_or_default(),
    }
}

#[tokio::test]
async fn a_damaged_configuration_is_never_a_panic() {
    let (loaded, plain) = written(CONFIG, &["--health-listen", "127.0.0.1:8001"]).await;
    let values = [
        None,
        Some(json!([])),
        Some(json!({})),
        Some(json!("a")),
        Some(json!(-1)),
        Some(json!(1e300)),
        Some(json!([{ "a": [] }])),
    ];
    let scope = Scope { modgud: Some("127.0.0.1:9191".parse().unwrap()), ..Scope::default() };
    let strategy = (proptest::collection::vec(any::<Index>(), 1..16), any::<Index>());
    runner(200)
        .run(&strategy, |(at, index)| {
            let mut varied = plain.clone();
            damage(&mut varied, &at, values[index.index(values.len())].clone());
            let Ok(document) = Document::parse("a", &varied.to_string()) else { return Ok(()) };
            for settings in [None, Some(modgud::envoy::lint::Settings::of(&loaded.config))] {
                let _ = lint(std::slice::from_ref(&document), settings.as_ref(), &scope);
            }
            Ok(())
        })
        .unwrap();
}
