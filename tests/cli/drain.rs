//! `drain` and servers that are not a healthy Envoy. `envoy::drained` has the real one.

use super::process::{Output, run};
use modgud_testbed::Process;
use rustix::process::Signal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};
use tokio::process::Command;

/// What a server sends in response to a request line, the number of requests so far included. `None` at the end leaves the connection
/// open.
type Respond = fn(&str, usize) -> (Vec<u8>, Then);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    Hang,
}

/// The request lines that a server has received.
type Lines = Arc<Mutex<Vec<String>>>;

fn ok(body: &str) -> (Vec<u8>, Then) {
    (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes(), Then::Close)
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, lines: Lines, respond: Respond) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        head.push_str(&line);
        line.clear();
    }
    let first = head.lines().next().unwrap_or_default().to_owned();
    let number = {
        let mut lines = lines.lock().unwrap();
        lines.push(first.clone());
        lines.len()
    };
    let (bytes, then) = respond(&first, number);
    // The other side may be gone.
    let _ = stream.write_all(&bytes).await;
    if then == Then::Hang {
        std::future::pending::<()>().await;
    }
}

/// A server on a free port, until the test ends.
async fn server(respond: Respond) -> (String, Lines) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let lines = Lines::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&seen), respond));
        }
    });
    (address, lines)
}

async fn drain(admin: &str, least: &str, most: &str) -> Output {
    run(&["drain", "--admin", admin, "--at-least", least, "--at-most", most]).await
}

/// Answers like an Envoy with 2 connections, then 1, then none.
fn emptying(line: &str, number: usize) -> (Vec<u8>, Then) {
    if line.starts_with("POST /healthcheck/fail ") {
        return ok("OK\n");
    }
    let open = 4_usize.saturating_sub(number);
    ok(&format!("http.admin.downstream_cx_active: 1\nhttp.gateway.downstream_cx_active: {open}\n"))
}

#[tokio::test]
async fn envoy_is_asked_to_drain_once_and_then_counted_until_no_connection_remains() {
    let (address, lines) = server(emptying).await;
    let output = drain(&format!("http://{address}/"), "0s", "1m").await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output.out.starts_with("drained in ") && output.out.ends_with(" s: 0 connections remain\n"),
        "{}",
        output.out
    );
    assert_eq!(output.err, "modgud: Envoy drains: 2 connections, 0 requests in progress\n");
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines.first().map(String::as_str), Some("POST /healthcheck/fail HTTP/1.1"));
    assert!(lines.iter().skip(1).all(|line| line.starts_with("GET /stats?filter=")), "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[tokio::test]
async fn the_admin_interface_can_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let lines = Lines::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&seen), emptying));
        }
    });
    let output = drain(&format!("unix:{}", path.display()), "0s", "1m").await;
    assert_eq!((output.code, lines.lock().unwrap().len()), (Some(0), 4), "{}", output.err);
    let gone = drain(&format!("unix:{}/none.sock", folder.path().display()), "0s", "1m").await;
    assert_eq!(gone.code, Some(1));
    assert!(gone.err.contains("can't be reached: No such file or directory"), "{}", gone.err);
}

#[tokio::test]
async fn an_envoy_that_is_gone_is_a_failure() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let output = drain(&gone, "1h", "1h").await;
    let expected = format!(
        "modgud: Envoy's admin interface at {gone} can't be reached: Connection refused (os error 111); start Envoy, or use --admin with the address of `admin` in its configuration\n"
    );
    assert_eq!((output.code, output.out, output.err), (Some(1), String::new(), expected));
}

/// Each of these servers is distinguished from Envoy, in bounded time and memory: see `docs/limits.md`.
#[tokio::test]
async fn a_server_that_is_no_envoy_is_a_failure() {
    let rows: [(&str, Respond, &str); 6] = [
        (
            "another service",
            |_, _| (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(), Then::Close),
            "POST /healthcheck/fail as Envoy does: the response has status 404, and 200 is required;",
        ),
        ("no HTTP", |_, _| (b"220 ready\r\n".to_vec(), Then::Close), "the response is not HTTP/1.1,"),
        (
            "a head without an end",
            |_, _| ([b"HTTP/1.1 200 OK\r\na: ".to_vec(), vec![b'a'; 64 * 1024]].concat(), Then::Hang),
            "or its head is larger than 16 KiB;",
        ),
        (
            "a body without an end",
            |_, _| ([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'; 1024 * 1024 + 1]].concat(), Then::Hang),
            "the response is larger than 1024 KiB;",
        ),
        (
            "one that accepts everything",
            |_, _| ok("OK"),
            "Envoy has no statistic `http.gateway.downstream_cx_active`; use --admin with the address of Envoy's admin interface,",
        ),
        (
            "one without statistics",
            |line, _| {
                if line.starts_with("POST") {
                    ok("OK\n")
                } else {
                    (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_vec(), Then::Close)
                }
            },
            "GET /stats as Envoy does: the response has status 403, and 200 is required;",
        ),
    ];
    for (what, respond, says) in rows {
        let (address, _) = server(respond).await;
        let output = drain(&address, "0s", "1m").await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{what}");
        assert!(output.err.contains(says), "{what}: {}", output.err);
    }
}

/// An Envoy that is overloaded or frozen answers late, or closes the connection. The first request has its whole time.
#[tokio::test]
async fn an_envoy_that_does_not_answer_at_first_is_asked_again() {
    let (address, lines) = server(|line, number| match number {
        1 => (Vec::new(), Then::Hang),
        2 => (Vec::new(), Then::Close),
        3 => (b"HTTP/1.1 200 OK\r\nconte".to_vec(), Then::Close),
        later => emptying(line, later - 3),
    })
    .await;
    let output = drain(&address, "0s", "1m").await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(output.out.ends_with(" s: 0 connections remain\n"), "{}", output.out);
    let lines = lines.lock().unwrap().clone();
    let posts = lines.iter().take_while(|line| *line == "POST /healthcheck/fail HTTP/1.1").count();
    assert_eq!((posts, lines.len()), (4, 7), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_failure_after_the_most_time() {
    let rows: [(&str, Respond); 3] = [
        ("a silent one", |_, _| (Vec::new(), Then::Hang)),
        ("one that closes", |_, _| (Vec::new(), Then::Close)),
        ("one that stops in the middle", |_, _| (b"HTTP/1.1 200 OK\r\nconte".to_vec(), Then::Hang)),
    ];
    for (what, respond) in rows {
        let (address, _) = server(respond).await;
        let output = drain(&address, "0s", "1s").await;
        let expected = format!(
            "modgud: Envoy's admin interface at {address} has not answered POST /healthcheck/fail within 1s; see whether Envoy is \
             overloaded, or use --admin with the address of `admin` in its configuration\n"
        );
        assert_eq!((output.code, output.out.as_str(), output.err), (Some(1), "", expected), "{what}");
    }
}

/// A full queue of a Unix socket is no refusal either: the process that listens there is slow.
#[tokio::test]
async fn an_admin_interface_with_a_full_queue_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let socket = UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let _listener = socket.listen(1).unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        queued.push(stream);
    }
    let output = drain(&format!("unix:{}", path.display()), "0s", "1s").await;
    assert_eq!(output.code, Some(1));
    assert!(output.err.contains("has not answered POST /healthcheck/fail within 1s;"), "{}", output.err);
}

#[tokio::test]
async fn an_envoy_that_ends_before_it_answers_is_drained() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    };
    let (output, ()) = tokio::join!(drain(&address, "0s", "1m"), asked);
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(output.out.ends_with(" s: Envoy ended\n"), "{}", output.out);
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command.args(["drain", "--admin", &address, "--at-most", "1h"]).current_dir(&folder);
    let mut process = Process::start("drain", command).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    process.signal(Signal::TERM);
    let said = |line: &str| {
        (line == "modgud: a signal stopped the command before Envoy answered POST /healthcheck/fail").then_some(())
    };
    process.wait_for(Duration::from_secs(60), said).await.unwrap();
    assert_eq!(process.ended().await, Some(1));
}

/// A wrong answer does not end the time in which others may still send clients.
#[tokio::test]
async fn envoy_has_its_least_time_also_if_its_connections_are_unknown() {
    const LEAST: Duration = Duration::from_millis(700);
    let (address, _) = server(|_, _| ok("http.in.downstream_cx_active: 0\n")).await;
    let started = Instant::now();
    let output = drain(&address, "700ms", "1m").await;
    assert!(started.elapsed() >= LEAST, "{:?}", started.elapsed());
    assert_eq!(output.code, Some(1));
    assert!(
        output.err.ends_with("use --stat-prefix with the `stat_prefix` of its listener, here `in`\n"),
        "{}",
        output.err
    );
}

#[tokio::test]
async fn statistics_that_never_come_are_a_failure() {
    let (address, _) =
        server(|line, _| if line.starts_with("POST") { ok("OK\n") } else { (Vec::new(), Then::Hang) }).await;
    let output = drain(&address, "0s", "1s").await;
    let expected =
        "modgud: Envoy's connections can't be counted: no statistics within 1s; see whether Envoy is overloaded\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), "", expected));
}

/// The times are the same, so the last count decides.
#[tokio::test]
async fn the_cause_is_named_also_if_both_times_end_at_once() {
    let rows: [(Respond, &str); 2] = [
        (|_, _| ok("http.in.downstream_cx_active: 0\n"), "here `in`\n"),
        (
            |line, _| {
                if line.starts_with("POST") { ok("OK\n") } else { (b"HTTP/1.1 403 No\r\n\r\n".to_vec(), Then::Close) }
            },
            "does not answer GET /stats as Envoy does: the response has status 403, and 200 is required; use --admin with the address of `admin` in Envoy's configuration\n",
        ),
    ];
    for (respond, says) in rows {
        let (address, _) = server(respond).await;
        let output = drain(&address, "600ms", "600ms").await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""));
        assert!(output.err.ends_with(says), "{}", output.err);
    }
    let (address, _) = server(emptying).await;
    let output = drain(&address, "2s", "2s").await;
    assert_eq!(output.code, Some(0), "{}", output.err);
}

#[tokio::test]
async fn connections_that_remain_are_a_failure_that_says_what_to_do() {
    for (requests, help) in [
        (
            "0",
            "no request is in progress on them. Close idle connections in the clients, or lower `idle_timeout` of Envoy's listener",
        ),
        ("2", "2 requests are in progress on them. Use a longer --at-most"),
    ] {
        let respond: Respond = match requests {
            "0" => |_, _| ok("http.gateway.downstream_cx_active: 1\nhttp.gateway.downstream_rq_active: 0\n"),
            _ => |_, _| ok("http.gateway.downstream_cx_active: 1\nhttp.gateway.downstream_rq_active: 2\n"),
        };
        let (address, _) = server(respond).await;
        let output = drain(&address, "0s", "500ms").await;
        let last = format!("modgud: 1 connection remains after 500ms; {help}\n");
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{}", output.err);
        assert!(output.err.ends_with(&last), "{}", output.err);
    }
}
