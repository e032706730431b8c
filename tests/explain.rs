//! `modgud explain`: what it tells of a request, for people and for tools. The tables are in `tests/data/explain`. That it comes to
//! what the server decides is tested in `decisions::explained`, with the rows of the decision tables.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::cli::process::{KEY_VARIABLE, Output, run_with_input};
use crate::support::{KEY, NOW, token};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A row. The start of `requests.yaml` describes its format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    configuration: Option<String>,
    arguments: Vec<String>,
    #[serde(default)]
    input: String,
    code: i32,
    #[serde(default)]
    says: Option<String>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    json: Map<String, Value>,
}

impl Row {
    async fn run(&self, more: &[&str]) -> Output {
        let folder = TempDir::new().unwrap();
        let mut arguments = vec!["explain".to_owned()];
        if let Some(configuration) = &self.configuration {
            fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
            arguments.extend(["--config".to_owned(), "modgud.yaml".to_owned()]);
        }
        let token = token();
        arguments.extend(self.arguments.iter().map(|argument| argument.replace("{token}", &token)));
        if !self.arguments.iter().any(|argument| argument.starts_with("--at")) {
            arguments.extend(["--at".to_owned(), NOW.to_string()]);
        }
        let input = self.input.replace("{token}", &token);
        fs::write(folder.path().join("check.json"), &input).unwrap();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let key = KEY.public_pem().unwrap();
        let variables = [(KEY_VARIABLE, OsStr::new(&key))];
        let output = run_with_input(folder.path(), &variables, &arguments, &input).await;
        Output { out: output.out.replace(&token, "{token}"), ..output }
    }
}

/// Both forms of every row of a table, and how the command ends.
async fn run(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain").join(name);
    let rows: Vec<Row> =
        serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!rows.is_empty(), "{name} has no row");
    for row in rows {
        assert!(
            row.says.is_some() || !row.json.is_empty() || !row.error.is_empty(),
            "{}: nothing is expected",
            row.what
        );
        let output = row.run(&[]).await;
        assert_eq!(
            (output.code, output.err.as_str()),
            (Some(row.code), row.error.as_str()),
            "{}\n{}",
            row.what,
            output.out
        );
        if let Some(says) = &row.says {
            assert_eq!(&output.out, says, "{}", row.what);
        }
        let for_tools = row.run(&["--json"]).await;
        assert_eq!((for_tools.code, for_tools.err.as_str()), (Some(row.code), row.error.as_str()), "{}", row.what);
        if row.code == 0 || row.code == 3 {
            let json: Value = serde_json::from_str(&for_tools.out).unwrap();
            assert_eq!(json["decision"], if row.code == 0 { "allowed" } else { "denied" }, "{}", row.what);
            for (key, expected) in &row.json {
                assert_eq!(json.get(key), Some(expected), "{}: {key}", row.what);
            }
        } else {
            assert_eq!(for_tools.out, "", "{}", row.what);
        }
    }
}

#[tokio::test]
async fn requests_in_flags() {
    run("requests.yaml").await;
}

#[tokio::test]
async fn requests_in_json() {
    run("messages.yaml").await;
}

#[tokio::test]
async fn requests_in_modules() {
    run("modules.yaml").await;
}

#[tokio::test]
async fn case_folded_and_suffixes_cut_off() {
    run("readings.yaml").await;
}

#[tokio::test]
async fn the_time_of_the_decision() {
    run("time.yaml").await;
}

/// The file that is named is read as standard input is.
#[tokio::test]
async fn a_request_can_be_in_a_file() {
    let row = Row {
        what: "a file".to_owned(),
        configuration: None,
        arguments: ["--request", "check.json"].map(str::to_owned).into(),
        input: r#"{"attributes": {"request": {"http": {"method": "GET", "path": "/docs/"}}}}"#.to_owned(),
        code: 0,
        says: None,
        error: String::new(),
        json: Map::new(),
    };
    let output = row.run(&[]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    assert!(output.out.contains("`core-public` by `/docs/{*rest}`"), "{}", output.out);
    let missing = Row { arguments: ["--request", "nope.json"].map(str::to_owned).into(), ..row }.run(&[]).await;
    let expected = "modgud: nope.json can't be read: No such file or directory (os error 2)\n";
    assert_eq!((missing.code, missing.err.as_str()), (Some(1), expected));
}

#[tokio::test]
async fn what_has_no_end_or_is_no_text_is_refused() {
    let folder = TempDir::new().unwrap();
    let key = KEY.public_pem().unwrap();
    let variables = [(KEY_VARIABLE, OsStr::new(&key))];
    fs::write(folder.path().join("latin.json"), b"{\"a\": \"\xe9\"}").unwrap();
    for (arguments, expected) in [
        (&["explain", "--request", "/dev/zero"][..], "modgud: /dev/zero can't be read: it is larger than 4 MiB\n"),
        (&["explain", "--request", "latin.json"], "modgud: latin.json can't be read: it is not UTF-8 text\n"),
        (
            &["correlation", "verify", "--key", "/dev/zero", "latin.json"],
            "modgud: /dev/zero can't be read: it is larger than 4 MiB\n",
        ),
    ] {
        let output = run_with_input(folder.path(), &variables, arguments, "").await;
        assert_eq!((output.code, output.err.as_str()), (Some(1), expected), "{arguments:?}");
    }
}
