//! What else clients may try with `upgrade`: other protocols, requests hidden behind a handshake, CONNECT. None of it reaches a service
//! undecided.

use super::super::PATIENCE;
use super::gateway;
use super::service::{Behavior, OK, Service, Transport};
use h2::ext::Protocol;
use modgud_testbed::http::Exchange;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const REFUSED: &str = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n";
const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A gateway before a service that answers so, and closes what is below `closed`.
async fn start(behavior: Behavior) -> (modgud_testbed::Testbed, Service, String) {
    let service = Service::start(Transport::Plain, behavior).await;
    let at = service.address;
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: chat, prefix: /chat, upstream: '{at}', upgrades: [websocket], access: [{{ organization: any, allow: [read] }}] }}
  - {{ name: plain, prefix: /plain, upstream: '{at}' }}
core: {{ upstream: '{at}', reserved: [user], upgrades: [websocket] }}
rules:
  - {{ name: open, match: {{ paths: ['/chat/open'] }}, access: public }}
  - {{ name: closed, match: {{ paths: ['/chat/closed'] }}, access: denied }}
"
    );
    let (testbed, token) = gateway(configuration).await;
    (testbed, service, token)
}

/// The head of the answer to these bytes; empty if the connection ends without one.
async fn raw(gateway: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let head = async {
        while !answer.ends_with(b"\r\n\r\n") && matches!(stream.read_u8().await.map(|byte| answer.push(byte)), Ok(())) {
        }
    };
    timeout(PATIENCE, head).await.expect("an answer, or the end");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn no_other_protocol_reaches_a_service() {
    let (testbed, service, token) = start(Behavior::Answer(OK)).await;
    for path in ["/chat/a", "/plain/a"] {
        for (upgrade, status) in [
            ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 200),
            ("Connection: upgrade, http2-settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 200),
            ("Connection: HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 200),
            ("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 200),
            ("Connection: Upgrade\r\nUpgrade: h2c", 200),
            ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 403),
            ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 403),
            ("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 403),
            ("Connection: Upgrade\r\nUpgrade: TLS/1.0", 403),
            ("Connection: Upgrade\r\nUpgrade: websocket/13", 403),
            ("Connection: Upgrade\r\nUpgrade: connect-udp", 404),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\n{upgrade}\r\n\r\n");
            let answer = raw(testbed.gateway, &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {upgrade}: {answer}");
        }
    }
    let text = service.text();
    // A lone `http2-settings` asks for nothing (RFC 7540 §3.2.1), and stays.
    for word in ["h2c", "tls/1", "upgrade", "udp"] {
        assert!(!text.contains(word), "{word}:\n{text}");
    }
    testbed.stop().await;
}

/// A proxy that takes every answer for a handshake would hand on what follows it: a request without a decision.
#[tokio::test]
async fn no_request_hides_behind_a_handshake() {
    for (answer, status) in [(REFUSED, "426"), (OK, "200")] {
        let (testbed, service, token) = start(Behavior::Answer(answer)).await;
        let hidden = "GET /closed HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
        for version in
            [WEBSOCKET.to_owned(), WEBSOCKET.replace("13", "777"), WEBSOCKET.replace("Sec-WebSocket-Key", "X-Key")]
        {
            let head = format!("GET /chat/a HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\n{version}");
            let mut stream = TcpStream::connect(testbed.gateway).await.unwrap();
            // At once, and after the answer.
            stream.write_all(format!("{head}\r\n{hidden}").as_bytes()).await.unwrap();
            let mut text = Vec::new();
            let mut buffer = [0; 4_096];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                text.extend(&buffer[..read]);
                if read == 0 || stream.write_all(hidden.as_bytes()).await.is_err() {
                    break;
                }
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let of_the_service = format!("HTTP/1.1 {status} ");
            assert!(text.starts_with(&of_the_service), "{version}: {text}");
            // Another answer is modgud's or Envoy's.
            assert_eq!(text.matches(&of_the_service).count(), 1, "{version}: {text}");
        }
        let seen = service.text();
        assert!(seen.contains("get /a http/1.1") && !seen.contains("/closed"), "{seen}");
        testbed.stop().await;
    }
}

#[tokio::test]
async fn rules_see_the_method_of_a_handshake() {
    let (testbed, service, token) = start(Behavior::Answer(REFUSED)).await;
    for (method, path, status) in [
        ("GET", "/chat/a", 426),
        ("GET", "/chat/closed", 403),
        ("POST", "/chat/a", 403),
        ("DELETE", "/chat/a", 403),
        ("CONNECT", "/chat/a", 400),
        ("CONNECT", "chat:80", 404),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\n{WEBSOCKET}\r\n");
        let answer = raw(testbed.gateway, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
    }
    assert_eq!(service.requests(), 1);
    testbed.stop().await;
}

/// A service that answers before it has read the announced body takes the next request for that body.
#[tokio::test]
async fn no_request_becomes_the_body_of_a_handshake() {
    let (testbed, service, token) = start(Behavior::Early(REFUSED)).await;
    let head = format!("GET /chat/a HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\n{WEBSOCKET}");
    let hidden = "GET /closed HTTP/1.1\r\n\r\n";
    for body in [
        format!("Content-Length: 24\r\n\r\n{hidden}"),
        "Content-Length: 24\r\n\r\n".to_owned(),
        format!("Content-Length: 0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\n\r\n18\r\n{hidden}\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\n\r\n{hidden}"),
    ] {
        let answer = raw(testbed.gateway, &format!("{head}{body}")).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{body}: {answer}");
    }
    assert_eq!(service.requests(), 5);
    for connection in service.connections() {
        let text = String::from_utf8_lossy(&connection.bytes);
        assert!(text.ends_with("\r\n\r\n") && text.matches(" HTTP/1.1").count() == 1, "{text}");
    }
    testbed.stop().await;
}

/// A proxy removes the headers that `connection` names (RFC 9110 §7.6.1), and Envoy passes the value of a handshake on to the next one.
#[tokio::test]
async fn no_handshake_names_headers_that_the_next_proxy_removes() {
    let (testbed, service, token) = start(Behavior::Answer(REFUSED)).await;
    let handshake = WEBSOCKET.replace("Connection: Upgrade\r\n", "");
    for path in ["/chat/a", "/user/a", "/chat/open"] {
        for (connection, status) in [
            ("Upgrade", 426),
            ("keep-alive, Upgrade", 426),
            ("Upgrade, x-core-user-uuid, authorization", 400),
            ("x-organization-uuid,upgrade", 400),
            ("Upgrade\r\nConnection: x-core-user-uuid", 400),
            ("Upgrade, x-core-user-uuid;", 400),
        ] {
            let head =
                format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\nConnection: {connection}\r\n");
            let answer = raw(testbed.gateway, &format!("{head}{handshake}\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {connection}: {answer}");
        }
        // In other requests Envoy removes the header, and nothing of ours.
        let head = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{token}\r\n");
        let answer = raw(testbed.gateway, &format!("{head}Connection: x-core-user-uuid\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{path}: {answer}");
    }
    let text = service.text();
    assert_eq!(service.requests(), 9);
    let count = |line: &str| text.lines().filter(|other| *other == line).count();
    assert_eq!([count("connection: upgrade"), count("connection: keep-alive, upgrade")], [3, 3]);
    assert_eq!(text.matches("connection:").count(), 6, "{text}");
    assert_eq!(text.matches("\r\nx-core-user-uuid: fd76ce0c").count(), 6, "{text}");
    testbed.stop().await;
}

/// On HTTP/2 there is no handshake but by extended CONNECT (RFC 8441), which this Envoy does not offer. Browsers then open a WebSocket on
/// HTTP/1.1.
#[tokio::test]
async fn extended_connect_is_not_offered() {
    let (testbed, service, token) = start(Behavior::Answer(OK)).await;
    let (_, value) = token.split_once(": ").unwrap();
    let stream = TcpStream::connect(testbed.gateway).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = |method: &str| {
        http::Request::builder().method(method).uri("http://api.example.com/chat/a").header("authorization", value)
    };
    let (answer, _) = client.send_request(request("GET").body(()).unwrap(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert!(!client.is_extended_connect_protocol_enabled());
    let mut extended = request("CONNECT").header("sec-websocket-version", "13").body(()).unwrap();
    extended.extensions_mut().insert(Protocol::from_static("websocket"));
    let (answer, _stream) = client.send_request(extended, false).unwrap();
    let refused = answer.await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(service.requests(), 1);
    connection.abort();
    // Headers of HTTP/1.1 don't do it either.
    let status = Exchange::get(testbed.envoy_admin, "/stats?filter=downstream_cx_upgrades_total").await.unwrap();
    assert!(String::from_utf8_lossy(&status.body).contains("downstream_cx_upgrades_total: 0"));
    testbed.stop().await;
}
