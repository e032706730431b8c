//! Limits on connections: silent ones, too many, and a process without descriptors delay no connected client.

use crate::cli::process::Serving;
use crate::decisions::counters::Counters;
use crate::guarantee::frames::{Connection, End, call, call_with_many_headers, check as begun, last};
use crate::support::{Encoding, KEY, check};
use modgud::envoy::proto::AuthorizationClient;
use modgud::server::CHECK_PATH;
use modgud_testbed::http::Exchange;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tonic::transport::Channel;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a client of HTTP/2 begins with (RFC 9113 §3.4), and empty settings (§6.5).
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// As the configuration says.
const MOST: usize = 300;

async fn serve(folder: &TempDir) -> Serving {
    fs::write(
        folder.path().join("modgud.yaml"),
        format!("profile: bifrost\nserver: {{ deadline: 10s, max_connections: {MOST} }}\n"),
    )
    .unwrap();
    Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await
}

async fn client(serving: &Serving) -> AuthorizationClient<Channel> {
    AuthorizationClient::connect(format!("http://{}", serving.grpc)).await.unwrap()
}

async fn is_answered(client: &mut AuthorizationClient<Channel>) {
    client.check(check(Encoding::Raw, "GET", "/docs/", &[])).await.unwrap();
}

fn grpc(serving: &Serving) -> SocketAddr {
    serving.grpc.to_string().parse().unwrap()
}

/// How many descriptors a process has open.
fn descriptors(process: Pid) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap().count()
}

/// How much time of a processor a process has used: fields 14 and 15 of its `stat` (`proc_pid_stat(5)`), in ticks of 10 ms.
fn processor_time(process: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// How much memory a process uses, in bytes: the second field of its `statm` (`proc_pid_statm(5)`), in pages of 4 KiB.
pub(crate) fn memory(process: Pid) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{}/statm", process.as_raw_nonzero())).unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Waits until the server closes a silent connection.
async fn closed(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut heard)).await.unwrap() {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

#[tokio::test]
async fn without_descriptors_who_is_connected_is_served_and_the_processor_rests() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    let id = serving.id();
    let mut connected = client(&serving).await;
    is_answered(&mut connected).await;

    // Room for eight more.
    let limit = u64::try_from(descriptors(id)).unwrap() + 8;
    prlimit(Some(id), Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) }).unwrap();
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(grpc(&serving)).await.unwrap());
    }
    let mut looks = interval(Duration::from_millis(10));
    let full = async {
        while u64::try_from(descriptors(id)).unwrap() < limit {
            looks.tick().await;
        }
    };
    timeout(PATIENCE, full).await.unwrap();

    let (began, before) = (Instant::now(), processor_time(id));
    for _ in 0..10 {
        is_answered(&mut connected).await;
    }
    // Until the first of them has been silent for too long, all is full.
    closed(&mut silent[0]).await;
    let (took, used) = (began.elapsed(), processor_time(id).saturating_sub(before));
    assert!(took > Duration::from_secs(5), "it was not full for long: {took:?}");
    assert!(used < took / 8, "{used:?} of the processor in {took:?}");

    // While they are there, others wait; when they are gone, everybody is served.
    drop(silent);
    let mut fresh = timeout(PATIENCE, client(&serving)).await.unwrap();
    is_answered(&mut fresh).await;
    is_answered(&mut connected).await;
    let output = serving.end(Signal::INT).await;
    let warned = output.out.lines().filter(|line| line.contains("connections can't be accepted")).count();
    assert!((1..=4).contains(&warned), "said {warned} times:\n{}", output.out);
    assert!(output.out.contains("Too many open files"), "{}", output.out);
}

/// As many connections as may be, each of which has carried a check.
async fn all_in_use(serving: &Serving) -> Vec<Connection> {
    let mut open = Vec::new();
    for _ in 0..MOST {
        let mut connection = Connection::open(&serving.grpc).await;
        connection.send(&[begun(1), last(1, &[0; 5])].concat()).await;
        assert!(matches!(connection.end(1).await, End::Answered(_)));
        open.push(connection);
    }
    open
}

#[tokio::test]
async fn no_more_are_open_than_may_be_and_the_next_one_waits() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    let mut open = all_in_use(&serving).await;
    let counters = Counters::at(serving.admin).await;
    assert_eq!(counters.get("modgud_connections{listener=\"grpc\"}"), u64::try_from(MOST).unwrap());
    assert_eq!(counters.get("modgud_connections{listener=\"admin\"}"), 1, "the one that asks");

    let mut next = TcpStream::connect(grpc(&serving)).await.unwrap();
    next.write_all(HELLO).await.unwrap();
    // Of those that are open, each is served still.
    for connection in &mut open {
        connection.ping().await.unwrap();
    }
    assert_eq!(next.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock, "one too many is served");

    open.pop();
    timeout(PATIENCE, next.read_u8()).await.unwrap().unwrap();
    drop(open);
    let mut fresh = client(&serving).await;
    is_answered(&mut fresh).await;
    let output = serving.end(Signal::INT).await;
    assert!(output.out.contains("connection limit reached"), "{}", output.out);
}

/// Whoever can connect could keep Envoy out otherwise, by saying no more than that it is there, or by asking about health.
#[tokio::test]
async fn strangers_without_a_check_give_way() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    // The oldest, and the only one that has made a call: a check.
    let mut connected = Connection::open(&serving.grpc).await;
    connected.send(&[begun(1), last(1, &[0; 5])].concat()).await;
    assert!(matches!(connected.end(1).await, End::Answered(_)));
    let mut strangers = Vec::new();
    for _ in 1..MOST {
        let mut stranger = Connection::open(&serving.grpc).await;
        stranger.send(&[call(1, "/grpc.health.v1.Health/Check"), last(1, &[0; 5])].concat()).await;
        assert!(matches!(stranger.end(1).await, End::Answered(_)));
        strangers.push(stranger);
    }
    // One for each: the oldest strangers, not the one that has made a call.
    for number in 0..3 {
        let began = Instant::now();
        let mut fresh = timeout(PATIENCE, client(&serving)).await.unwrap();
        is_answered(&mut fresh).await;
        assert!(began.elapsed() < Duration::from_secs(8), "waited for a stranger to leave by itself");
        assert!(strangers[number].ping().await.is_err(), "stranger {number} is there");
        // It makes room again only later: as many as may be stay open.
        strangers.push(Connection::open(&serving.grpc).await);
        drop(fresh);
    }
    connected.ping().await.unwrap();
    strangers.last_mut().unwrap().ping().await.unwrap();
    serving.end(Signal::INT).await;
}

/// Probes are answered at once.
#[tokio::test]
async fn idle_connections_do_not_hold_up_a_probe() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(serving.admin).await.unwrap());
    }
    let began = Instant::now();
    let answer = Exchange::get(serving.admin, "/livez").await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(began.elapsed() < Duration::from_secs(8), "waited for others to leave by themselves");
    drop(idle);
    serving.end(Signal::INT).await;
}

/// Those that say nothing, those that begin and don't go on, and those that don't hear the answer: none lasts.
#[tokio::test]
async fn the_admin_listener_closes_slow_connections() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    let mut slow = Vec::new();
    let began = Instant::now();
    for number in 0..64 {
        let mut stream = TcpStream::connect(serving.admin).await.unwrap();
        let output: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /livez HTTP/1.1\r\nHost: a\r\n",
            _ => b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        };
        stream.write_all(output).await.unwrap();
        slow.push(stream);
    }
    // All places are taken: the oldest gives way to this one.
    let mut probe = TcpStream::connect(serving.admin).await.unwrap();
    probe.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, probe.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(8), "waited for others to leave by themselves");
    for stream in &mut slow {
        closed(stream).await;
    }
    let mut connected = client(&serving).await;
    is_answered(&mut connected).await;
    serving.end(Signal::INT).await;
}

/// Three bytes for each KiB of memory: no client may occupy hundreds of megabytes with so few bytes.
#[tokio::test]
async fn headers_of_calls_that_wait_for_their_message_are_not_held() {
    const CALLS: u32 = 1_000;
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    let before = memory(serving.id());
    let mut connections = Vec::new();
    for path in ["/grpc.health.v1.Health/Check", CHECK_PATH] {
        let mut connection = Connection::open(&serving.grpc).await;
        for stream in (1..2 * CALLS).step_by(2) {
            connection.send(&call_with_many_headers(stream, path)).await;
        }
        connection.ping().await.unwrap();
        connections.push(connection);
    }
    let held = memory(serving.id()).saturating_sub(before);
    assert!(held < 64 << 20, "{held} bytes");
}

/// An Envoy whose cluster lacks `http2_protocol_options`, or has a `transport_socket`, got no word before.
#[tokio::test]
async fn http1_and_tls_on_the_grpc_port_are_logged_and_counted() {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder).await;
    for first in [&b"POST /a HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\x05hello"] {
        let mut stream = TcpStream::connect(grpc(&serving)).await.unwrap();
        stream.write_all(first).await.unwrap();
        closed(&mut stream).await;
    }
    is_answered(&mut client(&serving).await).await;
    let counters = Counters::at(serving.admin).await;
    let count =
        |reason| counters.get(&format!("modgud_connections_closed_total{{listener=\"grpc\",reason=\"{reason}\"}}"));
    let counts = ["http1", "tls", "plaintext", "unknown_protocol"].map(count);
    assert_eq!(counts, [2, 1, 0, 0]);
    let output = serving.end(Signal::INT).await;
    let lines = |text: &str| output.out.lines().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let http1 = lines("HTTP/1.1 on the gRPC port, which speaks HTTP/2 only");
    assert!(matches!(http1.as_slice(), [line] if line.contains("http2_protocol_options")), "{}", output.out);
    let tls = lines("TLS on the gRPC port, which has no server.tls");
    assert!(matches!(tls.as_slice(), [line] if line.contains("transport_socket")), "{}", output.out);
}
