//! The JSON Schema for editors: the committed one is current, accepts every valid file, and rejects form errors.

mod valid;

use super::{files, folder, meaning};
use modgud::config::{reference, schema};
use serde_json::Value;
use std::fs;
use std::path::Path;
use valid::errors;

/// Bad files with form errors, which a schema can find.
const WRONG_IN_FORM: [&str; 15] = [
    "credential",
    "credential-with-too-much",
    "file-that-is-a-list",
    "file-that-is-a-text",
    "keys-missing",
    "keys-unknown",
    "several",
    "sources-all-or-none",
    "sources-of-other-types",
    "sources-written-directly",
    "statuses-that-are-no-numbers",
    "types-of-lists",
    "types-of-sections",
    "types-of-values",
    "words-unknown",
];

/// A good file that the schema rejects: sections without a value are for files that templates make; an editor marks them.
const NULLS: &str = "sections-without-a-value";

fn current() -> Value {
    serde_json::from_str(&schema().unwrap()).unwrap()
}

fn deploy(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn the_committed_schema_is_current() {
    let committed = deploy("modgud.schema.json");
    assert!(
        committed == format!("{}\n", schema().unwrap()),
        "deploy/modgud.schema.json is not current; write it by `cargo run -- config --schema > deploy/modgud.schema.json`"
    );
}

#[test]
fn the_sample_names_the_schema_in_its_first_line_and_fits_it() {
    let sample = deploy("modgud.yaml");
    assert_eq!(sample.lines().next(), Some("# yaml-language-server: $schema=./modgud.schema.json"));
    assert_eq!(errors(&current(), &meaning(&sample)), [""; 0]);
}

#[test]
fn every_good_file_fits() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/profiles");
    for file in [files(&folder("good"), "yaml"), files(&profiles, "yaml")].concat() {
        let text = fs::read_to_string(&file).unwrap();
        let document = match meaning(text.trim_start_matches('\u{feff}')) {
            // A document of comments only.
            Value::Null => continue,
            document => document,
        };
        let fits = errors(&current(), &document).is_empty();
        let expected = file.file_stem().unwrap() != NULLS;
        assert_eq!(fits, expected, "{}: {:?}", file.display(), errors(&current(), &document));
    }
    assert_eq!(errors(&current(), &meaning(&crate::readme::example())), [""; 0]);
}

#[test]
fn what_is_wrong_in_form_does_not_fit() {
    for name in WRONG_IN_FORM {
        let text = fs::read_to_string(folder("bad").join(format!("{name}.yaml"))).unwrap();
        assert_ne!(errors(&current(), &meaning(&text)), [""; 0], "{name}");
    }
}

#[test]
fn the_committed_reference_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration-reference.md");
    assert!(
        fs::read_to_string(file).unwrap_or_default() == reference(),
        "docs/configuration-reference.md is not current; write it by `cargo run -- config --reference > docs/configuration-reference.md`"
    );
}

/// Every example of the schema fits its key.
#[test]
fn examples_of_the_schema_fit() {
    fn walk(root: &Value, schema: &Value, wrong: &mut Vec<String>, found: &mut usize) {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let mut part = schema.clone();
            part["$defs"] = root["$defs"].clone();
            *found += 1;
            wrong.extend(errors(&part, example).into_iter().map(|error| format!("{example}: {error}")));
        }
        match schema {
            Value::Object(members) => members.values().for_each(|member| walk(root, member, wrong, found)),
            Value::Array(items) => items.iter().for_each(|item| walk(root, item, wrong, found)),
            _ => {}
        }
    }
    let (mut wrong, mut found) = (Vec::new(), 0);
    walk(&current(), &current(), &mut wrong, &mut found);
    assert_eq!(wrong, [""; 0]);
    assert!(found > 40, "only {found} examples");
}

/// Each key of the file is in the reference, with an example unless it is only a map or a list of others. The example is YAML of the
/// key's type.
#[test]
fn the_reference_has_an_example_of_every_value() {
    let page = reference();
    let rows = crate::readme::rows(&page);
    assert!(rows.len() > 180, "only {} keys", rows.len());
    let paths: Vec<&str> = rows.iter().filter_map(|row| row.first()).map(|path| path.trim_matches('`')).collect();
    for row in &rows {
        let [path, kind, default, example, meaning] = row.as_slice() else { panic!("{row:?}") };
        assert!(!meaning.is_empty() && !default.is_empty(), "{path}");
        let path = path.trim_matches('`');
        let has_keys =
            paths.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])));
        if example == "—" {
            assert!(has_keys, "{path} has no example; give it one: `#[schemars(example = …)]`");
            continue;
        }
        let value = super::meaning(example.trim_matches('`'));
        let fits = kind.split(" or ").flat_map(|kinds| kinds.split(", ")).any(|kind| match &value {
            Value::String(word) => kind == "string" || kind == format!("`{word}`"),
            Value::Array(_) => kind.starts_with("list"),
            Value::Object(_) => kind.starts_with("map"),
            Value::Bool(_) => kind == "boolean",
            Value::Number(number) => kind == if number.is_f64() { "number" } else { "integer" },
            Value::Null => false,
        });
        assert!(fits, "{path}: {example} is no {kind}");
    }
}

/// An editor shows the description of a key while it is written: none is missing, and none is a repetition of the key.
#[test]
fn every_key_and_word_is_described() {
    fn walk(schema: &Value, path: &str, missing: &mut Vec<String>) {
        let described = |schema: &Value| schema["description"].as_str().is_some_and(|text| text.len() > 4);
        for (key, member) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            // The one key of a map that is one of several is described by the description of that map.
            let one_of_several = schema["required"] == serde_json::json!([key]) && described(schema);
            if !described(member) && !one_of_several {
                missing.push(path.clone());
            }
            walk(member, &path, missing);
        }
        for word in ["oneOf", "anyOf"].iter().flat_map(|key| schema[*key].as_array().into_iter().flatten()) {
            if word.get("const").is_some() && !described(word) {
                missing.push(format!("{path}: {}", word["const"]));
            }
            walk(word, path, missing);
        }
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            walk(definition, name, missing);
        }
    }
    let mut missing = Vec::new();
    walk(&current(), "", &mut missing);
    assert_eq!(missing, [""; 0]);
}
