//! Tests of the client against servers with arbitrary responses, on loopback.

use super::{AllowInsecure, FetchError, FetchRequest, FetchUrl, HttpClient, Limits, TrustAnchors};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;

const LIMITS: Limits = Limits { bytes: 1_000, time: Duration::from_secs(30) };

/// A server that reads one request on each connection, and writes these bytes.
struct Server {
    address: SocketAddr,
    serving: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                question(&mut stream).await;
                // The client may have closed the connection.
                let _ = stream.write_all(&answer).await;
            }
        });
        Self { address, serving: serving.abort_handle() }
    }

    fn url(&self, path: &str) -> FetchUrl {
        FetchUrl::parse(&format!("http://{}{path}", self.address), AllowInsecure::Loopback).unwrap()
    }

    async fn fetch(&self, limits: Limits) -> Result<Bytes, FetchError> {
        HttpClient::new(TrustAnchors::public()).send(&self.url("/"), FetchRequest::Get, limits).await
    }
}

/// Reads one request without a body, or with a `content-length`.
async fn question(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.map_or(0, |length| length.parse().unwrap()) <= body.len() {
                return String::from_utf8(read).unwrap();
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return String::from_utf8(read).unwrap();
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_is_asked_is_what_was_said_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen: JoinHandle<Vec<String>> = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            seen.push(question(&mut stream).await);
            stream.write_all(ok("{}").as_bytes()).await.unwrap();
        }
        seen
    });
    let client = HttpClient::new(TrustAnchors::public());
    let url = FetchUrl::parse(&format!("http://{address}/a/b?c=d"), AllowInsecure::Loopback).unwrap();
    assert_eq!(client.send(&url, FetchRequest::Get, LIMITS).await.unwrap(), "{}");
    let authorization = HeaderValue::from_static("Basic c2VjcmV0");
    let form = FetchRequest::PostForm { authorization: Some(&authorization), form: Bytes::from_static(b"token=x") };
    assert_eq!(format!("{form:?}"), "PostForm(…)");
    assert_eq!(client.send(&url, form, LIMITS).await.unwrap(), "{}");

    let version = env!("CARGO_PKG_VERSION");
    let lines = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
        lines.get_mut(1..).unwrap().sort_unstable();
        lines.push(body.to_owned());
        lines
    };
    let seen = seen.await.unwrap();
    let common = [
        "accept: application/json".to_owned(),
        "accept-encoding: identity".to_owned(),
        format!("host: {address}"),
        format!("user-agent: modgud/{version}"),
    ];
    let expected = |start: &str, more: &[&str], body: &str| {
        let mut headers: Vec<String> = common.iter().cloned().chain(more.iter().map(|one| (*one).to_owned())).collect();
        headers.sort_unstable();
        [vec![start.to_owned()], headers, vec![body.to_owned()]].concat()
    };
    assert_eq!(lines(&seen[0]), expected("GET /a/b?c=d HTTP/1.1", &[], ""));
    let of_a_form =
        ["authorization: Basic c2VjcmV0", "content-type: application/x-www-form-urlencoded", "content-length: 7"];
    assert_eq!(lines(&seen[1]), expected("POST /a/b?c=d HTTP/1.1", &of_a_form, "token=x"));
}

#[tokio::test]
async fn an_answer_is_whole_or_none() {
    let body = "x".repeat(1_000);
    assert_eq!(Server::answering(ok(&body)).await.fetch(LIMITS).await.unwrap(), body);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(Server::answering(chunked).await.fetch(LIMITS).await.unwrap(), "abc");

    let coded = "HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(Server::answering(coded).await.fetch(LIMITS).await.unwrap(), "{}");

    let size = "the response is larger than 0 KiB";
    let broken = "the response is incomplete or not HTTP";
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", "2\r\nab\r\n".repeat(501));
    for (answer, expected) in [
        (ok(&"x".repeat(1_001)), size),
        // The announced size exceeds any memory, and no body follows.
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n".to_owned(), size),
        (chunks, size),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5_000)), size),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_owned(), broken),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), broken),
        (String::new(), broken),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            "the response has the content coding `gzip`, although modgud requests none; serve it uncompressed",
        ),
        (format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(100_000)), broken),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "the response has status 404, and 200 is required",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), "the response has status 204, and 200 is required"),
        ("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_owned(), "the response has status 503, and 200 is required"),
    ] {
        let outcome = Server::answering(answer.clone()).await.fetch(LIMITS).await.map_err(|error| error.to_string());
        assert_eq!(outcome, Err(expected.to_owned()), "{}", answer.get(..60.min(answer.len())).unwrap());
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let aim = Server::answering(ok("keys of somebody else")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = aim.url("/");
        let answer = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let outcome = Server::answering(answer).await.fetch(LIMITS).await;
        assert!(
            matches!(outcome, Err(FetchError::Redirect { status: found }) if found == StatusCode::from_u16(status).unwrap())
        );
    }
}

#[tokio::test]
async fn whoever_is_silent_or_slow_is_not_waited_for() {
    let soon = Limits { time: Duration::from_millis(50), ..LIMITS };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = FetchUrl::parse(&format!("http://{address}/"), AllowInsecure::Loopback).unwrap();
    let client = HttpClient::new(TrustAnchors::public());
    // Accepted by the system, never answered.
    let silent = client.send(&url, FetchRequest::Get, soon).await;
    assert_eq!(silent.unwrap_err().to_string(), "no complete response within 50 ms");

    let https = FetchUrl::parse(&format!("https://{address}/"), AllowInsecure::Loopback).unwrap();
    assert!(matches!(client.send(&https, FetchRequest::Get, soon).await, Err(FetchError::Time { .. })), "no handshake");

    let drip = tokio::spawn(async move {
        // The two earlier connections come first; the third one is next.
        let _silent = (listener.accept().await.unwrap(), listener.accept().await.unwrap());
        let (mut stream, _) = listener.accept().await.unwrap();
        question(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n").await.unwrap();
        // Every byte comes in time, the whole response never.
        let mut bytes = tokio::time::interval(Duration::from_millis(10));
        let mut written = 0;
        loop {
            bytes.tick().await;
            if stream.write_all(b"x").await.is_err() {
                return written;
            }
            written += 1;
        }
    });
    let dripping = client.send(&url, FetchRequest::Get, soon).await;
    assert!(matches!(dripping, Err(FetchError::Time { .. })), "{dripping:?}");
    let written = drip.await.unwrap();
    assert!((1..900).contains(&written), "{written} bytes were written before the connection was closed");
}

#[tokio::test]
async fn nobody_there_is_said_in_the_words_of_the_system() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = FetchUrl::parse(&format!("http://{address}/?secret"), AllowInsecure::Loopback).unwrap();
    let error =
        HttpClient::new(TrustAnchors::public()).send(&url, FetchRequest::Get, LIMITS).await.unwrap_err().to_string();
    assert_eq!(error, "connection failed: Connection refused (os error 111)");
}

/// Starts a server with a certificate for `name`. Returns its address, its certificate authority in PEM, and its task.
async fn tls_server(name: &str) -> (SocketAddr, String, AbortHandle) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust it aborts the handshake.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            answer_once(stream).await;
        }
    });
    (address, authority.pem(), serving.abort_handle())
}

async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    question(&mut stream).await;
    let _ = stream.write_all(ok("{}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_certificate_must_be_of_the_server_and_of_a_trusted_authority() {
    let (address, authority, serving) = tls_server("localhost").await;
    let (_, stranger, other) = tls_server("localhost").await;
    let url =
        |host: &str| FetchUrl::parse(&format!("https://{host}:{}/", address.port()), AllowInsecure::Loopback).unwrap();
    let with = |pem: &str| HttpClient::new(TrustAnchors::from_pem(pem.as_bytes()).unwrap());
    let good = with(&authority).send(&url("localhost"), FetchRequest::Get, LIMITS).await;
    assert_eq!(good.unwrap(), "{}");
    for (client, host, expected) in [
        (with(&stranger), "localhost", "invalid peer certificate"),
        (HttpClient::new(TrustAnchors::public()), "localhost", "invalid peer certificate: UnknownIssuer"),
        (with(&authority), "127.0.0.1", "invalid peer certificate: certificate not valid for name"),
    ] {
        let error = client.send(&url(host), FetchRequest::Get, LIMITS).await.unwrap_err();
        assert!(matches!(&error, FetchError::Unreachable(cause) if cause.to_string().contains(expected)), "{error}");
    }
    serving.abort();
    other.abort();
}
