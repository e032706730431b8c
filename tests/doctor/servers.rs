//! Servers that hang, or answer with something else or without end. Each ends in bounded time, with a finding.

use super::{Examined, doctor_at};
use crate::cli::process::{Serving, run};
use crate::support::KEY;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a server does with a request for a path.
enum Act {
    /// Sends these bytes, and closes the connection.
    Send(Vec<u8>),
    /// Sends these bytes again and again.
    Flood(Vec<u8>, Vec<u8>),
    /// Sends nothing more.
    Hang(Vec<u8>),
}

/// A name, the responses, the exit code, and a finding with what was seen.
type Row = (&'static str, fn(&str) -> Act, i32, &'static str, &'static str);

fn ok(body: &str) -> Act {
    Act::Send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

async fn server(act: fn(&str) -> Act) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let head = String::from_utf8_lossy(&read).into_owned();
                // The client may have closed the connection.
                match act(head.split(' ').nth(1).unwrap()) {
                    Act::Send(bytes) => drop(stream.write_all(&bytes).await),
                    Act::Flood(head, bytes) => {
                        let _ = stream.write_all(&head).await;
                        while stream.write_all(&bytes).await.is_ok() {}
                    }
                    Act::Hang(bytes) => {
                        let _ = stream.write_all(&bytes).await;
                        std::future::pending::<()>().await;
                    }
                }
            });
        }
    });
    address
}

const FLOOD: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

/// Passes as Envoy, except for the paths that a test replaces.
fn envoy(path: &str) -> Act {
    match path {
        "/server_info" => ok(r#"{"version": "0/1.40.0/Clean", "state": "LIVE"}"#),
        "/config_dump" => ok(r#"{"configs": []}"#),
        _ => ok(
            "http.gateway.ext_authz.ok: 1\ncluster.modgud.membership_healthy: 1\ncluster.modgud.membership_total: 1\n",
        ),
    }
}

#[tokio::test]
async fn an_envoy_that_hangs_or_lies_leaves_its_part_unexamined() {
    let folder = TempDir::new().unwrap();
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &[]).await;
    let (admin, grpc) = (serving.admin.to_string(), serving.grpc.to_string());
    let rows: [Row; 9] = [
        ("hangs", |_| Act::Hang(Vec::new()), 4, "not-examined", "/server_info: no complete response within 5 s"),
        (
            "a head without a body",
            |_| Act::Hang(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec()),
            4,
            "not-examined",
            "within 5 s",
        ),
        ("endless", |_| Act::Flood(FLOOD.to_vec(), vec![b' '; 65_536]), 4, "not-examined", "larger than 1024 KiB"),
        (
            "an endless head",
            |_| Act::Flood(b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'a'; 65_536]),
            1,
            "not-envoy",
            "larger than 16 KiB",
        ),
        ("no HTTP", |_| Act::Send(b"220 ready\r\n".to_vec()), 1, "not-envoy", "not HTTP/1.1"),
        ("not Envoy", |_| ok("<html>\u{1b}[2J\u{202e}"), 1, "not-envoy", "status 200, `<html>\u{fffd}[2J\u{fffd}`"),
        (
            "an endless dump",
            |path| if path == "/config_dump" { Act::Flood(FLOOD.to_vec(), vec![b' '; 65_536]) } else { envoy(path) },
            4,
            "not-examined",
            "`/config_dump`: the response is larger than 65536 KiB",
        ),
        (
            "a dump that is not JSON",
            |path| if path == "/config_dump" { ok("\u{1b}[2J: [") } else { envoy(path) },
            4,
            "not-examined",
            "config_dump:1:",
        ),
        (
            "endless statistics",
            |path| {
                if path.starts_with("/stats") { Act::Flood(FLOOD.to_vec(), vec![b'a'; 65_536]) } else { envoy(path) }
            },
            4,
            "not-examined",
            "/stats: the response is larger than 8192 KiB",
        ),
    ];
    for (what, act, code, finding, seen) in rows {
        let address = server(act).await;
        let started = Instant::now();
        let examined = doctor_at(&admin, &grpc, &["--envoy-admin", &address]).await;
        assert!(started.elapsed() < Duration::from_secs(30), "{what}: {:?}", started.elapsed());
        assert_eq!(examined.code, Some(code), "{what}: {}", examined.text);
        assert!(examined.seen(finding).contains(seen), "{what}: {}", examined.text);
        assert!(!examined.text.contains(['\u{1b}', '\u{202e}']), "{what}: {}", examined.text);
        // What else there is was examined.
        examined.seen("probe");
    }
    serving.end(Signal::INT).await;
}

async fn at(act: fn(&str) -> Act) -> Examined {
    let address = server(act).await;
    doctor_at(&address, &address, &[]).await
}

#[tokio::test]
async fn another_server_than_modgud_is_recognized() {
    at(|_| ok("<html>")).await.expect(1, &["not-modgud", "grpc-unreachable", "probe-failed"], &[], &[]);
    at(|_| Act::Hang(Vec::new())).await.expect(
        1,
        &["modgud-unreachable", "grpc-unreachable", "probe-failed"],
        &[],
        &[],
    );
    let examined = at(|path| match path {
        "/version" => ok("modgud 9.9.9\u{1b}[2J\n"),
        "/readyz" => ok("ready\n"),
        _ => Act::Flood(FLOOD.to_vec(), vec![b'a'; 65_536]),
    })
    .await;
    assert!(
        examined.seen("not-examined").contains("/metrics: the response is larger than 16384 KiB"),
        "{}",
        examined.text
    );
    assert!(examined.seen("version-differs").contains("9.9.9\u{fffd}[2J"), "{}", examined.text);
    let gone = super::free().to_string();
    let examined = doctor_at(&gone, &gone, &["--envoy-admin", &gone]).await;
    examined.expect(1, &["modgud-unreachable", "grpc-unreachable", "envoy-unreachable"], &[], &[]);
}

#[tokio::test]
async fn counters_that_rise_between_the_readings_are_problems() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static READ: AtomicU64 = AtomicU64::new(0);
    let address = server(|path| match path {
        "/version" => ok(concat!("modgud ", env!("CARGO_PKG_VERSION"), "\n")),
        "/readyz" => Act::Send(b"HTTP/1.1 503 X\r\ncontent-length: 20\r\n\r\nnot ready: draining\n".to_vec()),
        "/metrics" => {
            let number = READ.fetch_add(1, Ordering::Relaxed);
            let busy = 7 + number;
            ok(&format!(
                "# TYPE a counter\nmodgud_checks_total{{decision=\"unavailable\",reason=\"overloaded\",rule=\"\",authenticator=\"\"}} {busy}\n\
                 modgud_checks_in_flight 90\nmodgud_checks_in_flight_limit 100\nmodgud_log_lines_dropped_total 3\n\
                 modgud_connections_closed_total{{listener=\"grpc\",reason=\"room\"}} {busy}\nmodgud_config_reload_last_success 1\n\
                 modgud_config_hash 5\nmodgud_config_warnings 2\nmodgud_revocations_reload_failures_total 1\n\
                 modgud_certificate_expiry_timestamp_seconds{{path=\"server.tls.cert\"}} 1000\nprocess_open_fds 90\nprocess_max_fds 100\n\
                 process_start_time_seconds {busy}\n"
            ))
        }
        // gRPC, which begins with `PRI *`.
        _ => ok(""),
    })
    .await;
    let examined = doctor_at(&address, &address, &[]).await;
    examined.expect(
        1,
        &["certificate-expired", "grpc-unreachable", "not-ready", "probe-failed", "unavailable-rising"],
        &[
            "configuration-warning",
            "connections-closed",
            "files-nearly-out",
            "log-lines-lost",
            "nearly-full",
            "restarted",
            "revocations-rejected",
        ],
        &["clock-unknown"],
    );
    assert!(examined.seen("unavailable-rising").ends_with(": 503: overloaded 8 (+1)"), "{}", examined.text);
}

#[tokio::test]
async fn wrong_options_are_a_wrong_command_line() {
    for (option, value) in [
        ("--interval", "6m"),
        ("--path", "crm"),
        ("--admin", "9192"),
        ("--envoy-admin", "https://a:1"),
        ("--grpc", "a"),
    ] {
        let output = run(&["doctor", option, value]).await;
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{option} {value}: {}", output.err);
    }
}
