//! `modgud config`: each value with where it comes from, flags laid over the file, and no secret.

use super::{PUBLIC_PEM, SECRET, files, folder, meaning, variables};
use crate::cli::process::{KEY_VARIABLE, Output, run_in};
use std::fs;
use std::path::Path;

async fn config(folder: &Path, arguments: &[&str]) -> Output {
    let output = run_in(folder, &variables(), &[["config"].as_slice(), arguments].concat()).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{arguments:?}");
    output
}

/// A line of the output that shows a value: the value, and the origin, line and column that the comment names.
fn shown(line: &str) -> (&str, &str) {
    let (value, origin) = line.rsplit_once("  # ").unwrap_or_else(|| panic!("a value without an origin: {line}"));
    let value = value.trim();
    let value = value.strip_prefix("- ").unwrap_or(value);
    let value = match value.split_once(": ") {
        Some((key, value)) if !value.is_empty() && !key.starts_with('"') => value,
        _ => value,
    };
    (value.trim(), origin)
}

/// The text of the file that an origin names, from its position on.
fn source(origin: &str) -> String {
    let [name, line, column] =
        origin.rsplitn(3, ':').collect::<Vec<_>>().try_into().map(|[c, l, n]: [&str; 3]| [n, l, c]).unwrap();
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/profiles");
    let file = match name {
        "default" => profiles.join("none.yaml"),
        name => match name.strip_prefix("profile ") {
            Some(profile) => profiles.join(format!("{profile}.yaml")),
            None => folder("good").join(name),
        },
    };
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{origin}: {error}"));
    let line = text.trim_start_matches('\u{feff}').lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
    line.chars().skip(column.parse::<usize>().unwrap() - 1).collect()
}

#[tokio::test]
async fn each_value_is_where_its_comment_points() {
    for file in files(&folder("good"), "yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = config(&folder("good"), &["--config", name]).await;
        let mut values = 0;
        for line in output.out.lines().filter(|line| !line.ends_with(':')) {
            let (value, origin) = shown(line);
            // The default profile.
            if (value, origin) == ("bifrost", "default") {
                continue;
            }
            let source = source(origin);
            let unquoted = value.trim_matches('"');
            let there = source.trim_start_matches(['"', '\'']).starts_with(unquoted)
                // It comes from an alias or a merge key, or the file writes it in another way.
                || source.starts_with(['*', '&', '|'])
                || value.contains(['\\', '(']) || name == "texts-that-look-like-something-else.yaml" && value.starts_with('"')
                || matches!(value, "[]" | "{}" | "null");
            assert!(there, "{name}: {line}\nsource: {source}");
            values += 1;
        }
        assert!(values > 10, "{name}: {}", output.out);
    }
}

#[tokio::test]
async fn flags_are_laid_over_the_file_and_named() {
    let arguments = ["--config", "two-issuers.yaml", "--grpc", "127.0.0.1:7", "--profile", "bifrost"];
    let output = config(&folder("good"), &arguments).await;
    let line = output.out.lines().find(|line| line.trim().starts_with("grpc:")).unwrap();
    assert_eq!(shown(line), ("\"127.0.0.1:7\"", "--grpc"));
    let line = output.out.lines().find(|line| line.trim().starts_with("admin:")).unwrap();
    assert_eq!(shown(line), ("\"[::1]:7002\"", "two-issuers.yaml:5:10"));
    assert_eq!(shown(output.out.lines().find(|line| line.starts_with("profile:")).unwrap()), ("bifrost", "--profile"));
    // Maps merge: the profile's header stays, in addition to that of the file; lists replace.
    let meaning = meaning(&output.out);
    assert!(
        meaning.pointer("/upstream/headers/x-username").is_some()
            && meaning.pointer("/upstream/headers/x-user").is_some()
    );
    assert_eq!(meaning.pointer("/upstream/strip").unwrap(), &serde_json::json!(["x-user-*"]));
}

/// The flags of `modgud config` have an origin of their own. Errors of the file are reported in spite of them.
#[tokio::test]
async fn a_flag_does_not_hide_that_a_section_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), "profile: bifrost\nserver: 127.0.0.1:9191\n").unwrap();
    let variables = [(KEY_VARIABLE, PUBLIC_PEM.as_str())];
    let arguments = ["config", "--config", "modgud.yaml", "--grpc", "127.0.0.1:7"];
    let output = run_in(folder.path(), &variables, &arguments).await;
    let expected = "modgud: modgud.yaml:2:9: server: found the text `127.0.0.1:9191`; write a map [type-mismatch]\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), "", expected));
}

/// A key in the file is not printed, and neither is what the environment or a key file holds.
#[tokio::test]
async fn no_secret_is_printed() {
    let output = config(&folder("good"), &["--config", "keys-from-each-source.yaml"]).await;
    let lines: Vec<&str> =
        output.out.lines().map(|line| line.split_once("  #").map_or(line, |(line, _)| line).trim()).collect();
    for expected in ["env: GOOD_KEY", "file: keys/issuer.pem", "value: \"(not shown)\""] {
        assert!(lines.contains(&expected), "{expected} is not in\n{}", output.out);
    }
    let base64 = PUBLIC_PEM.lines().nth(1).unwrap();
    let written = fs::read_to_string(folder("good").join("keys/issuer.pem")).unwrap();
    for secret in [base64, written.lines().nth(1).unwrap(), "BEGIN", SECRET] {
        assert!(!output.out.contains(secret), "{secret} is in\n{}", output.out);
    }
}
