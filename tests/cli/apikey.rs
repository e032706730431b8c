//! `modgud apikey new`: the key that it shows is that of its line.

use super::process::{KEY_VARIABLE, Output, run_in};
use crate::support::KEY;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const CONFIGURATION: &str = "\
profile: bifrost
authenticators:
  - name: partners
    from: [{ header: x-api-key }]
    api_key: { file: keys.yaml }
upstream:
  headers: { x-subject: { principal: subject }, x-roles: { principal: roles } }
";

/// The key alone on standard output, and the line on standard error, which is YAML as a whole.
fn key_and_line(output: &Output) -> (&str, &str) {
    let key = output.out.strip_suffix('\n').unwrap();
    assert!(key.starts_with("mgk_") && key.len() == 47, "{key}");
    let (comment, line) = output.err.split_once('\n').unwrap();
    assert_eq!(comment, "# a line for the table that `api_key: { file: … }` names:");
    (key, line.strip_suffix('\n').unwrap())
}

#[tokio::test]
async fn a_key_is_accepted_once_its_line_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let arguments = [
        "apikey",
        "new",
        "--id",
        "partner-a",
        "--subject",
        "partner",
        "--role",
        "reader",
        "--role",
        "writer",
        "--permission",
        "crm:read",
        "--claim",
        "organization_uuid=None",
        "--claim",
        "level=3",
        "--expires",
        "2999-01-01",
    ];
    let first = run_in(folder.path(), &[], &arguments).await;
    let second = run_in(folder.path(), &[], &["apikey", "new", "--id", "plain"]).await;
    assert_eq!((first.code, second.code), (Some(0), Some(0)));
    let ((key, line), (other, other_line)) = (key_and_line(&first), key_and_line(&second));
    assert!(!line.contains(key), "the line holds the key itself");
    let entry: Value = serde_json::from_str(line.strip_prefix("- ").unwrap()).unwrap();
    let names: HashSet<&str> = entry.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, HashSet::from(["id", "sha256", "subject", "roles", "permissions", "claims", "expires"]));

    write("modgud.yaml", CONFIGURATION);
    write("keys.yaml", &format!("{line}\n{other_line}\n"));
    let public = KEY.public_pem().unwrap();
    for (key, code, shown) in
        [(key, 0, "x-subject: partner"), (other, 0, "remove    x-subject"), ("mgk_x", 3, "api_key_unknown")]
    {
        let header = format!("x-api-key: {key}");
        let explain = ["explain", "--config", "modgud.yaml", "--path", "/crm/", "--header", &header];
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &public)], &explain).await;
        assert_eq!((output.code, output.err.as_str()), (Some(code), ""), "{}", output.out);
        assert!(output.out.contains(shown), "{shown} is not in\n{}", output.out);
    }
    let checked = run_in(folder.path(), &[(KEY_VARIABLE, &public)], &["check", "--config", "modgud.yaml"]).await;
    assert!(checked.out.contains("authenticator partners: 2 API keys, 0 of them expired"), "{}", checked.out);
}

#[tokio::test]
async fn no_two_keys_are_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = HashSet::new();
    for _ in 0..4 {
        let output = run_in(folder.path(), &[], &["apikey", "new", "--id", "a"]).await;
        assert!(keys.insert(key_and_line(&output).0.to_owned()));
    }
}

#[tokio::test]
async fn what_can_not_be_stored_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["apikey", "new"][..], "--id"),
        (&["apikey", "new", "--id", "a b"], "write 1 to 128 visible ASCII characters without a space"),
        (&["apikey", "new", "--id", "a", "--expires", "soon"], "`soon` is not a point in time"),
        (&["apikey", "new", "--id", "a", "--expires", "2020-01-01"], "this time is in the past"),
        (&["apikey", "new", "--id", "a", "--claim", "x"], "write it as `NAME=VALUE`"),
    ] {
        let output = run_in(folder.path(), &[], arguments).await;
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(output.err.contains(expected), "{expected} is not in\n{}", output.err);
    }
}

/// A script gets the key alone, and the table gets the line alone.
#[tokio::test]
async fn the_line_can_be_appended_to_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("keys.yaml");
    fs::write(&table, "# keys").unwrap();
    for id in ["a", "b"] {
        let output = run_in(folder.path(), &[], &["apikey", "new", "--id", id, "--table", "keys.yaml"]).await;
        assert_eq!((output.code, output.err.as_str(), output.out.lines().count()), (Some(0), "", 1), "{output:?}");
        assert!(!fs::read_to_string(&table).unwrap().contains(output.out.trim_end()), "the table holds the key itself");
    }
    let text = fs::read_to_string(&table).unwrap();
    let entries: Vec<Value> = serde_saphyr::from_str(&text).unwrap();
    let ids: Vec<&str> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b"], "{text}");
    let output = run_in(folder.path(), &[], &["apikey", "new", "--id", "c", "--table", "nope/keys.yaml"]).await;
    assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "a key without its line is of no use: {output:?}");
}

/// A table that would be invalid, or is none, stays as it is, and no key is shown.
#[tokio::test]
async fn a_table_is_never_broken() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |id: &str, digit: &str| format!("{{ id: {id}, sha256: \"{}\" }}", digit.repeat(64));
    let flow = format!("[{}]\n", entry("a", "1"));
    let used = format!("- {}\n", entry("partner-a", "1"));
    let twice = format!("{used}{used}");
    for (text, expected) in [
        (used.as_str(), "`partner-a` is in table.yaml already; write another `--id`\n"),
        (
            "profile: bifrost\nfallback: denied\n",
            "table.yaml is not a table of API keys, and was not changed:\ntable.yaml:",
        ),
        ("- id: [\n", "table.yaml is not a table of API keys, and was not changed:\ntable.yaml:"),
        (&twice, "[name-duplicate]"),
        (
            &flow,
            "a line can't be appended to table.yaml, which was not changed; write one entry per line, each after `- `\n",
        ),
    ] {
        let table = folder.path().join("table.yaml");
        fs::write(&table, text).unwrap();
        let arguments = ["apikey", "new", "--id", "partner-a", "--table", "table.yaml"];
        let output = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{text}");
        assert!(output.err.contains(expected), "{expected} is not in\n{}", output.err);
        assert_eq!(fs::read_to_string(&table).unwrap(), text);
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "a temporary file is left behind");
}

/// Permissions, symbolic links, comments and indentation stay; `[]` is an empty table.
#[tokio::test]
async fn a_table_keeps_its_form() {
    let folder = tempfile::tempdir().unwrap();
    let entry = format!("{{ id: a, sha256: \"{}\" }}", "1".repeat(64));
    for (number, (text, start)) in [
        ("# none yet\n[]\n".to_owned(), "# none yet\n- {"),
        (format!("# ours\n  - {entry} # the first\n"), "# ours\n  - {"),
        ("\n".to_owned(), "\n- {"),
    ]
    .into_iter()
    .enumerate()
    {
        let (table, link) =
            (folder.path().join(format!("{number}.yaml")), folder.path().join(format!("{number}.link")));
        fs::write(&table, &text).unwrap();
        fs::set_permissions(&table, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&table, &link).unwrap();
        let arguments = ["apikey", "new", "--id", "b", "--table", link.to_str().unwrap()];
        let output = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{text}");
        let written = fs::read_to_string(&table).unwrap();
        assert!(written.starts_with(start) && (text.contains("[]") || written.starts_with(&text)), "{written}");
        let entries: Vec<Value> = serde_saphyr::from_str(&written).unwrap();
        assert_eq!(entries.last().unwrap()["id"], "b", "{written}");
        assert_eq!(fs::metadata(&table).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
