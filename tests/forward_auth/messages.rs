//! Messages and connections: what is no request, what is too large, bodies that are not read, and clients that are slow.

use super::client::{Client, PROXIES, Told};
use super::{CONFIG, credential, sidecar};
use crate::support::Sidecar;
use modgud::forward_auth::Proxy;
use modgud::server::app::Shutdown;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

fn site(proxy: Proxy) -> Vec<u8> {
    Told::new("GET", "/site/a", &[]).bytes(proxy)
}

/// Bytes that are no HTTP/1.1 request: an error without a decision, or a closed connection. Never a 2xx, and modgud goes on.
#[tokio::test]
async fn what_is_no_request_is_not_allowed() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000));
    let malformed: [&[u8]; 24] = [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /site/a\r\n\r\n",
        b"GET  /site/a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /site/a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /site/a HTTP/1.2\r\nHost: a\r\n\r\n",
        b"GET /site/a HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /site/a HTTP/2\r\nHost: a\r\n\r\n",
        b"GET /site/a http/1.1\r\nHost: a\r\n\r\n",
        b"GET \\site\\a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /site/\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /site/<a> HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\n: a\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\nx\0y: b\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\nx: \0\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\rx: b\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /site/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        long.as_bytes(),
    ];
    for proxy in [Proxy::Envoy, Proxy::Nginx] {
        let sidecar = sidecar(proxy).await;
        for bytes in malformed {
            let mut client = Client::connect(sidecar.http()).await;
            client.send(bytes).await;
            if let Some(reply) = client.next(true).await {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
                assert!((400..=431).contains(&reply.status), "{}: {shown:?}: {reply:?}", proxy.name());
            }
        }
        let mut client = Client::connect(sidecar.http()).await;
        assert_eq!(client.ask(&site(proxy)).await.status, 200);
    }
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_headers() {
    let sidecar = sidecar(Proxy::Nginx).await;
    let with = |headers: Vec<(String, String)>| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Told::new("GET", "/site/a", &headers).bytes(Proxy::Nginx)
    };
    let many = |number: usize| (0..number).map(|one| (format!("x-{one}"), "a".to_owned())).collect();
    for (bytes, status) in [
        (with(vec![("cookie".to_owned(), "a".repeat(60_000))]), 200),
        (with(vec![("cookie".to_owned(), "a".repeat(66_000))]), 431),
        (with((0..8).map(|one| (format!("x-{one}"), "a".repeat(10_000))).collect()), 431),
        // A hundred with `Host` and the four of the proxy.
        (with(many(95)), 200),
        (with(many(96)), 431),
        (with(many(5_000)), 431),
    ] {
        let mut client = Client::connect(sidecar.http()).await;
        client.send(&bytes).await;
        // A peer that closes with unread bytes may reset the connection before its response is read.
        match client.next(true).await {
            Some(reply) => assert_eq!(reply.status, status, "{} bytes", bytes.len()),
            None => assert_eq!(status, 431),
        }
    }
}

/// A body is not read: the response comes at once, and the connection ends, so that no byte of the body is taken for a request.
#[tokio::test]
async fn a_body_is_not_read_and_ends_its_connection() {
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        for (header, body) in [
            ("Content-Length: 100000000", &b""[..]),
            ("Content-Length: 5", b"hello"),
            ("Transfer-Encoding: chunked", b""),
            ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
            ("Expect: 100-continue\r\nContent-Length: 5", b""),
        ] {
            let mut client = Client::connect(sidecar.http()).await;
            let head = site(proxy);
            let head = head.strip_suffix(b"\r\n").unwrap();
            let smuggled = site(proxy);
            let reply = client.ask(&[head, header.as_bytes(), b"\r\n\r\n", body, &smuggled].concat()).await;
            assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{}: {header}", proxy.name());
            assert!(client.is_closed().await, "{}: {header}", proxy.name());
        }
        let mut client = Client::connect(sidecar.http()).await;
        let head = site(proxy);
        let empty = [head.strip_suffix(b"\r\n").unwrap(), b"Content-Length: 0\r\n\r\n"].concat();
        for _ in 0..2 {
            let reply = client.ask(&empty).await;
            assert_eq!((reply.status, reply.header("connection")), (200, None), "{}", proxy.name());
        }
    }
}

#[tokio::test]
async fn a_connection_carries_many_requests_in_order() {
    let credential = credential();
    let cases = [("/site/a", 200), ("/closed", 401), ("/crm/", 401)];
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        // One after the other, and then all at once.
        for (target, status) in cases.iter().cycle().take(9) {
            let reply = client.ask(&Told::new("GET", target, &[]).bytes(proxy)).await;
            assert_eq!(reply.status, if *target == "/closed" { 403 } else { *status }, "{}: {target}", proxy.name());
        }
        let allowed = Told::new("GET", "/crm/", &[("Authorization", &credential)]).bytes(proxy);
        let denied = Told::new("GET", "/crm/", &[]).bytes(proxy);
        let all: Vec<u8> = (0..50).flat_map(|_| [allowed.clone(), denied.clone()].concat()).collect();
        client.send(&all).await;
        for number in 0..100 {
            let expected = if number % 2 == 0 { 200 } else { 401 };
            assert_eq!(client.next(true).await.unwrap().status, expected, "{}: {number}", proxy.name());
        }
    }
}

#[tokio::test]
async fn http_1_0_and_connection_close_end_the_connection() {
    let sidecar = sidecar(Proxy::Nginx).await;
    let old = String::from_utf8(site(Proxy::Nginx)).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let last = String::from_utf8(site(Proxy::Nginx)).unwrap().replacen("\r\n", "\r\nConnection: close\r\n", 1);
    for bytes in [old, last] {
        let mut client = Client::connect(sidecar.http()).await;
        assert_eq!(client.ask(bytes.as_bytes()).await.status, 200, "{bytes}");
        assert!(client.is_closed().await, "{bytes}");
    }
}

#[tokio::test]
async fn a_response_to_head_has_no_body() {
    let sidecar = sidecar(Proxy::Envoy).await;
    let mut client = Client::connect(sidecar.http()).await;
    for (target, status) in [("/site/a", 200), ("/crm/", 401), ("/site/a", 200)] {
        client.send(&Told::new("HEAD", target, &[]).bytes(Proxy::Envoy)).await;
        assert_eq!(client.next(false).await.unwrap().status, status);
    }
}

/// A head in pieces is one request, wherever it is cut.
#[tokio::test]
async fn a_head_may_arrive_in_pieces() {
    let sidecar = sidecar(Proxy::Caddy).await;
    let mut client = Client::connect(sidecar.http()).await;
    let bytes = site(Proxy::Caddy);
    for size in [1, 7, 64] {
        for piece in bytes.chunks(size) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.next(true).await.unwrap().status, 200);
    }
}

/// A client that begins a head and does not end it is closed after its time, and one that sends nothing, too. One that is idle between
/// requests is not.
#[tokio::test]
async fn a_slow_head_ends_its_connection_and_an_idle_one_does_not() {
    let sidecar = sidecar(Proxy::Nginx).await;
    let mut silent = Client::connect(sidecar.http()).await;
    let mut begun = Client::connect(sidecar.http()).await;
    begun.send(b"GET / HTTP/1.1\r\nHost: a\r\n").await;
    let mut second = Client::connect(sidecar.http()).await;
    assert_eq!(second.ask(&site(Proxy::Nginx)).await.status, 200);
    second.send(b"GET / HT").await;
    let mut idle = Client::connect(sidecar.http()).await;
    assert_eq!(idle.ask(&site(Proxy::Nginx)).await.status, 200);
    assert!(silent.is_closed().await && begun.is_closed().await && second.is_closed().await);
    assert_eq!(idle.ask(&site(Proxy::Nginx)).await.status, 200);
}

/// Connections that only wait can't keep the proxy out.
#[tokio::test]
async fn waiting_connections_give_their_slot_to_the_proxy() {
    let yaml = CONFIG.replace("deadline: 10s", "deadline: 10s, max_connections: 16");
    let sidecar = Sidecar::for_proxy(&yaml, &BTreeMap::new(), Proxy::Nginx).await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(TcpStream::connect(sidecar.http()).await.unwrap());
    }
    let mut clients = JoinSet::new();
    let address = sidecar.http();
    for _ in 0..8 {
        clients.spawn(async move { Client::connect(address).await.ask(&site(Proxy::Nginx)).await.status });
    }
    let all = timeout(Duration::from_secs(50), clients.join_all()).await.unwrap();
    assert_eq!(all, [200; 8]);
}

#[tokio::test]
async fn a_drain_answers_what_comes_and_tells_the_proxy_to_connect_anew() {
    let sidecar = sidecar(Proxy::Nginx).await;
    let mut used = Client::connect(sidecar.http()).await;
    assert_eq!(used.ask(&site(Proxy::Nginx)).await.header("connection"), None);
    let mut fresh = Client::connect(sidecar.http()).await;
    sidecar.leave(Shutdown::Graceful).await;
    // It begins at some time from now on; until then the connection stays.
    let closing = async {
        loop {
            let reply = used.ask(&site(Proxy::Nginx)).await;
            assert_eq!(reply.status, 200);
            if reply.header("connection") == Some("close") {
                return;
            }
        }
    };
    timeout(super::client::PATIENCE, closing).await.unwrap();
    assert!(used.is_closed().await);
    assert_eq!(fresh.ask(&site(Proxy::Nginx)).await.header("connection"), Some("close"));
    assert_eq!(Client::connect(sidecar.http()).await.ask(&site(Proxy::Nginx)).await.status, 200);
}

/// A proxy that goes on asking until nothing listens any more: each request on a connection that was made is answered.
#[tokio::test]
async fn no_request_is_lost_in_a_drain() {
    let yaml = CONFIG.replace("deadline: 10s", "deadline: 10s, drain: 1s");
    let sidecar = Sidecar::for_proxy(&yaml, &BTreeMap::new(), Proxy::Nginx).await;
    let address = sidecar.http();
    let asking = |_| async move {
        let mut answered = 0;
        // Ends once nothing listens any more.
        while let Ok(stream) = TcpStream::connect(address).await {
            let mut client = Client::over(stream);
            loop {
                client.send(&site(Proxy::Nginx)).await;
                let Some(reply) = client.next(true).await else { return (answered, false) };
                assert_eq!(reply.status, 200);
                answered += 1;
                if reply.header("connection") == Some("close") {
                    break;
                }
            }
        }
        (answered, true)
    };
    let proxies: JoinSet<(usize, bool)> = (0..4).map(asking).collect();
    sidecar.stop(Shutdown::Graceful).await;
    for (answered, none_lost) in timeout(super::client::PATIENCE, proxies.join_all()).await.unwrap() {
        assert!(answered > 0 && none_lost, "{answered} answered, none lost: {none_lost}");
    }
}

/// A slow authorization server holds a check to its deadline: the proxy gets 503, and other requests of its connections go on.
#[tokio::test]
async fn a_check_ends_at_its_deadline() {
    // Accepts connections and never answers.
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let yaml = format!(
        "
profile: none
server: {{ deadline: 300ms, max_in_flight: 2 }}
fallback: authenticated
authenticators:
  - name: opaque
    from: [{{ header: authorization, schemes: [Bearer] }}]
    introspection: {{ url: 'http://{}/introspect', client_id: a, client_secret: {{ value: b }} }}
",
        server.local_addr().unwrap()
    );
    let sidecar = Sidecar::for_proxy(&yaml, &BTreeMap::new(), Proxy::Caddy).await;
    let address = sidecar.http();
    let asking = |number: usize| async move {
        let token = format!("Bearer token-{number}");
        let told = Told::new("GET", "/", &[("Authorization", &token)]).bytes(Proxy::Caddy);
        Client::connect(address).await.ask(&told).await.status
    };
    let all: JoinSet<u16> = (0..6).map(asking).collect();
    assert_eq!(timeout(super::client::PATIENCE, all.join_all()).await.unwrap(), [503; 6]);
    let admin = modgud_testbed::http::Exchange::get(sidecar.addresses.admin, "/metrics").await.unwrap();
    let text = String::from_utf8(admin.body).unwrap();
    assert!(text.contains("reason=\"overloaded\""), "the limit of checks under way holds too:\n{text}");
}

/// The listener has its own connections in the metrics.
#[tokio::test]
async fn connections_are_counted_for_the_listener() {
    let sidecar = sidecar(Proxy::Nginx).await;
    let mut client = Client::connect(sidecar.http()).await;
    assert_eq!(client.ask(&site(Proxy::Nginx)).await.status, 200);
    let mut malformed = Client::connect(sidecar.http()).await;
    assert_eq!(malformed.ask(b"GET / HTTP/1.1\r\nbad header\r\n\r\n").await.status, 400);
    assert!(malformed.is_closed().await);
    let counted = async {
        loop {
            let admin = modgud_testbed::http::Exchange::get(sidecar.addresses.admin, "/metrics").await.unwrap();
            let text = String::from_utf8(admin.body).unwrap();
            let has = |line: &str| text.contains(line);
            if has("modgud_connections{listener=\"http\"} 1\n")
                && has("modgud_connections_closed_total{listener=\"http\",reason=\"malformed\"} 1\n")
            {
                return;
            }
        }
    };
    timeout(super::client::PATIENCE, counted).await.unwrap();
}
