//! `upgrades: [websocket]`: a WebSocket through Envoy, to a service that speaks it. modgud decides on the handshake.

use super::super::mtls::tls_client;
use super::super::tokens::{IDENTITY, claims, sign};
use super::super::{PATIENCE, replaced};
use super::{gateway, gateway_of};
use crate::services::authority::{Authority, SERVER};
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use modgud_testbed::Setup;
use rustls::DEFAULT_VERSIONS;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

/// A service that sends back what it gets, and records each handshake.
struct Echo {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    _server: JoinSet<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handshakes = Arc::new(Mutex::new(Vec::new()));
        let (mut server, all) = (JoinSet::new(), handshakes.clone());
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let all = all.clone();
                open.spawn(async move {
                    #[expect(clippy::result_large_err, reason = "the crate's own type")]
                    let record = |request: &Request, mut response: Response| {
                        all.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
                        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
                        }
                        Ok(response)
                    };
                    let Ok(mut socket) = accept_hdr_async(stream, record).await else { return };
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() || message.is_binary() {
                            let _ = socket.send(message).await;
                        }
                    }
                });
            }
        });
        Self { address, handshakes, _server: server }
    }

    fn take(&self) -> Vec<(String, HeaderMap)> {
        std::mem::take(&mut *self.handshakes.lock().unwrap())
    }
}

/// Opens a WebSocket on a connection; an answer that refuses it is its status.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    lines: &[String],
) -> Result<(WebSocketStream<S>, Response), u16> {
    let mut request = format!("ws://api.example.com{path}").into_client_request().unwrap();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match client_async(request, stream).await {
        Ok((socket, response)) => Ok((socket, response.map(drop))),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn connect(gateway: SocketAddr, path: &str, lines: &[String]) -> Result<WebSocketStream<TcpStream>, u16> {
    Ok(open(TcpStream::connect(gateway).await.unwrap(), path, lines).await?.0)
}

/// Sends a message and expects it back.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, message: Message) {
    socket.send(message.clone()).await.unwrap();
    let answer = timeout(PATIENCE, socket.next()).await.expect("the message comes back");
    assert!(answer.unwrap().unwrap() == message);
}

const AUTHENTICATORS: &str = "
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT, Bearer] }, { query: access_token }, { cookie: session }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }], require: [core_user_uuid] }
";

#[tokio::test]
async fn the_handshake_is_decided_and_messages_pass() {
    let service = Echo::start().await;
    let at = service.address;
    let configuration = format!(
        "profile: bifrost
{AUTHENTICATORS}
modules:
  - {{ name: chat, prefix: /chat, upstream: '{at}', upgrades: [websocket], retries: {{}}, access: [{{ organization: any, allow: [read] }}] }}
  - {{ name: without, prefix: /without, upstream: '{at}' }}
core: {{ upstream: '{at}', reserved: [graphql], upgrades: [websocket] }}
rules:
  - {{ name: admin, match: {{ methods: [GET], paths: [/chat/admin] }}, require: {{ roles: [nobody] }} }}
  - {{ name: open, match: {{ paths: [/graphql/open] }}, access: public }}
  - {{ name: site, match: {{ paths: [/chat/site] }}, when: \"request.headers['origin'] == 'https://app.example.com'\" }}
"
    );
    let (testbed, token) = gateway(configuration).await;
    let gateway = testbed.gateway;
    let session = sign(&testbed.key, &claims());
    let cookie = format!("Cookie: session={session}");
    let spoofed = ["x-core-user-uuid: root".to_owned(), "Sec-WebSocket-Protocol: graphql-ws".to_owned()];
    let with = |line: String| [&[line], spoofed.as_slice()].concat();
    for (path, lines, seen) in [
        ("/chat/a/?b=1", with(token.clone()), "/a/?b=1"),
        (&format!("/chat/a/?access_token={session}&b=1"), with("x-a: b".to_owned()), "/a/?b=1"),
        ("/chat", with(cookie.clone()), "/"),
        (
            "/chat/site",
            [&[cookie.clone(), "Origin: https://app.example.com".to_owned()], spoofed.as_slice()].concat(),
            "/site",
        ),
        ("/graphql/a", with(token.clone()), "/graphql/a"),
    ] {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let (mut socket, response) = open(stream, path, &lines).await.unwrap();
        assert_eq!(response.headers().get("sec-websocket-protocol").unwrap(), "graphql-ws");
        echo(&mut socket, Message::text("grüß dich")).await;
        echo(&mut socket, Message::binary(vec![7; 1_000_000])).await;
        let handshakes = service.take();
        let [(uri, headers)] = handshakes.as_slice() else { panic!("{path}: {} handshakes", handshakes.len()) };
        assert_eq!(uri, seen);
        for (name, value) in IDENTITY {
            assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{path}: {name}");
        }
        assert_eq!(headers.get("upgrade").unwrap().as_bytes().to_ascii_lowercase(), b"websocket");
        // The profile forwards the credential, and in its own header only.
        for (name, value) in headers {
            let holds = value.as_bytes().windows(session.len()).any(|part| part == session.as_bytes());
            assert!(!holds || name == "authorization", "{path}: {name}");
        }
        socket.close(None).await.unwrap();
    }
    let mut public = connect(gateway, "/graphql/open", &spoofed).await.unwrap();
    echo(&mut public, Message::text("a")).await;
    let handshakes = service.take();
    assert!(handshakes[0].1.get("x-core-user-uuid").is_none(), "{:?}", handshakes[0]);

    for (path, lines, status) in [
        ("/chat/a", vec![], 401),
        ("/chat/a", vec!["Authorization: JWT a.b.c".to_owned()], 401),
        ("/chat/admin", vec![token.clone()], 403),
        ("/graphql/a", vec![], 401),
        ("/chat/site", vec![cookie.clone(), "Origin: https://evil.example".to_owned()], 403),
        ("/chat/site", vec![cookie.clone()], 403),
        // Not for modules that do not ask for it, with a token or without.
        ("/without/a", vec![token.clone()], 403),
        ("/without/a", vec![], 403),
        ("/nowhere", vec![token.clone()], 404),
    ] {
        let refused = connect(gateway, path, &lines).await.err();
        assert_eq!(refused, Some(status), "{path} with {} lines", lines.len());
    }
    assert!(service.take().is_empty());
    testbed.stop().await;
}

#[tokio::test]
async fn a_websocket_outlives_timeouts_while_messages_pass() {
    const LIMIT: Duration = Duration::from_secs(1);
    let service = Echo::start().await;
    let at = service.address;
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: chat, prefix: /chat, upstream: '{at}', upgrades: [websocket], timeout: 100ms, idle_timeout: 1s }}
"
    );
    // The time for a whole request, which is 300 s, does not count either.
    let edit: fn(&str) -> String = |yaml| replaced(yaml, "request_timeout: 300s", "request_timeout: 0.3s");
    let (testbed, token) = gateway_of(configuration, Setup { edit: Some(edit), ..Setup::default() }).await;
    let mut socket = connect(testbed.gateway, "/chat/a", &[token]).await.unwrap();
    let start = Instant::now();
    let mut last = start;
    while start.elapsed() < 2 * LIMIT {
        last = Instant::now();
        echo(&mut socket, Message::text("a")).await;
    }
    // From here on nothing is sent: Envoy ends the connection.
    let end = timeout(PATIENCE, socket.next()).await.expect("an idle connection ends");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
    assert!(last.elapsed() >= LIMIT, "after {:?}", last.elapsed());
    testbed.stop().await;
}

#[tokio::test]
async fn a_websocket_by_tls() {
    let service = Echo::start().await;
    let at = service.address;
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("gateway");
    authority.server().write(folder.path(), "gateway");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let arguments = ["--tls-cert".to_owned(), file("gateway.pem"), "--tls-key".to_owned(), file("gateway.key")];
    let configuration = format!(
        "profile: bifrost\nmodules: [{{ name: chat, prefix: /chat, upstream: '{at}', upgrades: [websocket] }}]\n"
    );
    let (testbed, token) = gateway_of(configuration, Setup { arguments: arguments.to_vec(), ..Setup::default() }).await;
    // As browsers do, which offer no HTTP/2 for a WebSocket, unless a connection has announced extended CONNECT.
    let client = Arc::new(tls_client(&authority, None, DEFAULT_VERSIONS, &["http/1.1"]));
    let connect = async || {
        let stream = TcpStream::connect(testbed.gateway).await.unwrap();
        TlsConnector::from(client.clone()).connect(SERVER.try_into().unwrap(), stream).await.unwrap()
    };
    let (mut socket, _) = open(connect().await, "/chat/a", &[token]).await.unwrap();
    echo(&mut socket, Message::text("a")).await;
    assert_eq!(service.take()[0].1.get("x-forwarded-proto").unwrap(), "https");
    assert_eq!(open(connect().await, "/chat/a", &[]).await.err(), Some(401));
    testbed.stop().await;
}

/// With bodies sent along: a handshake has none, and modgud is asked at once.
#[tokio::test]
async fn a_websocket_where_modgud_reads_bodies() {
    let service = Echo::start().await;
    let at = service.address;
    let configuration = format!(
        "profile: orchescala
authenticators:
  - name: keycloak
    from: [{{ header: authorization, schemes: [JWT] }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}] }}
correlation: {{ key: {{ value: test-secret-key }}, impersonation: {{ body: customer, permission: impersonate }} }}
principal: {{ subject: core_user_uuid }}
modules: [{{ name: chat, prefix: /chat, upstream: '{at}', upgrades: [websocket] }}]
"
    );
    let (testbed, token) = gateway(configuration).await;
    let mut socket = connect(testbed.gateway, "/chat/a", &[token]).await.unwrap();
    echo(&mut socket, Message::text("a")).await;
    assert_eq!(service.take()[0].1.get_all("x-identity-correlation").iter().count(), 1);
    assert_eq!(connect(testbed.gateway, "/chat/a", &[]).await.err(), Some(401));
    testbed.stop().await;
}
