//! The structure of the project: what the core depends on, that every limit is on the page of limits, and that the product starts no
//! child processes.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::readme::rows;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that the core must not depend on: runtimes, protocols and TLS.
const IMPURE: [&str; 4] = ["tokio", "hyper", "tonic", "rustls"];

/// Constants with the name of a limit that bound nothing, each with the reason.
const NO_LIMITS: [(&str, &str, &str); 2] = [
    ("crates/core/src/jose/jwks.rs", "MAX_NAMED", "the number of skipped keys that one message names"),
    ("src/envoy/metadata.rs", "MAX_EXACT", "the greatest integer that binary64 holds exactly (IEEE 754)"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the crates that a package needs at run time, by normal dependencies.
fn normal_dependencies(metadata: &Value, package: &str) -> BTreeSet<String> {
    let items = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> =
        items(&metadata["packages"]).iter().map(|one| (text(&one["id"]), text(&one["name"]))).collect();
    let nodes: BTreeMap<String, Value> =
        items(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let mut open: Vec<&String> = names.iter().filter(|(_, name)| *name == package).map(|(id, _)| id).collect();
    assert_eq!(open.len(), 1, "{package}");
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let is_normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap();
            open.extend(names.get_key_value(id).filter(|_| is_normal).map(|(id, _)| id));
        }
    }
    found.into_iter().map(|id| names[id].clone()).collect()
}

#[test]
fn the_core_depends_on_no_runtime_protocol_or_tls() {
    let version = Command::new(env!("CARGO")).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Without a network, dependencies of other systems need not be there.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let impure = |package: &str| -> Vec<&str> {
        let dependencies = normal_dependencies(&metadata, package);
        IMPURE.into_iter().filter(|name| dependencies.contains(*name)).collect()
    };
    assert_eq!(impure("modgud-core"), [""; 0]);
    // The same search finds them all where they are used.
    assert_eq!(impure("modgud"), IMPURE);
}

/// The sources of the sidecar and the core without their tests, by path. The path starts at the project's root.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders: Vec<PathBuf> = ["src", "crates/core/src"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                if !name.ends_with("/tests.rs") && !name.contains("/tests/") {
                    sources.insert(name, product(&text).to_owned());
                }
            }
        }
    }
    assert!(sources.len() > 150, "only {} files", sources.len());
    sources
}

/// The part of a file above its module of tests.
fn product(text: &str) -> &str {
    ["tests", "test"]
        .iter()
        .filter_map(|name| text.split_once(&format!("#[cfg(test)]\nmod {name} {{")))
        .map(|(before, _)| before)
        .next()
        .unwrap_or(text)
}

/// The names of the constants that a text defines, once for each definition.
fn constants(text: &str) -> Vec<&str> {
    let after_keyword = text.lines().filter_map(|line| line.trim().split_once("const "));
    let visible = after_keyword.filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
    let names = visible.filter_map(|(_, rest)| rest.split_once(':')).map(|(name, _)| name);
    names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).collect()
}

/// What the page of limits names: the items in each file, as the page writes them.
fn named_limits() -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&fs::read_to_string(root().join("docs/limits.md")).unwrap()) {
        let [limit, .., cell] = row.as_slice() else { continue };
        if row.len() != 6 {
            continue;
        }
        for part in cell.split("; ") {
            let mut codes: Vec<&str> = part.split('`').skip(1).step_by(2).collect();
            let file = codes.pop().unwrap_or_else(|| panic!("{limit}: no file"));
            assert!(!codes.is_empty(), "{limit}: no constant");
            named.entry(file.to_owned()).or_default().extend(codes.into_iter().map(str::to_owned));
        }
    }
    assert!(named.len() > 40, "only {} files", named.len());
    named
}

fn last_segment(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[test]
fn limits_are_in_the_files_of_the_page() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (file, names) in named_limits() {
        let Some(text) = sources.get(&file) else {
            wrong.push(format!("{file} does not exist"));
            continue;
        };
        for name in &names {
            let item = last_segment(name);
            let forms = ["const {}:", "static {}:", "fn {}(", "fn {}<", "struct {} ", "struct {}(", "enum {} "];
            if !forms.iter().any(|form| text.contains(&form.replace("{}", item))) {
                wrong.push(format!("{file} does not define {name}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_limit_is_on_the_page() {
    let named = named_limits();
    let mut missing = Vec::new();
    let mut exempt = BTreeSet::new();
    for (file, text) in sources() {
        let constants = constants(&text);
        let limits = constants.iter().filter(|name| name.starts_with("MAX_") || name.ends_with("_TIMEOUT"));
        for name in limits.collect::<BTreeSet<_>>() {
            if NO_LIMITS.iter().any(|(other, constant, _)| *other == file && constant == name) {
                exempt.insert((file.clone(), (*name).to_owned()));
                continue;
            }
            // Two types of one file can have a constant of one name: the page then names each with its type.
            let defined = constants.iter().filter(|constant| *constant == name).count();
            let listed = named.get(&file).into_iter().flatten().filter(|one| last_segment(one) == *name).count();
            if listed < defined {
                missing.push(format!("{file}: {name} ({listed} of {defined})"));
            }
        }
    }
    assert_eq!(missing, [""; 0], "docs/limits.md has no row for these");
    assert_eq!(exempt.len(), NO_LIMITS.len(), "an exemption is not needed any more; found only {exempt:?}");
}

#[test]
fn the_product_starts_no_child_processes() {
    let is_start =
        |line: &&str| line.contains("Command::new(") || (line.contains("process::") && line.contains("Command"));
    let mut starts = Vec::new();
    for (file, text) in sources() {
        starts.extend(text.lines().filter(is_start).map(|line| format!("{file}: {}", line.trim())));
    }
    assert_eq!(starts, [""; 0]);
    // Only a test does.
    let text = fs::read_to_string(root().join("src/read_limit.rs")).unwrap();
    assert!(text.lines().any(|line| is_start(&line)));
}

/// Texts of Rust's `Debug` format are for developers; logs and messages are for operators.
#[test]
fn no_log_and_no_message_has_rust_debug_text() {
    let formats = |line: &str| {
        let code = line.trim();
        let is_name = |first: char| first.is_ascii_alphabetic() || matches!(first, '_' | '&');
        let is_field = |part: &str| part.trim_start().strip_prefix('?').is_some_and(|name| name.starts_with(is_name));
        let fields = code.split(['(', ',']).chain(code.split(" = ").skip(1));
        !code.starts_with("//") && (code.contains(":?}") || code.contains(":#?}") || fields.into_iter().any(is_field))
    };
    for line in [r#"format!("{key:?}")"#, r#"info!(how = ?shutdown, "a")"#, r#"warn!(?error, "a")"#, "    ?error,"] {
        assert!(formats(line), "{line}");
    }
    for line in ["let a = b?;", "f(a?, b?)", "/// `{:?}` shows it", "if a { b? } else { c }", r#"format!("(?:{a})")"#] {
        assert!(!formats(line), "{line}");
    }
    let mut found = Vec::new();
    for (file, text) in sources() {
        let lines = product(&text).lines().filter(|line| formats(line));
        found.extend(lines.map(|line| format!("{file}: {}", line.trim())));
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn constants_are_found_outside_tests() {
    let text = "const MAX_A: u8 = 1;\n    pub(crate) const B_TIMEOUT: D = d();\npub const fn f(a: u8) {}\n/// The const C: no.\n#[cfg(test)]\nmod tests {\n    const MAX_D: u8 = 1;\n}\n";
    assert_eq!(constants(product(text)), ["MAX_A", "B_TIMEOUT"]);
    assert_eq!(last_segment("Jwks::MAX_KEYS"), "MAX_KEYS");
}
