//! The configuration that `modgud envoy` writes: Envoy accepts it, each path reaches its own module and no other, and modgud decides on
//! what the module gets.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign, with};
use super::{ask, keeps_parameters_of_dot_segments, programs, table, testbed};
use crate::cli::process::run_in;
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, SAMPLE, Setup};
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::path::Path;
use tokio::process::Command;

/// Two modules, one inside the other, and one with a list; headers of its own.
const CONFIGURATION: &str = "
profile: bifrost
modules:
  - { name: crm, prefix: /crm, upstream: '{crm}', access: [{ organization: any, allow: [read] }] }
  - { name: documents, prefix: /crm/documents, upstream: '{documents}' }
core: { upstream: '{core}', reserved: [admin, docs, crm-core] }
upstream:
  headers: { x-tenant: { claim: organization_uuid } }
  strip: [x-core-*, x-organization-*, x-secret]
";

/// A request, and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) sent: String,
    #[serde(default = "get")]
    pub(super) method: String,
    pub(super) status: u16,
    pub(super) by: Option<String>,
    pub(super) sees: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

#[tokio::test]
async fn each_path_reaches_its_own_module() {
    let setup = Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let jwt = jwt(&sign(&testbed.key, &claims()));
    for Row { sent, method, status, by, sees } in table::<Row>(include_str!("../data/envoy/written.yaml")) {
        let request = format!(
            "{method} {sent} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: 0\r\n{jwt}\r\n\r\n"
        );
        let answer = Exchange::raw(testbed.gateway, request.as_bytes()).await.unwrap();
        let status = if keeps_parameters_of_dot_segments(&sent) { 400 } else { status };
        assert_eq!(answer.status, status, "{method} {sent}");
        if status == 200 {
            let seen = Seen::of(&answer);
            assert_eq!((Some(seen.module), Some(seen.path)), (by, sees), "{method} {sent}");
        } else {
            assert!(answer.json()["module"].is_null(), "{method} {sent} reached a module");
        }
    }
    testbed.stop().await;
}

#[tokio::test]
async fn modgud_may_change_what_its_configuration_names() {
    let setup = Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let spoofed = ["x-tenant: spoofed", "x-secret: spoofed", "x-core-is-superuser: true", "X-Tenant: twice"];
    let token = jwt(&sign(&testbed.key, &claims()));
    let lines: Vec<String> = spoofed.map(str::to_owned).into_iter().chain([token]).collect();
    let seen = Seen::of(&ask(testbed.gateway, "GET", "/crm/", &lines).await);
    assert_eq!(seen.values("x-tenant"), ["70f0d039-e3d9-427e-b161-4e95dbd9e918"]);
    assert_eq!((seen.values("x-secret"), seen.values("x-core-is-superuser")), (vec![], vec![]));

    // A token without the claim: the client's own header is removed.
    let token = jwt(&sign(&testbed.key, &with(claims(), "organization_uuid", json!(null))));
    let lines: Vec<String> = spoofed.map(str::to_owned).into_iter().chain([token]).collect();
    let seen = Seen::of(&ask(testbed.gateway, "GET", "/crm/", &lines).await);
    assert_eq!(seen.values("x-tenant"), [""; 0]);
    testbed.stop().await;
}

async fn envoy(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let result = run_in(folder, &[], &[["envoy"].as_slice(), arguments].concat()).await;
    (result.code, result.out, result.err)
}

/// The sample is what is written for the sample of modgud's configuration.
#[tokio::test]
async fn the_sample_is_written() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    assert_eq!(envoy(&deploy, &["--config", "modgud.yaml"]).await, (Some(0), SAMPLE.to_owned(), String::new()));
}

/// Cookies are held back only if nothing can read them: an expression that iterates over headers, or computes a name, may.
#[tokio::test]
async fn cookies_are_sent_if_an_expression_may_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let rule =
        |when: &str| format!("rules: [{{ name: a, match: {{ paths: ['/a'] }}, access: public, when: {when:?} }}]\n");
    for (configuration, sent) in [
        (String::new(), false),
        (rule("request.path == '/cookies'"), false),
        (rule("request.headers['x-region'] == 'cookie'"), false),
        (rule("request.headers['cookie'] == 'a=1'"), true),
        (rule("'cookie' in request.headers"), true),
        (rule("!request.headers.exists(name, name.startsWith('coo'))"), true),
        (rule("request.headers['coo' + 'kie'] != 'a=1'"), true),
        (rule("request.headers[request.method] == 'a'"), true),
        ("upstream: { headers: { x-a: { cel: request.path + '/cookie' } } }\n".to_owned(), false),
    ] {
        let configuration =
            format!("profile: bearer\ncore: {{ upstream: 'core:1', reserved: [core] }}\n{configuration}");
        fs::write(folder.path().join("modgud.yaml"), &configuration).unwrap();
        let (code, yaml, err) = envoy(folder.path(), &["--config", "modgud.yaml"]).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{configuration}");
        assert_eq!(!yaml.contains("- exact: cookie"), sent, "{configuration}");
    }
}

/// Nothing of `BiFrost` in the output for other profiles, neither in comments nor in names.
#[tokio::test]
async fn nothing_of_bifrost_is_written_for_other_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let modules = "modules: [{ name: orders, prefix: /orders, upstream: 'orders:80' }]\n";
    for (profile, arguments, name) in [
        ("none", &[][..], "modgud"),
        ("bearer", &[], "modgud"),
        ("orchescala", &[], "modgud"),
        ("none", &["--server-name", "edge 7"], "\"edge 7\""),
        ("bifrost", &[], "bifrost"),
        ("bifrost", &["--server-name", "edge"], "edge"),
    ] {
        let own = if profile == "orchescala" {
            "authenticators: [{ name: a, from: [{ header: authorization, schemes: [Bearer] }], \
             jwt: { issuer: a, algorithms: [RS256], keys: [{ pem: { env: KEY } }] } }]\n"
        } else {
            ""
        };
        fs::write(folder.path().join("modgud.yaml"), format!("profile: {profile}\n{modules}{own}")).unwrap();
        let (code, yaml, err) =
            envoy(folder.path(), &[["--config", "modgud.yaml"].as_slice(), arguments].concat()).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{profile}");
        assert!(yaml.contains(&format!("                server_name: {name}\n")), "{profile}: {yaml}");
        if profile != "bifrost" {
            let words =
                ["bifrost", "crm", "documents", "core_user", "core-user", "x-core", "organization-uuid", "logicmodule"];
            for word in words {
                assert!(!yaml.to_ascii_lowercase().contains(word), "{profile} has {word}: {yaml}");
            }
            assert!(!yaml.contains("reserved names"), "{profile}: {yaml}");
        }
    }
    let (code, _, err) = envoy(folder.path(), &["--config", "modgud.yaml", "--server-name", "a\nb"]).await;
    assert!(code == Some(2) && err.contains("write visible ASCII characters, such as `gateway`"), "{err}");
}

#[tokio::test]
async fn envoy_accepts_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let authority = crate::services::authority::Authority::new("modgud");
    authority.server().write(folder.path(), "server");
    fs::write(folder.path().join("clients.pem"), authority.pem()).unwrap();
    let modules = "modules: [{ name: 'a,{b}:#c', prefix: /a~b/c.d, upstream: '[::1]:80' }]\n";
    let cookies = "authenticators: [{ name: a, from: [{ cookie: session }, { header: x-api-key }], \
                   jwt: { issuer: a, algorithms: [RS256], keys: [{ pem: { env: KEY } }] } }, { name: b, mtls: {} }]\n";
    let tls = "server: { tls: { cert: server.pem, key: server.key, client_ca: clients.pem } }\n";
    let by_tls = [
        "--modgud-tls-ca",
        "clients.pem",
        "--modgud-tls-name",
        "modgud",
        "--modgud-tls-cert",
        "server.pem",
        "--modgud-tls-key",
        "server.key",
    ];
    let all_tls = [by_tls.as_slice(), &["--tls-cert", "server.pem", "--tls-key", "server.key"]].concat();
    for (number, (configuration, arguments)) in [
        (modules.to_owned(), &[][..]),
        (modules.to_owned(), &["--modgud", "modgud.example.com:9191", "--listen", "[::1]:8000"]),
        (modules.to_owned(), &["--modgud", "unix:/run/modgud/check.sock"]),
        (format!("server: {{ grpc: 'unix:@modgud' }}\n{modules}"), &[]),
        (format!("{cookies}{modules}"), &[]),
        (format!("{tls}{modules}"), &by_tls),
        ("core: { upstream: 'core:8080' }\n".to_owned(), &[]),
        (modules.to_owned(), &["--tls-cert", "server.pem", "--tls-key", "server.key"]),
        (format!("{tls}{modules}"), &all_tls),
        ("modules: [{ name: users, prefix: /api/users, keep_prefix: true, upstream: 'users:80' }]\n".to_owned(), &[]),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(folder.path().join("modgud.yaml"), format!("profile: bifrost\n{configuration}")).unwrap();
        let arguments = [["--config", "modgud.yaml"].as_slice(), arguments].concat();
        let (code, yaml, err) = envoy(folder.path(), &arguments).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{number}");
        let file = folder.path().join("envoy.yaml");
        fs::write(&file, &yaml).unwrap();
        let mut command = Command::new(programs().envoy);
        command.args(["--mode", "validate", "--config-path"]).arg(&file).current_dir(folder.path()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let result = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !result.contains("deprecated"), "{number}: {result}\n{yaml}");
    }
}

#[tokio::test]
async fn what_can_not_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (configuration, arguments, expected) in [
        (
            "{ profile: bifrost }",
            &[][..],
            "modgud: the configuration has no `modules` and no `core.upstream`; write one of them, to have a route, or use \
             --filter-only for an Envoy with routes of its own\n",
        ),
        (
            "{ profile: bifrost, core: { upstream: 'core:1' }, server: { grpc: '127.0.0.1:0' } }",
            &[],
            "modgud: `server.grpc` has port 0, which is any free port; use --modgud with the address at which Envoy reaches modgud\n",
        ),
        (
            "{ profile: bifrost, core: { upstream: 'core:1' } }",
            &["--modgud-tls-ca", "ca.pem"],
            "modgud: modgud does not serve TLS: the configuration has no `server.tls`; remove --modgud-tls-ca\n",
        ),
        (
            "{ profile: bifrost, modules: [{ name: crm, prefix: /admin, upstream: 'crm:1' }], core: { reserved: [admin] } }",
            &[],
            "modgud: modgud.yaml:1:52: modules[0].prefix: `admin` is reserved for the core service; write a first segment \
             other than `admin` [prefix-reserved]\n",
        ),
        (
            "{ profile: bifrost, core: { upstream: 'core:1' } }",
            &["--listen", "0.0.0.0:9901"],
            "modgud: --listen 0.0.0.0:9901 is the address of --admin (127.0.0.1:9901) too; use another port\n",
        ),
        (
            "{ profile: bifrost, core: { upstream: 'core:1' } }",
            &["--listen", "[::]:9191"],
            "modgud: --listen [::]:9191 is the address of `server.grpc` (127.0.0.1:9191) too; use another port\n",
        ),
        (
            "{ profile: bifrost, core: { upstream: 'core:1' }, server: { admin: '127.0.0.1:9901' } }",
            &[],
            "modgud: --admin 127.0.0.1:9901 is the address of `server.admin` (127.0.0.1:9901) too; use another port\n",
        ),
    ] {
        fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
        let arguments = [["--config", "modgud.yaml"].as_slice(), arguments].concat();
        assert_eq!(envoy(folder.path(), &arguments).await, (Some(1), String::new(), expected.to_owned()));
    }
}

/// Another machine's modgud, another address of this machine, and any free port are no collision.
#[tokio::test]
async fn listeners_of_their_own_are_no_error() {
    let folder = tempfile::tempdir().unwrap();
    write_core(folder.path());
    for arguments in [
        &["--listen", "0.0.0.0:9191", "--modgud", "modgud:9191"][..],
        &["--listen", "127.0.0.2:9901"],
        &["--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"],
    ] {
        let (code, _, err) = envoy(folder.path(), &[["--config", "modgud.yaml"].as_slice(), arguments].concat()).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn an_address_without_an_ip_is_corrected() {
    let folder = tempfile::tempdir().unwrap();
    write_core(folder.path());
    for (option, address, help) in [
        ("--listen", ":8443", "write `0.0.0.0:8443`"),
        ("--listen", "8443", "write `0.0.0.0:8443`"),
        ("--listen", "localhost:8443", "write `127.0.0.1:8443`"),
        ("--listen", "example.com:8443", "write an IP address and a port, such as `0.0.0.0:8443` or `[::]:8443`"),
        ("--admin", ":65536", "write an IP address and a port, such as `0.0.0.0:8443` or `[::]:8443`"),
    ] {
        let (code, out, err) = envoy(folder.path(), &["--config", "modgud.yaml", option, address]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{address}: {err}");
        assert!(err.contains(help) && !err.contains("socket address"), "{address}: {err}");
    }
}

fn write_core(folder: &Path) {
    fs::write(folder.join("modgud.yaml"), "{ profile: bifrost, core: { upstream: 'core:1' } }").unwrap();
}

/// Half of a pair, an empty path, and the options of before are errors of the command line.
#[tokio::test]
async fn wrong_options_of_tls_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), "{ profile: bifrost, core: { upstream: 'core:1' } }").unwrap();
    for (arguments, reason) in [
        (&["--tls-cert", "a.pem"][..], "--tls-key <FILE>"),
        (&["--tls-key", "a.key"], "--tls-cert <FILE>"),
        (&["--tls-cert", "", "--tls-key", "a.key"], "a value is required for '--tls-cert <FILE>'"),
        (&["--tls-cert", "a.pem", "--tls-key", "a.key", "--modgud-tls-cert", "b.pem"], "--modgud-tls-ca <FILE>"),
        (&["--tls-ca", "ca.pem", "--tls-cert", "a.pem", "--tls-key", "a.key"], "unexpected argument '--tls-ca'"),
    ] {
        let (code, out, err) =
            envoy(folder.path(), &[["--config", "modgud.yaml"].as_slice(), arguments].concat()).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}
