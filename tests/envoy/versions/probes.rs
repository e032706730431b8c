//! Probes of one Envoy: one that asks a check service that does what the request says, and one that asks modgud on an abstract socket.

use super::super::seen::Seen;
use super::super::{PATIENCE, ask, envoy_minor, programs, replaced, testbed};
use crate::cli::process::{Serving, run_in};
use crate::support::KEY;
use bytes::Bytes;
use modgud::envoy::proto::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderAppendAction,
    HeaderValue, HeaderValueOption, HttpResponse, HttpStatus, OkHttpResponse, RpcStatus,
};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Process, Setup, Testbed, start_envoy};
use prost::Message;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The result of each probe: `yes`, or what happens instead.
pub(super) type Results = BTreeMap<&'static str, String>;

/// The path of the denial that the access log is looked at for.
const DENIED: &str = "/crm/denied";

/// `yes`, or `no` with the cause.
fn yes_if(is: bool, otherwise: impl FnOnce() -> String) -> String {
    if is { "yes".to_owned() } else { format!("no: {}", otherwise()) }
}

/// All results, and the file that was written for this version.
pub(super) async fn probed() -> (Results, String) {
    let mut results = Results::new();
    let file = scripted(&mut results).await;
    real(&mut results).await;
    (results, file)
}

/// A check service that does what the header `x-probe` says, and remembers the last check.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Option<CheckRequest>>>);

fn header(name: &str, value: &str, append_action: HeaderAppendAction) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned().into(), value: value.to_owned().into(), raw_value: Bytes::new() };
    HeaderValueOption {
        header: Some(header),
        append: None,
        append_action: append_action.into(),
        keep_empty_value: false,
    }
}

#[tonic::async_trait]
impl Authorization for Script {
    async fn check(&self, check: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        const SET: HeaderAppendAction = HeaderAppendAction::OverwriteIfExistsOrAdd;
        let check = check.into_inner();
        let order = values(&check, "x-probe").first().map_or(String::new(), text);
        *self.0.lock().unwrap() = Some(check);
        let mut ok = OkHttpResponse::default();
        let denial = |code| DeniedHttpResponse {
            status: Some(HttpStatus { code }),
            headers: vec![
                header("www-authenticate", "Bearer", SET),
                header("set-cookie", "a=1", HeaderAppendAction::AppendIfExistsOrAdd),
                header("set-cookie", "b=2", HeaderAppendAction::AppendIfExistsOrAdd),
            ],
            body: "denied".into(),
        };
        let (verb, name) = order.split_once(' ').unwrap_or((&order, ""));
        let (code, http_response) = match verb {
            "deny" => (16, HttpResponse::DeniedResponse(denial(401))),
            "error" => (14, HttpResponse::ErrorResponse(denial(503))),
            _ => {
                match verb {
                    "set" => ok.headers.push(header(name, "ours", SET)),
                    "break" => ok.headers.push(header("x-a", "a\r\nb: c", SET)),
                    "remove" => ok.headers_to_remove.push(name.to_owned().into()),
                    "drop" => ok.query_parameters_to_remove.push(name.to_owned().into()),
                    _ => {}
                }
                (0, HttpResponse::OkResponse(ok))
            }
        };
        let kind = prost_types::value::Kind::StringValue("role_missing".to_owned());
        let reason = ("reason".to_owned(), prost_types::Value { kind: Some(kind) });
        Ok(Response::new(CheckResponse {
            status: Some(RpcStatus { code, ..RpcStatus::default() }),
            http_response: Some(http_response),
            dynamic_metadata: prost_types::Struct { fields: [reason].into() }.encode_to_vec(),
        }))
    }
}

/// The raw values of a header in a check.
fn values(check: &CheckRequest, name: &str) -> Vec<Bytes> {
    let http = check.attributes.as_ref().and_then(|attributes| attributes.request.as_ref()?.http.as_ref());
    let listed = http.and_then(|http| http.header_map.as_ref()).map_or(&[][..], |map| &map.headers);
    listed.iter().filter(|header| header.key == name).map(|header| header.raw_value.clone()).collect()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

static SCRIPT: OnceLock<u16> = OnceLock::new();

/// Envoy asks [`Script`], allows what has no decision, and one route has a context.
fn with_script(yaml: &str) -> String {
    let yaml = replaced(yaml, "failure_mode_allow: false", "failure_mode_allow: true");
    let route = "- match: { path_separated_prefix: /crm }\n";
    let context = "                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              check_settings: { context_extensions: { modgud.rule: staff } }\n";
    let yaml = replaced(&yaml, route, &format!("{route}{context}"));
    let (before, after) = yaml.split_once("        cluster_name: modgud\n        endpoints:\n").unwrap();
    let (address, rest) = after.split_once("port_value: ").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let port = SCRIPT.get().unwrap();
    format!("{before}        cluster_name: modgud\n        endpoints:\n{address}port_value: {port}\n{rest}")
}

/// Accepts a WebSocket, and says nothing on it.
async fn websockets(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.read(&mut request).await;
    }
}

async fn scripted(results: &mut Results) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    SCRIPT.set(listener.local_addr().unwrap().port()).unwrap();
    let script = Script::default();
    let server = tonic::transport::Server::builder().add_service(AuthorizationServer::new(script.clone()));
    let serving = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let sockets = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = format!(
        "profile: bifrost\nmodules:\n  - {{ name: crm, prefix: /crm, upstream: '{{crm}}' }}\n  - {{ name: documents, prefix: /documents, upstream: '{{documents}}' }}\n  - {{ name: chat, prefix: /chat, upstream: '{}', upgrades: [websocket] }}\n",
        sockets.local_addr().unwrap()
    );
    let sockets = tokio::spawn(websockets(sockets));
    let setup = Setup {
        config: Some(config.clone().leak()), // a testbed's configuration is a constant everywhere else
        envoy: EnvoyYaml::Written,
        arguments: vec!["--for".to_owned(), format!("1.{}", envoy_minor())],
        edit: Some(with_script),
        ..Setup::default()
    };
    let mut testbed = testbed(setup).await;
    let file = accepted(results, &config.replace("{crm}", "crm:80").replace("{documents}", "documents:80")).await;
    mutations(results, testbed.gateway).await;
    requests(results, testbed.gateway, &script).await;
    access_log(results, &mut testbed).await;
    testbed.stop().await;
    serving.abort();
    sockets.abort();
    file
}

/// Validates the file of this configuration, and returns it.
async fn accepted(results: &mut Results, config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), config).unwrap();
    let version = format!("1.{}", envoy_minor());
    let arguments = ["envoy", "--config", "modgud.yaml", "--for", &version, "--health-listen", "127.0.0.1:0"];
    let written = run_in(folder.path(), &[], &arguments).await;
    assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
    fs::write(folder.path().join("envoy.yaml"), &written.out).unwrap();
    let mut command = Command::new(programs().envoy);
    command.args(["--mode", "validate", "--log-level", "warning", "--config-path", "envoy.yaml"]);
    let output = command.current_dir(folder.path()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let result = yes_if(output.status.success() && said.trim().is_empty(), || said.trim().replace(['\n', '|'], " "));
    results.insert("accepts the file of `modgud envoy --for`, without a warning", result);
    written.out
}

async fn ordered(gateway: SocketAddr, path: &str, order: &str, more: &[&str]) -> Exchange {
    let lines: Vec<String> =
        [format!("x-probe: {order}")].into_iter().chain(more.iter().map(|line| (*line).to_owned())).collect();
    ask(gateway, "GET", path, &lines).await
}

/// What the check service asks of Envoy.
async fn mutations(results: &mut Results, gateway: SocketAddr) {
    let set = Seen::of(&ordered(gateway, "/crm/", "set x-tenant", &["x-tenant: forged"]).await);
    let removed = Seen::of(&ordered(gateway, "/crm/", "remove x-tenant", &["x-tenant: forged"]).await);
    let seen = (set.values("x-tenant"), removed.values("x-tenant"));
    results.insert(
        "mutation rules admit identity headers",
        yes_if(seen == (vec!["ours"], vec![]), || format!("{seen:?}")),
    );
    let mut statuses = Vec::new();
    for order in ["set content-type", "remove host", "set x_forwarded_for"] {
        statuses.push(ordered(gateway, "/crm/", order, &[]).await.status);
    }
    results.insert("`disallow_is_error`", yes_if(statuses == [500, 500, 500], || format!("{statuses:?}")));
    let status = ordered(gateway, "/crm/", "break", &[]).await.status;
    results.insert("`validate_mutations`", yes_if(status == 500, || status.to_string()));
    let path = Seen::of(&ordered(gateway, "/crm/a?b=1&token=secret&c=2", "drop token", &[]).await).path;
    results.insert("`query_parameters_to_remove`", yes_if(path == "/a?b=1&c=2", || path.clone()));

    let denied = ordered(gateway, DENIED, "deny", &[]).await;
    let cookies: Vec<&str> =
        denied.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect();
    let got = (denied.status, denied.header("www-authenticate"), cookies, denied.body.as_slice());
    let wanted = (401, Some("Bearer"), vec!["a=1", "b=2"], &b"denied"[..]);
    results.insert("headers of a denial", yes_if(got == wanted, || format!("{got:?}")));
    let status = ordered(gateway, "/crm/", "error", &[]).await.status;
    results.insert("`error_response`", yes_if(status == 200, || format!("a denial, {status}")));
}

/// What Envoy does with requests before it asks, and what it says to the check service.
async fn requests(results: &mut Results, gateway: SocketAddr, script: &Script) {
    let last = || script.0.lock().unwrap().take();
    let raw = b"GET /crm/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-bytes: \xff\xc0\r\nx.core-user-uuid: forged\r\nScript.Name: /\r\n\r\n";
    assert_eq!(Exchange::raw(gateway, raw).await.unwrap().status, 200);
    let check = last().unwrap();
    let bytes = values(&check, "x-bytes");
    results.insert("`encode_raw_headers`", yes_if(bytes == [&b"\xff\xc0"[..]], || format!("{bytes:?}")));
    let forged = [values(&check, "x.core-user-uuid"), values(&check, "script.name")].concat();
    results.insert(
        "`early_header_mutation_extensions` with a regular expression",
        yes_if(forged.is_empty(), || format!("{forged:?}")),
    );
    let context = check.attributes.unwrap().context_extensions;
    let context: Vec<(String, String)> = context.iter().map(|entry| (text(&entry.key), text(&entry.value))).collect();
    let wanted = [("modgud.rule".to_owned(), "staff".to_owned())];
    results.insert("context of a route", yes_if(context == wanted, || format!("{context:?}")));

    for (name, path, lines) in [
        ("`path_with_escaped_slashes_action`", "/crm/a%2fb", &[][..]),
        ("`headers_with_underscores_action`", "/crm/", &["x_user: a".to_owned()]),
    ] {
        let status = ask(gateway, "GET", path, lines).await.status;
        let asked = last().is_some();
        results.insert(name, yes_if(status == 400 && !asked, || format!("{status}, checked: {asked}")));
    }
    let mut paths = Vec::new();
    for path in ["/crm/../documents/./b", "//documents//c"] {
        let seen = Seen::of(&ask(gateway, "GET", path, &[]).await);
        paths.push(format!("{}{}", seen.module, seen.path));
    }
    results.insert(
        "`normalize_path`, `merge_slashes`",
        yes_if(paths == ["documents/b", "documents/c"], || format!("{paths:?}")),
    );
    last();
    ask(gateway, "GET", "/crm/..;/documents/b", &[]).await;
    let path = last().and_then(|check| Some(text(&check.attributes?.request?.http?.path))).unwrap_or_default();
    results.insert("`..;` is a dot segment", yes_if(path == "/documents/b", || format!("`{path}`")));
    let seen = Seen::of(&ask(gateway, "GET", "/crm/items/1/?a=b", &[]).await).path;
    let whole = ask(gateway, "GET", "/crmx", &[]).await.status;
    results.insert(
        "`path_separated_prefix`, `regex_rewrite`",
        yes_if((seen.as_str(), whole) == ("/items/1/?a=b", 404), || format!("{seen}, {whole}")),
    );
    results.insert("WebSocket upgrades on HTTP/1.1", websocket(gateway).await);
}

async fn websocket(gateway: SocketAddr) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let upgrade = "GET /chat/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    yes_if(&answer == b"HTTP/1.1 101", || String::from_utf8_lossy(&answer).into_owned())
}

/// Envoy writes the rest of its log when it ends.
async fn access_log(results: &mut Results, testbed: &mut Testbed) {
    testbed.envoy.signal(Signal::TERM);
    let found = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|event| event["path"] == DENIED);
    let event = testbed.envoy.wait_for(PATIENCE, found).await.unwrap();
    let reason = &event["reason"];
    results.insert("dynamic metadata of a denial", yes_if(reason == "role_missing", || reason.to_string()));
    let null: Vec<&String> =
        event.as_object().unwrap().iter().filter(|(_, one)| one.is_null()).map(|(key, _)| key).collect();
    results.insert("absent metadata is left out of the access log", yes_if(null.is_empty(), || "`null`".to_owned()));
}

/// Envoy holds three connections at most. The health listener does not count.
const CONNECTIONS: usize = 3;

async fn real(results: &mut Results) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let name = format!("unix:@modgud-test-envoy-versions-{}", std::process::id());
    fs::write(
        folder.join("modgud.yaml"),
        "profile: bifrost\nmodules: [{ name: api, prefix: /api, upstream: '127.0.0.1:1' }]\n",
    )
    .unwrap();
    let pem = KEY.public_pem().unwrap();
    let serving = Serving::start_at(folder, &pem, &["--grpc", &name, "--admin", "127.0.0.1:0"]).await;
    let (envoy, admin, gateway, health) = start(folder, &name).await;
    let statuses = async |path: &str, to: SocketAddr| Exchange::get(to, path).await.map_or(0, |answer| answer.status);

    let first = statuses("/api/", gateway).await;
    results.insert("abstract Unix sockets", yes_if(first == 401, || first.to_string()));
    let v6: SocketAddr = format!("[::1]:{}", gateway.port()).parse().unwrap();
    let both = (statuses("/api/", v6).await, first);
    results.insert("`ipv4_compat`", yes_if(both == (401, 401), || format!("{both:?}")));
    let checked = async || {
        let stats = Exchange::get(admin, "/stats?filter=^cluster.modgud.health_check.success$").await.unwrap();
        String::from_utf8(stats.body).unwrap().trim().rsplit(' ').next().and_then(|count| count.parse::<u64>().ok())
    };
    let healthy = timeout(PATIENCE, async { while checked().await.unwrap_or(0) == 0 {} }).await;
    results.insert("gRPC health checks", yes_if(healthy.is_ok(), || "no success".to_owned()));

    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(gateway).await.unwrap();
        stream.write_all(b"GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401");
        held.push(stream);
    }
    let more = statuses("/api/", gateway).await;
    results.insert("limit of connections in the overload manager", yes_if(more == 0, || more.to_string()));
    let answers = (
        statuses("/ready", health).await,
        statuses("/stats/prometheus", health).await,
        statuses("/quitquitquit", health).await,
    );
    results.insert("health listener", yes_if(answers == (200, 200, 404), || format!("{answers:?}")));
    drop(held);
    let free = async { while statuses("/api/", gateway).await == 0 {} };
    timeout(PATIENCE, free).await.unwrap();

    serving.end(Signal::KILL).await;
    let status = statuses("/api/", gateway).await;
    results.insert("`status_on_error`", yes_if(status == 503, || status.to_string()));
    envoy.end().await;
}

/// Starts an Envoy that asks modgud at this address; returns its admin interface, its listener and its health listener.
async fn start(folder: &Path, modgud: &str) -> (Process, SocketAddr, SocketAddr, SocketAddr) {
    // Reserves a port for the admin interface, to which the health listener forwards: bound, never listening.
    let port = tokio::net::TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let admin = port.local_addr().unwrap().to_string();
    let version = format!("1.{}", envoy_minor());
    let addresses = ["--modgud", modgud, "--listen", "[::]:0", "--admin", &admin, "--health-listen", "127.0.0.1:0"];
    let arguments = [["envoy", "--config", "modgud.yaml", "--for", &version].as_slice(), &addresses].concat();
    let written = run_in(folder, &[], &arguments).await;
    assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
    let limit = "max_active_downstream_connections: ";
    let yaml = replaced(&written.out, &format!("{limit}50000"), &format!("{limit}{CONNECTIONS}"));
    fs::write(folder.join("envoy.yaml"), yaml).unwrap();
    let (envoy, admin, _) = start_envoy(&programs(), folder).await.unwrap();
    let listeners = Exchange::get(admin, "/listeners?format=json").await.unwrap().json();
    let port = |name: &str| {
        let all = listeners["listener_statuses"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == name).unwrap();
        let port = one["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port.try_into().unwrap()))
    };
    (envoy, admin, port("gateway"), port("health"))
}
