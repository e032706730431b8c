//! A real Envoy whose `ext_authz` asks modgud over HTTP (`http_service`), before a module that says what reached it.

use super::credential;
use crate::envoy::seen::Seen;
use crate::envoy::{PATIENCE, ask, programs};
use crate::support::{KEY, claims};
use modgud::clock::Clock;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, start_envoy, start_modgud, start_module};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::process::Command;

const MODGUD: &str = "
profile: bifrost
server: { grpc: '127.0.0.1:0', admin: '127.0.0.1:0', deadline: 10s, http: { listen: 'unix:FOLDER/http.sock', proxy: envoy } }
rules:
  - { name: site, match: { paths: ['/site/{*rest}'] }, access: public }
  - { name: closed, match: { paths: ['/closed'] }, access: denied }
  - { name: hidden, match: { paths: ['/hidden'] }, access: denied, deny: { status: 404 } }
REST";

/// Names the governed headers, and sends all of a client's.
const ENVOY: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
    - name: gateway
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: gateway
                use_remote_address: true
                common_http_protocol_options: { headers_with_underscores_action: ALLOW }
                route_config:
                  virtual_hosts:
                    - { name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: module } }] }
                http_filters:
                  - name: envoy.filters.http.ext_authz
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
                      failure_mode_allow: FAILURE_MODE
                      allowed_headers: { patterns: [{ safe_regex: { regex: ".*" } }] }
                      http_service:
                        server_uri: { uri: http://modgud, cluster: modgud, timeout: 15s }
                        authorization_response:
                          allowed_upstream_headers:
                            patterns: [NAMES]
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: modgud
      load_assignment:
        cluster_name: modgud
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: FOLDER/http.sock } } } }] }]
    - name: module
      load_assignment:
        cluster_name: module
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: MODULE } } } }] }]
"#;

const GOVERNED: [&str; 5] = ["authorization", "x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username"];

struct Gateway {
    address: SocketAddr,
    modgud: Process,
    _others: [Process; 2],
    _folder: TempDir,
}

async fn gateway(rest: &str, failure_mode_allow: bool) -> Gateway {
    let (programs, folder) = (programs(), TempDir::new().unwrap());
    let path = folder.path().to_str().unwrap();
    fs::write(folder.path().join("modgud.yaml"), MODGUD.replace("FOLDER", path).replace("REST", rest)).unwrap();
    let mut command = Command::new(&programs.modgud);
    command.args(["serve", "--config", "modgud.yaml"]).current_dir(&folder);
    command.env("JWT_PUBLIC_KEY_RSA_BIFROST", KEY.public_pem().unwrap());
    let (modgud, _) = start_modgud(command).await.unwrap();
    let mut command = Command::new(&programs.python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/module/module.py"))
        .args(["--name", "module", "--port", "0"]);
    command.env("JWT_PUBLIC_KEY_RSA_BIFROST", KEY.public_pem().unwrap());
    let (module, at) = start_module("module", command).await.unwrap();
    let names = GOVERNED.map(|name| format!("{{ exact: {name} }}")).join(", ");
    let yaml = ENVOY.replace("FOLDER", path).replace("NAMES", &names).replace("MODULE", &at.port().to_string());
    fs::write(folder.path().join("envoy.yaml"), yaml.replace("FAILURE_MODE", &failure_mode_allow.to_string())).unwrap();
    let (envoy, _, address) = start_envoy(&programs, folder.path()).await.unwrap();
    Gateway { address, modgud, _others: [module, envoy], _folder: folder }
}

async fn sent(gateway: &Gateway, path: &str, lines: &[&str]) -> Exchange {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    ask(gateway.address, "GET", path, &lines).await
}

#[tokio::test]
async fn envoy_asks_over_http() {
    let gateway = gateway("", false).await;
    let answer = sent(&gateway, "/site/a?b=c", &["Accept: */*"]).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(Seen::of(&answer).path, "/site/a?b=c");

    // Forged headers, in the exact spelling and in others, and what moves a request.
    let forged = [
        "X-Core-User-UUID: forged",
        "x_core_user_uuid: forged",
        "X-Core-Other: forged",
        "X-Username: forged",
        "x.username: forged",
        "SCRIPT_NAME: /admin",
        "X-Rewrite-URL: /admin",
        "X-Kept: kept",
        "Authorization: Basic YTpi",
    ];
    let seen = Seen::of(&sent(&gateway, "/site/a", &forged).await);
    let value = |name: &str| seen.values(name).concat();
    assert_eq!((value("x-kept"), value("authorization")), ("kept".to_owned(), "Basic YTpi".to_owned()));
    let forged: Vec<_> = seen.headers.iter().filter(|(_, value)| value == "forged" || value == "/admin").collect();
    assert!(forged.is_empty(), "{forged:?}");
    assert_eq!(seen.identity(), [("", ""); 0]);

    // Another proxy's headers.
    for line in
        ["X-Forwarded-Uri: /site/a", "X-Original-URI: /site/a", "X-Original-URL: /site/a", "x_original_method: GET"]
    {
        assert_eq!(sent(&gateway, "/closed", &[line]).await.status, 400, "{line}");
        assert_eq!(sent(&gateway, "/site/a", &[line]).await.status, 400, "{line}");
    }

    // Denials, with their own status, headers and body.
    let credential = format!("Authorization: {}", credential());
    for (path, lines, status) in [
        ("/crm/", &[][..], 401),
        ("/crm/", &[credential.as_str()], 401),
        ("/closed", &[], 403),
        ("/hidden", &[], 404),
        ("/site/..%2fclosed", &[], 400),
        ("/site/a;b", &[], 400),
    ] {
        let answer = sent(&gateway, path, lines).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["detail"].is_string(), "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    // A number sign: Envoy or modgud refuses it.
    assert_eq!(sent(&gateway, "/site/a#/../closed", &[]).await.status, 400);
}

/// A good token at the time of the processes.
fn token_of_today() -> String {
    let now = Clock::System.now().as_secs();
    let dated = |(name, value): (String, Value)| match name.as_str() {
        "iat" => (name, json!(now)),
        "exp" => (name, json!(now + 600)),
        _ => (name, value),
    };
    KEY.sign(&claims().into_iter().map(dated).collect::<Vec<_>>()).unwrap()
}

/// The identity replaces what the client sent, and the token arrives as the module expects it.
#[tokio::test]
async fn the_module_learns_who_asks() {
    let gateway = gateway("", false).await;
    let token = token_of_today();
    let bearer = format!("Authorization: Bearer {token}");
    let lines = [bearer.as_str(), "X-Core-User-UUID: forged", "X-Scope: forged", "X-Username: forged"];
    let seen = Seen::of(&sent(&gateway, "/crm/", &lines).await);
    let value = |name: &str| seen.values(name).join("|");
    assert_eq!(value("x-core-user-uuid"), "fd76ce0c-d8be-4aa6-91ed-59e698f6af60");
    assert_eq!((value("x-username"), value("x-scope")), ("admin".to_owned(), "read write".to_owned()));
    assert_eq!(value("authorization"), format!("JWT {token}"));
}

const AWAY: &str = "
authenticators:
  - name: away
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ jwks: { url: 'http://127.0.0.1:1/jwks' } }], require: [] }
";

/// Envoy hands every 5xx of `http_service` to `failure_mode_allow`: a denial of modgud's is none.
#[tokio::test]
async fn a_check_that_can_not_be_decided_is_a_denial_whatever_envoy_does_with_errors() {
    let credential = format!("Authorization: JWT {}", token_of_today());
    for (unavailable, failure_mode_allow, status) in
        [("deny", false, 403), ("deny", true, 403), ("error", false, 403), ("error", true, 200)]
    {
        let rest = format!("{AWAY}denials: {{ unavailable: {unavailable} }}\n");
        let gateway = gateway(&rest, failure_mode_allow).await;
        let found = sent(&gateway, "/crm/", &[&credential]).await.status;
        assert_eq!(found, status, "unavailable: {unavailable}, failure_mode_allow: {failure_mode_allow}");
        // What clients can cause is a denial in any case.
        assert_eq!(sent(&gateway, "/crm/", &[]).await.status, 401);
        let Gateway { mut modgud, .. } = gateway;
        let check = |line: &str| line.contains("keys_unavailable").then_some(());
        modgud.wait_for(PATIENCE, check).await.unwrap();
    }
}
