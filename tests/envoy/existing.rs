//! modgud in an Envoy that has a configuration of its own, as `docs/add-to-your-envoy.md` adds it: the file after is made here from the file
//! before, with the steps of the page, by hand and by its script.

use super::{PATIENCE, ask, programs, replaced};
use crate::cli::process::run_in;
use crate::readme::{block, blocks, rows};
use modgud::envoy::lint::Code;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, start_envoy, start_modgud, start_module};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

const PAGE: &str = "docs/add-to-your-envoy.md";

/// The name of the file that `--filter-only` writes, as the page has it.
const FRAGMENTS: &str = "modgud-envoy.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> String {
    fs::read_to_string(root().join("examples/existing-envoy").join(name)).unwrap()
}

/// The file before and the file after, as the page's comparison shows them. Lines to paste at are comments of the second.
fn compared() -> (String, String) {
    let diff = block(PAGE, "diff");
    let side = |without: char| -> String {
        let kept = diff.lines().filter(|line| !line.starts_with(without));
        kept.flat_map(|line| [line.get(1..).unwrap_or(""), "\n"]).collect()
    };
    (side('+'), side('-'))
}

/// The lines of a fragment with this indentation: those below `keys`, each deeper than the one before, up to `end`.
fn fragment(yaml: &str, keys: &[&str], end: Option<&str>, indentation: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines: Vec<&str> = yaml.lines().collect();
    for key in keys {
        let at = lines.iter().position(|line| line.trim() == format!("{key}:")).unwrap_or_else(|| panic!("no {key}"));
        let outer = depth(lines[at]);
        let below = lines[at + 1..].iter().take_while(|line| line.trim().is_empty() || depth(line) > outer);
        lines = below.copied().collect();
    }
    let kept = lines.iter().take_while(|line| end.is_none_or(|end| line.trim() != format!("{end}:")));
    let kept: Vec<&str> = kept.copied().collect();
    let spaces = kept.iter().filter(|line| !line.trim().is_empty()).map(|line| depth(line)).min().unwrap();
    kept.iter().flat_map(|line| [indentation, line.get(spaces..).unwrap_or(""), "\n"]).collect()
}

/// What a person makes of the file with its marks.
fn pasted(marked: &str, fragments: &str) -> String {
    let mut yaml = String::new();
    let mut found = 0;
    for line in marked.lines() {
        let Some((indentation, mark)) = line.split_once("# paste: ") else {
            yaml.extend([line, "\n"]);
            continue;
        };
        found += 1;
        let text = match mark {
            "layered_runtime" => format!("layered_runtime:\n{}", fragment(fragments, &["layered_runtime"], None, "  ")),
            "http_connection_manager, all above http_filters" => {
                fragment(fragments, &["http_connection_manager"], Some("http_filters"), indentation)
            }
            "the filter of http_connection_manager.http_filters" => {
                fragment(fragments, &["http_connection_manager", "http_filters"], None, indentation)
            }
            "the cluster of static_resources.clusters" => {
                fragment(fragments, &["static_resources", "clusters"], None, indentation)
            }
            other => panic!("{PAGE}: `{other}` is no part"),
        };
        yaml.push_str(&text);
    }
    assert_eq!(found, 4, "{marked}");
    yaml
}

/// Runs the page's script in this folder.
async fn merged(folder: &Path, envoy: &str, managers: &[&str]) -> Result<String, String> {
    fs::write(folder.join("merge.py"), block(PAGE, "python")).unwrap();
    let mut command = Command::new(programs().python);
    command.args(["merge.py", envoy, FRAGMENTS]).args(managers).current_dir(folder).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

async fn validate(folder: &Path, file: &str) {
    let mut command = Command::new(programs().envoy);
    command.args(["--mode", "validate", "--config-path", file]).current_dir(folder).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let result = String::from_utf8_lossy(&output.stderr);
    let deprecated = result.lines().find(|line| line.to_lowercase().contains("deprecated"));
    assert!(output.status.success() && deprecated.is_none(), "{file}: {deprecated:?} {result}");
}

/// The example with its service and modgud, and what `--filter-only` writes for it.
struct Example {
    folder: TempDir,
    app: (Process, SocketAddr),
    modgud: Process,
    grpc: String,
    token: String,
    fragments: String,
}

impl Example {
    async fn start() -> Self {
        Self::of(&example("modgud.yaml")).await
    }

    /// With this configuration of modgud.
    async fn of(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
        fs::write(folder.path().join("app.py"), example("app.py")).unwrap();
        let mut command = Command::new(programs().python);
        command.args(["app.py", "0"]).current_dir(folder.path());
        let app = start_module("app", command).await.unwrap();
        assert_eq!(run_in(folder.path(), &[], &["keygen"]).await.code, Some(0));
        let mut command = Command::new(programs().modgud);
        command.args(["serve", "--config", "modgud.yaml", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.current_dir(folder.path());
        let (modgud, (grpc, _)) = start_modgud(command).await.unwrap();
        let mint = block_line(PAGE, "TOKEN=$(modgud ");
        let mint: Vec<&str> = mint.trim_end_matches(')').split(' ').collect();
        let token = run_in(folder.path(), &[], &mint).await;
        assert_eq!((token.code, token.err.as_str()), (Some(0), ""));
        let grpc = grpc.to_string();
        let arguments = ["envoy", "--config", "modgud.yaml", "--filter-only", "--modgud", &grpc];
        let written = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
        fs::write(folder.path().join(FRAGMENTS), &written.out).unwrap();
        Self { folder, app, modgud, grpc, token: token.out.trim().to_owned(), fragments: written.out }
    }

    async fn stop(self) {
        self.modgud.signal(Signal::INT); // no client is left: no drain
        self.modgud.end().await;
        self.app.0.end().await;
    }
}

/// The rest of the first line in a block of the page that begins so.
fn block_line(page: &str, start: &str) -> String {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let all = blocks(&text);
    let mut lines = all.iter().flat_map(|block| block.text.lines());
    lines.find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("{page}: no `{start}`")).to_owned()
}

/// The path and the header lines of a curl command.
fn request(curl: &str, token: &str) -> (String, Vec<String>) {
    let (path, rest) = curl
        .split_once("http://127.0.0.1:8000")
        .unwrap()
        .1
        .split_once(' ')
        .unwrap_or_else(|| (curl.split_once("http://127.0.0.1:8000").unwrap().1, ""));
    let quoted = rest.split('"').skip(1).step_by(2).map(|line| line.replace("$TOKEN", token));
    (path.to_owned(), quoted.collect())
}

/// The values of `x-user` that the service of the example saw.
fn users(answer: &Exchange) -> Vec<String> {
    let body = String::from_utf8_lossy(&answer.body);
    let lines = body.lines().filter_map(|line| line.split_once(": "));
    // As a server reads names that folds `_` and `.` into `-`.
    let is_user = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-") == "x-user";
    lines.filter(|(name, _)| is_user(name)).map(|(_, value)| value.to_owned()).collect()
}

#[tokio::test]
async fn the_page_adds_modgud_to_the_example() {
    let example = Example::start().await;
    let folder = example.folder.path();
    let (before, marked) = compared();
    let file = self::example("envoy.yaml");
    assert_eq!(file.split_once('\n').unwrap().1, before, "{PAGE} shows another file than the example");

    // By hand and by the script: the same. A second run changes nothing.
    fs::write(folder.join("envoy.yaml"), &before).unwrap();
    let by_hand = pasted(&marked, &example.fragments);
    let by_script = merged(folder, "envoy.yaml", &[]).await.unwrap();
    assert_eq!(value(&by_hand), value(&by_script));
    fs::write(folder.join("with-modgud.yaml"), &by_script).unwrap();
    assert_eq!(merged(folder, "with-modgud.yaml", &[]).await.unwrap(), by_script);
    validate(folder, "with-modgud.yaml").await;
    let lint = ["envoy", "lint", "--config", "modgud.yaml", "--modgud", &example.grpc];
    let found = run_in(folder, &[], &[lint.as_slice(), &["envoy.yaml"]].concat()).await;
    assert!(found.code == Some(1) && found.out.contains(": hole no-ext-authz: "), "{}", found.out);
    let found = run_in(folder, &[], &[lint.as_slice(), &["with-modgud.yaml"]].concat()).await;
    assert_eq!((found.code, found.out.as_str()), (Some(0), "0 holes, 0 breaks, 0 undecided\n"));

    let mut ours = by_hand;
    for (from, to) in [("8000", 0), ("9901", 0), ("8080", example.app.1.port())] {
        ours = replaced(&ours, &format!("port_value: {from}"), &format!("port_value: {to}"));
    }
    fs::write(folder.join("envoy.yaml"), ours).unwrap();
    let (envoy, _, gateway) = start_envoy(&programs(), folder).await.unwrap();
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let requests: Vec<Vec<String>> = rows(&page).into_iter().filter(|row| row[0].starts_with("`curl -i")).collect();
    assert!(requests.len() >= 8, "{requests:?}");
    // Envoy calls modgud as soon as the first health check has an answer.
    let ready = async { while ask(gateway, "GET", "/status", &[]).await.status != 200 {} };
    timeout(PATIENCE, ready).await.unwrap();
    for row in &requests {
        let (path, lines) = request(row[0].trim_matches('`'), &example.token);
        let answer = ask(gateway, "GET", &path, &lines).await;
        let shown = String::from_utf8_lossy(&answer.body);
        assert!(row[1].starts_with(&answer.status.to_string()), "{row:?}: {} {shown}", answer.status);
        match row[1].split_once("the service sees ").map(|(_, seen)| seen) {
            Some(seen) if seen.starts_with("`x-user: alice`") => assert_eq!(users(&answer), ["alice"], "{row:?}"),
            Some(seen) => assert_eq!((seen, users(&answer)), ("no `x-user`", vec![]), "{row:?}"),
            None => {}
        }
    }
    let Example { folder: _folder, app, mut modgud, grpc: _, token, fragments: _ } = example;
    assert!(page.contains("`kill -INT`"), "{PAGE}");
    modgud.signal(Signal::INT);
    modgud.ended().await;
    for row in &requests {
        let (path, lines) = request(row[0].trim_matches('`'), &token);
        let status = ask(gateway, "GET", &path, &lines).await.status;
        assert!(matches!(status, 503 | 400), "{row:?} without modgud: {status}");
    }
    envoy.end().await;
    app.0.end().await;
}

/// The values of a header that the service of the example saw.
fn values<'a>(answer: &'a Exchange, name: &str) -> Vec<&'a str> {
    let body = std::str::from_utf8(&answer.body).unwrap();
    let lines = body.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

/// The table of what changes for services: what they no longer get, and how they keep it.
#[tokio::test]
async fn services_keep_what_the_page_says() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    for part in ["`upstream: { credential: keep }`", "`upstream: { keep: [x-real-ip] }`", "`request_headers_to_add`"] {
        assert!(page.contains(part), "{part}");
    }
    let (before, _) = compared();
    let adds = |name: &str| format!("{{ header: {{ key: {name}, value: /edge }} }}");
    let route = format!(
        "route: {{ cluster: app }}\n                          request_headers_to_add: [{}]",
        adds("x-original-uri")
    );
    let filter = format!(
        "http_filters:\n                  - {{ name: edge, typed_config: {{ '@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, mutations: {{ request_mutations: [{{ append: {} }}] }} }} }}",
        adds("x-forwarded-prefix")
    );
    let before = replaced(&replaced(&before, "route: { cluster: app }", &route), "http_filters:", &filter);
    let configuration = example("modgud.yaml");
    let keeps = replaced(&configuration, "upstream:\n", "upstream:\n  credential: keep\n  keep: [x-real-ip]\n");
    for (configuration, is_kept) in [(&configuration, false), (&keeps, true)] {
        let example = Example::of(configuration).await;
        let folder = example.folder.path();
        let mut yaml = replaced(&before, "port_value: 8080", &format!("port_value: {}", example.app.1.port()));
        for port in ["8000", "9901"] {
            yaml = replaced(&yaml, &format!("port_value: {port}"), "port_value: 0");
        }
        fs::write(folder.join("before.yaml"), yaml).unwrap();
        fs::write(folder.join("envoy.yaml"), merged(folder, "before.yaml", &[]).await.unwrap()).unwrap();
        let (envoy, _, gateway) = start_envoy(&programs(), folder).await.unwrap();
        let ready = async { while ask(gateway, "GET", "/status", &[]).await.status != 200 {} };
        timeout(PATIENCE, ready).await.unwrap();
        let token = format!("Bearer {}", example.token);
        let lines = [
            format!("Authorization: {token}"),
            "X-Real-Ip: 192.0.2.1".to_owned(),
            "X-Forwarded-Host: a.example.com".to_owned(),
            "Forwarded: for=192.0.2.1".to_owned(),
            "X-Forwarded-Proto: https".to_owned(),
            "X-Forwarded-For: 192.0.2.1".to_owned(),
        ];
        let answer = ask(gateway, "GET", "/orders//a/../b", &lines).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.starts_with(b"GET /orders/b\n"), "{}", String::from_utf8_lossy(&answer.body));
        let kept = |value| if is_kept { vec![value] } else { vec![] };
        for (name, seen) in [
            ("authorization", kept(token.as_str())),
            ("x-real-ip", kept("192.0.2.1")),
            ("x-forwarded-host", vec![]),
            ("forwarded", vec![]),
            ("x-forwarded-prefix", vec![]),
            ("x-original-uri", vec!["/edge"]),
            ("x-forwarded-proto", vec!["http"]),
        ] {
            assert_eq!(values(&answer, name), seen, "{name}: {is_kept}");
        }
        let [addresses] = values(&answer, "x-forwarded-for")[..] else { panic!("{answer:?}") };
        assert!(addresses.starts_with("192.0.2.1,"), "{addresses}: without that of the connection");
        let answer = ask(gateway, "GET", "/status", &lines).await;
        assert_eq!(values(&answer, "authorization"), [token.as_str()], "a public rule");
        assert_eq!(ask(gateway, "GET", "/orders;a", &lines).await.status, 400);
        envoy.end().await;
        example.stop().await;
    }
}

/// What the script can't merge is an error; no file that lets requests pass is taken for a good one.
#[tokio::test]
async fn the_script_refuses_what_it_cannot_merge() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("modgud.yaml"), example("modgud.yaml")).unwrap();
    let written = run_in(folder, &[], &["envoy", "--config", "modgud.yaml", "--filter-only"]).await;
    fs::write(folder.join(FRAGMENTS), &written.out).unwrap();
    let (before, _) = compared();
    let all: &[&str] = &[];
    let listener = before.replace("static_resources:", "resources:").replace("admin:", "other:");
    for (file, managers, said) in [
        (
            before.as_str(),
            &["web", "nowhere"][..],
            "before.yaml has no HttpConnectionManager with stat_prefix nowhere\n",
        ),
        (&before.replace(".HttpConnectionManager", ".Other"), all, "before.yaml has no HttpConnectionManager \n"),
        (&listener, all, "before.yaml is no bootstrap with static_resources; paste by hand\n"),
        ("", all, "before.yaml is no bootstrap with static_resources; paste by hand\n"),
        (&before.replace("http_filters", "httpFilters"), all, "the field httpFilters must have the name http_filters"),
        (&before.replace("static_resources:", "staticResources:"), all, "before.yaml is no bootstrap"),
        (
            &format!("layeredRuntime: {{}}\n{before}"),
            all,
            "the field layeredRuntime must have the name layered_runtime",
        ),
    ] {
        fs::write(folder.join("before.yaml"), file).unwrap();
        let error = merged(folder, "before.yaml", managers).await.unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
    // A part without a name, and a key without a value.
    let odd = before.replace("stat_prefix: web", "stat_prefix: web\n                common_http_protocol_options:");
    let odd = odd.replace("- name: envoy.filters.http.router\n                    typed", "- typed");
    fs::write(folder.join("before.yaml"), odd).unwrap();
    let after = value(&merged(folder, "before.yaml", &["web"]).await.unwrap());
    let manager = &after["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(manager["http_filters"][0]["name"], "envoy.filters.http.ext_authz");
    assert_eq!(manager["common_http_protocol_options"]["headers_with_underscores_action"], "REJECT_REQUEST");
}

/// Two listeners of which one is not for modgud's clients, two filter chains, routes in another file, and filters and settings that the file
/// has already.
#[tokio::test]
async fn the_script_keeps_what_an_envoy_has() {
    let example = Example::start().await;
    let folder = example.folder.path();
    let app = example.app.1.port().to_string();
    let before = include_str!("../data/envoy/existing.yaml").replace("APP_PORT", &app);
    fs::write(folder.join("before.yaml"), before.replace("FOLDER", folder.to_str().unwrap())).unwrap();
    fs::write(folder.join("routes.yaml"), include_str!("../data/envoy/existing-routes.yaml")).unwrap();
    let after = merged(folder, "before.yaml", &["public", "partners"]).await.unwrap();
    fs::write(folder.join("envoy.yaml"), &after).unwrap();
    validate(folder, "envoy.yaml").await;
    let files = ["envoy.yaml", "routes.yaml"];
    let lint = [["envoy", "lint", "--config", "modgud.yaml", "--modgud", &example.grpc].as_slice(), &files].concat();
    let found = run_in(folder, &[], &lint).await.out;
    for finding in [": hole ext-authz-disabled: ", ": undecided filter-undecided: "] {
        assert!(found.contains(finding), "no `{finding}`: {found}");
    }

    let after = value(&after);
    let manager = |listener: usize, chain: usize| {
        let path = format!("/static_resources/listeners/{listener}/filter_chains/{chain}/filters/0/typed_config");
        after.pointer(&path).unwrap().clone()
    };
    let names = |items: &Value| -> Vec<String> {
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    for chain in 0..2 {
        let manager = manager(0, chain);
        let filters = names(&manager["http_filters"]);
        assert_eq!(filters[filters.len() - 2..], ["envoy.filters.http.ext_authz", "envoy.filters.http.router"]);
        assert_eq!(manager["common_http_protocol_options"]["headers_with_underscores_action"], "REJECT_REQUEST");
    }
    let public = manager(0, 0);
    assert_eq!(public["common_http_protocol_options"]["idle_timeout"], "60s", "what the file had");
    assert_eq!(names(&public["early_header_mutation_extensions"]), ["ours", "modgud"]);
    assert_eq!(names(&manager(1, 0)["http_filters"]), ["envoy.filters.http.router"], "not named, so not changed");
    assert_eq!(names(&after["layered_runtime"]["layers"]), ["limits", "modgud"]);
    assert_eq!(names(&after["static_resources"]["clusters"]), ["app", "modgud"]);

    let (envoy, _, gateway) = start_envoy(&programs(), folder).await.unwrap();
    let token = format!("Authorization: Bearer {}", example.token);
    let ready = async { while ask(gateway, "GET", "/status", &[]).await.status != 200 {} };
    timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(ask(gateway, "GET", "/orders", &[]).await.status, 401);
    let answer = ask(gateway, "GET", "/orders", &[token.clone(), "X-User: root".to_owned()]).await;
    assert_eq!((answer.status, users(&answer)), (200, vec!["alice".to_owned()]));
    // A route that turns the filter off, as some files have it: no decision, but no forged identity either.
    let answer = ask(gateway, "GET", "/healthz", &["X-User: root".to_owned(), "X.User: root".to_owned()]).await;
    assert_eq!((answer.status, users(&answer)), (200, vec![]));
    // A Lua filter before modgud, as in the file: modgud decides on what it makes of the path.
    assert_eq!(ask(gateway, "GET", "/old-admin/x", &[token]).await.status, 403);
    envoy.end().await;

    // An `ext_authz` filter of another service is not replaced.
    let other = fs::read_to_string(folder.join("envoy.yaml")).unwrap().replace("modgud", "other");
    fs::write(folder.join("other.yaml"), other).unwrap();
    let error = merged(folder, "other.yaml", &[]).await.unwrap_err();
    assert!(error.contains("http_filters has an item envoy.filters.http.ext_authz that is not modgud's"), "{error}");
    example.stop().await;
}

/// TLS, Unix sockets and `--modgud` as in the complete file, and no modules.
#[tokio::test]
async fn the_parts_are_those_of_the_complete_file() {
    let folder = tempfile::tempdir().unwrap();
    let tls = "server: { tls: { cert: server.pem, key: server.key } }\n";
    let authority = crate::services::authority::Authority::new("modgud");
    authority.server().write(folder.path(), "server");
    for (configuration, arguments) in [
        ("profile: bifrost\n".to_owned(), &[][..]),
        (
            "profile: bearer\nserver: { deadline: 1s, max_in_flight: 16 }\n".to_owned(),
            &["--modgud", "modgud.example.com:9191"],
        ),
        ("profile: none\nserver: { grpc: 'unix:@modgud' }\n".to_owned(), &[]),
        ("profile: bifrost\nupstream: { strip: [x-secret-*] }\n".to_owned(), &["--modgud", "unix:/run/modgud.sock"]),
        (format!("profile: none\n{tls}"), &["--modgud-tls-ca", "server.pem", "--modgud-tls-name", "modgud"]),
    ] {
        let with_module = format!("{configuration}modules: [{{ name: a, prefix: /a, upstream: 'a:80' }}]\n");
        let mut files = Vec::new();
        for (configuration, more) in [(&configuration, Some("--filter-only")), (&with_module, None)] {
            fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
            let arguments: Vec<&str> =
                ["envoy", "--config", "modgud.yaml"].iter().chain(arguments).copied().chain(more).collect();
            let written = run_in(folder.path(), &[], &arguments).await;
            assert_eq!((written.code, written.err.as_str()), (Some(0), ""), "{configuration}");
            files.push(value(&written.out));
        }
        let (parts, complete) = (&files[0], &files[1]);
        let manager = &complete["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        for (key, part) in parts["http_connection_manager"].as_object().unwrap() {
            match key.as_str() {
                "http_filters" => assert_eq!(part[0], manager[key][1], "{configuration}"),
                "early_header_mutation_extensions" => {
                    assert_eq!(part[0]["typed_config"], manager[key][0]["typed_config"], "{configuration}");
                }
                "common_http_protocol_options" => {
                    let name = "headers_with_underscores_action";
                    assert_eq!(part[name], manager[key][name], "{configuration}");
                }
                _ => assert_eq!(part, &manager[key], "{key}: {configuration}"),
            }
        }
        let clusters = (&parts["static_resources"]["clusters"], &complete["static_resources"]["clusters"]);
        assert_eq!(clusters.0[0], clusters.1[0], "{configuration}");
        assert_eq!(clusters.0.as_array().unwrap().len(), 1);
        let re2 = |file: &Value| {
            file["layered_runtime"]["layers"][0]["static_layer"]["re2.max_program_size.error_level"].clone()
        };
        assert_eq!(re2(parts), re2(complete));
    }
}

/// Options that have no effect on the parts are errors, and so are versions that are not known.
#[tokio::test]
async fn options_without_effect_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (option, name) in [
        (&["--listen", "0.0.0.0:80"][..], "--listen <IP:PORT>"),
        (&["--admin", "0.0.0.0:80"], "--admin <IP:PORT>"),
        (&["--health-listen", "0.0.0.0:80"], "--health-listen <IP:PORT>"),
        (&["--server-name", "a"], "--server-name <NAME>"),
        (&["--docs", "a.json"], "--docs <FILE>"),
        (&["--xds", "a"], "--xds <FOLDER>"),
    ] {
        let arguments = [["envoy", "--filter-only"].as_slice(), option].concat();
        let output = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{option:?}");
        let start = format!("error: the argument '--filter-only' cannot be used with '{name}'\n");
        assert!(output.err.starts_with(&start), "{option:?}: {}", output.err);
    }
    let https = ["envoy", "--filter-only", "--tls-cert", "a.pem", "--tls-key", "a.key"];
    let output = run_in(folder.path(), &[], &https).await;
    let start = "error: the argument '--filter-only' cannot be used with:\n  --tls-cert <FILE>\n  --tls-key <FILE>\n";
    assert!(output.code == Some(2) && output.err.starts_with(start), "{}", output.err);
    let output = run_in(folder.path(), &[], &["envoy", "--filter-only", "--for", "1.35"]).await;
    assert_eq!((output.code, output.out.as_str()), (Some(2), ""));
    let expected =
        "error: invalid value '1.35' for '--for <VERSION>'\n  [possible values: 1.36, 1.37, 1.38, 1.39, 1.40]\n";
    assert!(output.err.starts_with(expected), "{}", output.err);
}

/// The omissions that `modgud envoy lint` knows are on the page, each with the words of its code.
#[test]
fn the_omissions_are_those_of_lint() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut left: BTreeSet<&str> = Code::ALL.iter().filter(|code| code.is_left_out()).map(|code| code.name()).collect();
    for row in rows(&page).iter().filter(|row| row.len() == 4 && !row[3].is_empty()) {
        let name = row[3].trim_matches('`');
        let code =
            Code::ALL.iter().find(|code| code.name() == name).unwrap_or_else(|| panic!("{PAGE}: no code {name}"));
        assert_eq!((row[1].as_str(), row[2].as_str()), (code.happens(), code.kind().word()), "{PAGE}: {name}");
        left.remove(name);
    }
    assert!(left.is_empty(), "{PAGE} has no rows for {left:?}");
}

/// The omissions of the page that are no codes of `modgud envoy lint`: what they do in Envoy.
#[tokio::test]
async fn omissions_without_a_code_do_what_the_page_says() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let omissions: Vec<Vec<String>> = rows(&page).into_iter().filter(|row| row.len() == 4).collect();
    let without_a_code: Vec<&str> =
        omissions.iter().filter(|row| row[3].is_empty()).map(|row| row[0].as_str()).collect();
    assert_eq!(without_a_code, ["`path_with_escaped_slashes_action`", "the layer of `layered_runtime`"]);

    let mut example = Example::start().await;
    let folder = example.folder.path();
    let (before, _) = compared();
    let mut before = replaced(&before, "port_value: 8080", &format!("port_value: {}", example.app.1.port()));
    for port in ["8000", "9901"] {
        before = replaced(&before, &format!("port_value: {port}"), "port_value: 0");
    }
    fs::write(folder.join("before.yaml"), before).unwrap();
    let yaml = merged(folder, "before.yaml", &[]).await.unwrap();
    let without = replaced(&yaml, "path_with_escaped_slashes_action: REJECT_REQUEST\n", "server_name: edge\n");
    fs::write(folder.join("envoy.yaml"), without).unwrap();
    let (envoy, _, gateway) = start_envoy(&programs(), folder).await.unwrap();
    let ready = async { while ask(gateway, "GET", "/status", &[]).await.status != 200 {} };
    timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(ask(gateway, "GET", "/orders%2fa", &[]).await.status, 400);
    let reason = |line: &str| line.contains("path_ambiguous").then_some(());
    example.modgud.wait_for(PATIENCE, reason).await.unwrap();
    envoy.end().await;

    let (layer, rest) = yaml.split_once("layered_runtime:\n").unwrap();
    let rest: String = rest.split_inclusive('\n').skip_while(|line| line.starts_with([' ', '-'])).collect();
    fs::write(folder.join("envoy.yaml"), format!("{layer}{rest}")).unwrap();
    let mut command = Command::new(programs().envoy);
    command.args(["--mode", "validate", "--config-path", "envoy.yaml"]).current_dir(folder).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let result = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && result.contains("max program size"), "{result}");
    example.stop().await;
}
