//! The headers in which a proxy describes a request: required, once, and of no other proxy.

use super::client::{Client, PROXIES, Told};
use super::{credential, sidecar};
use modgud::forward_auth::Proxy;

/// The headers of each proxy, with the values that describe `GET /site/a`.
fn own(proxy: Proxy) -> Vec<(&'static str, &'static str)> {
    let names = match proxy {
        Proxy::Envoy => return Vec::new(),
        Proxy::Nginx | Proxy::Haproxy => ["X-Original-Method", "X-Original-URI", "X-Original-Host"],
        Proxy::Traefik | Proxy::Caddy => ["X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host"],
    };
    let [method, target, host] = names;
    vec![(method, "GET"), (target, "/site/a"), (host, "api.example.com"), ("X-Forwarded-Proto", "https")]
}

fn message(headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET / HTTP/1.1\r\nHost: modgud\r\n{lines}\r\n").into_bytes()
}

fn is_bad_request(status: u16, real: Option<&str>, proxy: Proxy) -> bool {
    if proxy == Proxy::Nginx { (status, real) == (403, Some("400")) } else { status == 400 }
}

#[tokio::test]
async fn each_header_of_the_proxy_is_required_once_and_in_its_own_spelling() {
    for proxy in PROXIES.into_iter().filter(|proxy| *proxy != Proxy::Envoy) {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        let good = own(proxy);
        assert_eq!(client.ask(&message(&good)).await.status, 200, "{}", proxy.name());
        for number in 0..good.len() {
            let (name, value) = good[number];
            let without: Vec<_> = good.iter().copied().filter(|(other, _)| *other != name).collect();
            let with = |more: &[(&'static str, &'static str)]| [without.as_slice(), more].concat();
            let folded: &'static str = name.replace('-', "_").leak();
            let dotted: &'static str = name.replacen('-', ".", 1).leak();
            for (what, headers) in [
                ("missing", without.clone()),
                ("empty", with(&[(name, "")])),
                ("blank", with(&[(name, " \t ")])),
                ("twice", with(&[(name, value), (name, value)])),
                ("twice, one empty", with(&[(name, ""), (name, value)])),
                ("in another spelling", with(&[(folded, value)])),
                ("beside another spelling", with(&[(name, value), (folded, "/closed")])),
                ("behind another spelling", with(&[(dotted, "/closed"), (name, value)])),
            ] {
                let reply = client.ask(&message(&headers)).await;
                let is_bad = is_bad_request(reply.status, reply.header("x-modgud-status"), proxy);
                assert!(is_bad, "{}: {name} {what}: {reply:?}", proxy.name());
            }
        }
        // No header at all, as a probe sends it.
        let reply = client.ask(b"GET / HTTP/1.1\r\nHost: modgud\r\n\r\n").await;
        assert!(is_bad_request(reply.status, reply.header("x-modgud-status"), proxy), "{reply:?}");
    }
}

/// A client behind a proxy that hands its headers on claims to be another kind of proxy.
#[tokio::test]
async fn a_header_of_another_proxy_is_a_bad_request() {
    const CLAIMS: [&str; 9] = [
        "X-Forwarded-Method",
        "X-Forwarded-Uri",
        "x_forwarded_uri",
        "X-Original-Method",
        "X-Original-URI",
        "X.Original.URI",
        "X-Original-URL",
        "x_original_url",
        "X-Original-Host",
    ];
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for claim in CLAIMS {
            for value in ["/site/a", "", "GET"] {
                // Own headers are repeated then, which is the other test's.
                let bytes = Told::new("GET", "/closed", &[(claim, value)]).bytes(proxy);
                let reply = client.ask(&bytes).await;
                let is_bad = is_bad_request(reply.status, reply.header("x-modgud-status"), proxy);
                assert!(is_bad, "{}: {claim}: {value}: {reply:?}", proxy.name());
            }
        }
        let reply = client.ask(&Told::new("GET", "/site/a", &[]).bytes(proxy)).await;
        assert_eq!(reply.status, 200, "{}", proxy.name());
    }
}

/// The request is the described one, whatever the request line of the proxy says.
#[tokio::test]
async fn the_request_line_of_the_proxy_is_nothing_to_decide_on() {
    for proxy in PROXIES.into_iter().filter(|proxy| *proxy != Proxy::Envoy) {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (line, target, status) in [
            ("GET /site/a HTTP/1.1", "/closed", 403),
            ("DELETE /closed HTTP/1.1", "/site/a", 200),
            ("POST http://other.example/closed?x HTTP/1.1", "/site/a", 200),
            ("OPTIONS * HTTP/1.1", "/site/a", 200),
            ("GET /a#b HTTP/1.1", "/site/a", 400),
        ] {
            let bytes = Told::new("GET", target, &[]).bytes(proxy);
            let rest = bytes.strip_prefix(b"GET /auth HTTP/1.1").unwrap();
            let reply = client.ask(&[line.as_bytes(), rest].concat()).await;
            assert_eq!(reply.status, status, "{}: {line} about {target}: {reply:?}", proxy.name());
        }
    }
}

/// Paths and methods are read as strictly as those of gRPC; the tables in `data/decisions` have many more.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_denied() {
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (method, target) in [
            ("GET", "/site/../closed"),
            ("GET", "/site//a"),
            ("GET", "//site/a"),
            ("GET", "/site/%2e%2e/closed"),
            ("GET", "/site/a%2fb"),
            ("GET", "/site/a;b"),
            ("GET", "/site/a#b"),
            ("GET", "/site/a?x#b"),
            ("GET", "http://api.example.com/site/a"),
            ("GET", "api.example.com:443"),
            ("OPTIONS", "*"),
            ("get", "/site/a"),
            ("G(T", "/site/a"),
            ("GET,POST", "/site/a"),
            ("CONNECT", "api.example.com:443"),
        ] {
            let reply = client.ask(&Told::new(method, target, &[]).bytes(proxy)).await;
            let is_bad = is_bad_request(reply.status, reply.header("x-modgud-status"), proxy);
            assert!(is_bad, "{}: {method} {target}: {reply:?}", proxy.name());
            client = Client::connect(sidecar.http()).await;
        }
        for (connection, is_good) in
            [("close, x-core-user-uuid", false), ("X-Original-URI", false), ("keep-alive", true)]
        {
            let reply = client.ask(&Told::new("GET", "/site/a", &[("Connection", connection)]).bytes(proxy)).await;
            let is_bad = is_bad_request(reply.status, reply.header("x-modgud-status"), proxy);
            assert_eq!((reply.status == 200, is_bad), (is_good, !is_good), "{}: {connection}", proxy.name());
            client = Client::connect(sidecar.http()).await;
        }
        for host in ["api.example.com,other.example", "a@b", "a b", "a/b"] {
            let told = Told { host: host.as_bytes(), ..Told::new("GET", "/site/a", &[]) };
            let reply = client.ask(&told.bytes(proxy)).await;
            assert!(
                is_bad_request(reply.status, reply.header("x-modgud-status"), proxy),
                "{}: {host}: {reply:?}",
                proxy.name()
            );
            client = Client::connect(sidecar.http()).await;
        }
    }
}

#[tokio::test]
async fn envoy_repeats_the_request_line_and_names_one_host() {
    let sidecar = sidecar(Proxy::Envoy).await;
    for (message, status) in [
        ("GET /site/a HTTP/1.1\r\nHost: a.example\r\n\r\n", 200),
        ("HEAD /site/a HTTP/1.1\r\nHost: a.example\r\n\r\n", 200),
        ("GET /site/a HTTP/1.1\r\n\r\n", 400),
        ("GET /site/a HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET /site/a HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", 400),
        ("GET /site/a HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400),
    ] {
        let mut client = Client::connect(sidecar.http()).await;
        client.send(message.as_bytes()).await;
        let reply = client.next(!message.starts_with("HEAD")).await.unwrap();
        assert_eq!(reply.status, status, "{message}");
    }
}

/// Headers of the proxy's own message are nothing of the client's, and rules see no header that describes the request.
#[tokio::test]
async fn rules_see_the_headers_of_the_client_only() {
    const CONFIG: &str = "
profile: bifrost
server: { deadline: 10s }
rules:
  - { name: one, match: { paths: ['/one'] }, when:  \"!('x-original-uri' in request.headers) && !('x-forwarded-uri' in request.headers)\" }
  - { name: two, match: { paths: ['/two'] }, when: \"request.headers['x-forwarded-proto'] == 'https' && request.scheme == 'https'\" }
  - { name: three, match: { paths: ['/three'] }, when: \"request.host == 'api.example.com' && request.method == 'PATCH'\" }
";
    let credential = credential();
    for proxy in PROXIES {
        let sidecar = crate::support::Sidecar::for_proxy(CONFIG, &std::collections::BTreeMap::new(), proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (method, target) in [("GET", "/one"), ("GET", "/two"), ("PATCH", "/three")] {
            let reply = client.ask(&Told::new(method, target, &[("Authorization", &credential)]).bytes(proxy)).await;
            assert_eq!(reply.status, 200, "{}: {target}: {}", proxy.name(), String::from_utf8_lossy(&reply.body));
        }
    }
}
