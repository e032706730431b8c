//! What the page refuses: other hosts, other sites, requests without its token, large bodies, and addresses beyond this machine.

use super::{CONFIGURATION, PATIENCE, Served, serving};
use crate::cli::process::run_in;
use crate::support::KEY;
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;

const BODY: &str = r#"{"method":"GET","path":"/docs/a","host":"api.example.com"}"#;

#[tokio::test]
async fn another_host_site_or_method_and_a_request_without_the_token_are_refused() {
    let served = Served::of(CONFIGURATION).await;
    let own = ("host", "localhost:9194");
    let send = |method, path, headers: Vec<(&'static str, &'static str)>| async move {
        let answer = Exchange::send(served.page, method, path, &headers).await.unwrap();
        assert_safe(&answer);
        answer.status
    };
    for (method, path, headers, status) in [
        ("GET", "/", vec![own], 200),
        ("HEAD", "/", vec![own], 200),
        ("GET", "/api/keys", vec![("host", "[::1]:1")], 200),
        ("GET", "/api/keys", vec![("host", "127.0.0.1:80"), ("origin", "http://127.0.0.1:80")], 200),
        ("GET", "/", vec![("host", "rebound.example:9194")], 421),
        ("GET", "/api/config", vec![("host", "rebound.example")], 421),
        ("POST", "/api/explain", vec![("host", "10.0.0.7")], 421),
        ("GET", "/api/config", vec![own, ("origin", "http://evil.example")], 403),
        ("GET", "/api/config", vec![own, ("origin", "null")], 403),
        ("GET", "/api/config", vec![own, ("sec-fetch-site", "cross-site")], 403),
        ("GET", "/app.js", vec![own, ("sec-fetch-site", "same-site")], 403),
        ("POST", "/api/explain", vec![own], 403),
        ("GET", "/api/explain", vec![own], 405),
        ("POST", "/api/decisions", vec![own], 405),
        ("POST", "/", vec![own], 405),
        ("PUT", "/api/explain", vec![own], 405),
        ("OPTIONS", "/api/explain", vec![own], 405),
        ("TRACE", "/", vec![own], 405),
        ("GET", "/metrics", vec![own], 404),
        ("GET", "/../app.js", vec![own], 404),
        ("GET", "/api/decisions/99999999999999999999", vec![own], 404),
        ("GET", "/api/decisions/1", vec![own], 404),
        ("GET", "/api/decisions/-1", vec![own], 404),
    ] {
        assert_eq!(send(method, path, headers.clone()).await, status, "{method} {path} {headers:?}");
    }
}

#[tokio::test]
async fn the_form_takes_a_bounded_body_of_json_with_the_token() {
    let served = Served::of(CONFIGURATION).await;
    let token = served.token().await;
    let (own, json, right) =
        (("host", "localhost:9194"), ("content-type", "application/json"), ("x-modgud-page", token.as_str()));
    let (short, large) = (token.get(1..).unwrap(), format!(r#"{{"method":"{}"}}"#, "x".repeat(70_000)));
    let many =
        format!(r#"{{"method":"GET","path":"/","host":"","headers":[{}["a","b"]]}}"#, r#"["a","b"],"#.repeat(300));
    for (headers, body, status) in [
        (vec![own, json, right], BODY, 200),
        (vec![own, json], BODY, 403),
        (vec![own, json, ("x-modgud-page", "")], BODY, 403),
        (vec![own, json, ("x-modgud-page", short)], BODY, 403),
        (vec![own, json, right, right], BODY, 403),
        (vec![own, json, right, ("origin", "http://evil.example")], BODY, 403),
        (vec![own, ("content-type", "text/plain"), right], BODY, 415),
        (vec![own, ("content-type", "application/x-www-form-urlencoded"), right], BODY, 415),
        (vec![own, json, right], "", 400),
        (vec![own, json, right], r#"{"method":"GET"}"#, 400),
        (vec![own, json, right], &many, 400),
        (vec![own, json, right], &large, 413),
    ] {
        let answer = served.post("/api/explain", &headers, body).await;
        assert_safe(&answer);
        assert_eq!(answer.status, status, "{headers:?} {}", String::from_utf8_lossy(&answer.body));
    }
    // In chunks, so that no length announces what comes.
    let chunk = "x".repeat(70_000);
    let request = format!(
        "POST /api/explain HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-modgud-page: {token}\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    assert_eq!(Exchange::raw(served.page, request.as_bytes()).await.unwrap().status, 413);
}

#[tokio::test]
async fn at_most_so_many_requests_are_explained_in_a_second() {
    let served = Served::of(CONFIGURATION).await;
    let token = served.token().await;
    let headers = [("host", "localhost"), ("content-type", "application/json"), ("x-modgud-page", token.as_str())];
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(served.post("/api/explain", &headers, BODY).await.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
}

#[tokio::test]
async fn one_connection_can_not_ask_for_many_responses_at_once() {
    let served = Served::of(CONFIGURATION).await;
    // The preface of HTTP/2 with prior knowledge (RFC 9113 §3.4) is no request of HTTP/1.1.
    for address in [served.page, served.admin] {
        let answer =
            Exchange::raw(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await;
        assert!(answer.as_ref().is_err() || answer.as_ref().unwrap().status >= 400, "{answer:?}");
    }
    assert_eq!(Exchange::get(served.admin, "/metrics").await.unwrap().status, 200);
}

/// The headers of every response, and none that would let another site read it.
fn assert_safe(answer: &Exchange) {
    let policy = answer.header("content-security-policy").unwrap();
    for rule in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control-")), "{answer:?}");
}

#[tokio::test]
async fn without_the_key_there_is_no_page_and_only_this_machine_reaches_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("modgud.yaml"), text).unwrap();
    write("profile: none\nserver: { admin: { ui: \"0.0.0.0:9194\" } }\n");
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    for text in ["server.admin.ui", "kubectl port-forward", "no login", "[ui-not-local]"] {
        assert!(output.err.contains(text), "{output:?}");
    }
    // The rest of the map has its defaults, and the page is shown.
    write("profile: none\nserver: { admin: { ui: \"127.0.0.1:9194\" } }\n");
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.out.contains("the page on 127.0.0.1:9194") && output.out.contains("metrics on 127.0.0.1:9192"),
        "{output:?}"
    );
    let output = run_in(folder.path(), &[], &["config", "--config", "modgud.yaml"]).await;
    assert!(output.out.contains("listen: \"127.0.0.1:9192\"") && output.out.contains("# default"), "{output:?}");
    write("profile: none\n");
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    assert!(!output.out.contains("the page"), "{output:?}");
}

#[tokio::test]
async fn a_socket_has_the_mode_of_server_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("page.sock");
    let yaml = format!(
        "profile: none\nserver: {{ socket: {{ mode: \"0600\" }}, admin: {{ listen: \"127.0.0.1:0\", ui: \"unix:{}\" }} }}\n",
        socket.display()
    );
    let file = folder.path().join("modgud.yaml");
    std::fs::write(&file, yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command.args(["serve", "--grpc", "127.0.0.1:0", "--config"]).arg(&file).env("KEY", KEY.public_pem().unwrap());
    let mut modgud = Process::start("modgud", command).unwrap();
    modgud.wait_for(PATIENCE, |line| line.contains(r#""message":"serving""#).then_some(())).await.unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("page-token"), "{answer}");
    assert!(serving("no JSON").is_none());
}
