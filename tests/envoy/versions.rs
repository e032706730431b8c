//! What each version of Envoy does of what modgud uses: a table, `docs/envoy-versions.md`, whose columns are made by probes of real Envoys.
//!
//! Each run probes one Envoy and compares its column: `make test` that of `.venv`, `make test-envoys` all of them, one after another.
//! `make test-envoys RENEW=1` writes what differs.

mod probes;

use super::{envoy_minor, envoy_version};
use crate::readme::rows;
use crate::support::is_set;
use probes::{Results, probed};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of the table.
struct Feature {
    /// The name, also that of the probe.
    name: &'static str,
    /// What modgud uses it for.
    used: &'static str,
    /// A text of the comment that `modgud envoy --for` writes for a version without it; `None` if every version has it.
    loss: Option<&'static str>,
}

const FEATURES: [Feature; 24] = [
    of_every("accepts the file of `modgud envoy --for`, without a warning", "files work as they are"),
    of_every("`encode_raw_headers`", "header values that are not UTF-8 reach modgud unchanged"),
    of_every("mutation rules admit identity headers", "modgud writes and removes them"),
    of_every("`disallow_is_error`", "500 if modgud changes a header of HTTP"),
    of_every("`validate_mutations`", "500 if a header value has a line break"),
    of_every("`query_parameters_to_remove`", "a token in the query does not reach the module"),
    of_every("headers of a denial", "`www-authenticate`, and two `set-cookie`"),
    of_every("dynamic metadata of a denial", "the access log has the reason"),
    Feature {
        name: "absent metadata is left out of the access log",
        used: "lines have no `null`",
        loss: Some("has `null`"),
    },
    Feature {
        name: "`error_response`",
        used: "`denials.unavailable: error`: Envoy decides by `failure_mode_allow`",
        loss: Some("`denials.unavailable: error`"),
    },
    of_every(
        "`early_header_mutation_extensions` with a regular expression",
        "forged headers are removed before any filter",
    ),
    of_every("context of a route", "`modgud.rule` and others in `context_extensions`"),
    of_every("`path_with_escaped_slashes_action`", "400 for `%2f`, without a check"),
    of_every("`headers_with_underscores_action`", "400 for `x_user`"),
    of_every("`normalize_path`, `merge_slashes`", "modgud decides on the path that Envoy forwards"),
    Feature { name: "`..;` is a dot segment", used: "Envoy resolves it; else modgud answers 400", loss: Some("`..;`") },
    of_every("`path_separated_prefix`, `regex_rewrite`", "routes of modules"),
    of_every("WebSocket upgrades on HTTP/1.1", "modules that serve WebSockets"),
    of_every("`status_on_error`", "503 while modgud does not run"),
    of_every("abstract Unix sockets", "`server.grpc: unix:@NAME`"),
    of_every("gRPC health checks", "Envoy knows whether modgud serves"),
    of_every("`ipv4_compat`", "`--listen '[::]:PORT'` serves IPv4, too"),
    of_every("health listener", "`--health-listen`"),
    of_every("limit of connections in the overload manager", "clients can't use up Envoy's memory by connections"),
];

const fn of_every(name: &'static str, used: &'static str) -> Feature {
    Feature { name, used, loss: None }
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envoy-versions.md")
}

/// The line before the list of features that every version has.
const LIST: &str = "Every version does this. After the colon is what modgud uses it for.\n\n";

impl Feature {
    /// Its line in the list.
    fn line(&self) -> String {
        format!("- {}: {}", self.name, self.used)
    }

    /// What the page says of each version; nothing of a feature that is new.
    fn written(&self, text: &str, versions: usize) -> Vec<String> {
        if text.lines().any(|line| line == self.line()) {
            return vec!["yes".to_owned(); versions];
        }
        let row = rows(text).into_iter().find(|row| row[0] == self.name);
        row.map_or_else(|| vec![String::new(); versions], |row| row[2..].to_vec())
    }
}

/// The versions in the head of the table.
fn versions(text: &str) -> Vec<String> {
    let head = text.lines().find(|line| line.starts_with("| feature |")).expect("the page has a table of features");
    head.split('|').skip(3).map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
}

/// The page with the results of this version: a list of what every version has, and a table of the rest.
fn renewed(text: &str, version: &str, results: &Results) -> String {
    let mut versions = versions(text);
    let known = versions.len();
    let column = versions.iter().position(|known| known == version).unwrap_or_else(|| {
        versions.push(version.to_owned());
        known
    });
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let start = |texts: [&str; 2], more: Vec<String>| texts.map(str::to_owned).into_iter().chain(more).collect();
    let mut table = line(start(["feature", "modgud uses it for"], versions.clone()));
    table.extend(["|", &"---|".repeat(versions.len() + 2), "\n"]);
    let mut list = String::new();
    for feature in &FEATURES {
        let mut cells = feature.written(text, known);
        cells.resize(versions.len(), String::new());
        cells[column].clone_from(&results[feature.name]);
        if cells.iter().all(|cell| cell == "yes") {
            list.extend([&feature.line(), "\n"]);
        } else {
            table.push_str(&line(start([feature.name, feature.used], cells)));
        }
    }
    let after = |text: &str, mark: &str| -> String {
        text.split_inclusive('\n').skip_while(|line| line.starts_with(mark)).collect()
    };
    let (before, rest) = text.split_once(LIST).expect("the page has a list of features");
    let rest = after(rest, "- ");
    let (between, rest) = rest.split_once("| feature |").unwrap();
    format!("{before}{LIST}{list}{between}{table}{}", after(&format!("|{rest}"), "|"))
}

#[tokio::test]
async fn the_page_has_what_this_envoy_does() {
    let version = envoy_version();
    let (results, file) = probed().await;
    let text = fs::read_to_string(page()).unwrap();
    let new = renewed(&text, &version, &results);
    if is_set("MODGUD_TEST_RENEW") {
        fs::write(page(), new).unwrap();
    } else if new != text {
        let other = |line: &&str| !text.lines().any(|known| known == *line);
        let lines: Vec<&str> = new.lines().filter(other).collect();
        panic!(
            "docs/envoy-versions.md has something else about Envoy {version}; renew it by `make test-envoys RENEW=1`:\n{}",
            lines.join("\n")
        );
    }
    // The comment of the written file lists what this version lacks, and nothing else.
    let heading: String = file.lines().take_while(|line| line.starts_with('#')).collect();
    for Feature { name, loss, .. } in &FEATURES {
        let lacks = results[name] != "yes";
        assert_eq!(loss.is_some_and(|loss| heading.contains(loss)), lacks, "{name}: {}\n{heading}", results[name]);
    }
    assert!(heading.contains(&format!("For Envoy 1.{}.", envoy_minor())), "{heading}");
}

/// The columns are the versions that `make test-envoys` runs, and `--for` knows their minor versions.
#[tokio::test]
async fn the_versions_are_those_of_the_makefile() {
    let makefile = fs::read_to_string(page().with_file_name("../Makefile")).unwrap();
    let listed = makefile.lines().find_map(|line| line.strip_prefix("ENVOY_VERSIONS := ")).unwrap();
    let text = fs::read_to_string(page()).unwrap();
    let columns = versions(&text);
    assert_eq!(columns, listed.split(' ').collect::<Vec<_>>());
    for feature in &FEATURES {
        let cells = feature.written(&text, columns.len());
        assert!(cells.len() == columns.len() && cells.iter().all(|cell| !cell.is_empty()), "{}", feature.name);
    }
    let minor = |version: &String| version.rsplit_once('.').unwrap().0.to_owned();
    let minors: BTreeSet<String> = columns.iter().map(minor).collect();
    assert_eq!(minors.len(), columns.len(), "two columns of one minor version");
    let help = crate::cli::process::run(&["envoy", "--help"]).await.out;
    let known = help.split_once("--for <VERSION>").unwrap().1.split_once("Possible values:").unwrap().1;
    let known = known.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split_once(':'));
    assert_eq!(known.map(|(name, _)| name.to_owned()).take(minors.len()).collect::<BTreeSet<_>>(), minors);
}
