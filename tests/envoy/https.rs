//! `modgud envoy --tls-cert FILE --tls-key FILE`: clients connect by TLS 1.2 or 1.3, with HTTP/1.1 or HTTP/2, and nothing else.

use super::mtls::{Negotiated, tls_client, tls_exchange};
use super::seen::Seen;
use super::testbed;
use super::tokens::{IDENTITY, claims, jwt, sign};
use crate::services::authority::{Authority, SERVER};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use rustls::version::{TLS12, TLS13};
use rustls::{DEFAULT_VERSIONS, ProtocolVersion};
use std::future::poll_fn;
use std::io;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Endpoint;

const CONFIGURATION: &str = "
profile: bifrost
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
rules:
  - { name: https, match: { paths: ['/crm/https'] }, access: public, when: request.scheme == 'https' }
  - { name: http, match: { paths: ['/crm/http'] }, access: public, when: request.scheme == 'http' }
denials: { redirect: { to: 'https://login.example.com/', parameter: return_to, hosts: [api.example.com] } }
";

/// A gateway whose listener has a certificate of this authority.
async fn start(authority: &Authority) -> (Testbed, TempDir) {
    let folder = TempDir::new().unwrap();
    authority.server().write(folder.path(), "gateway");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let files = ["--tls-cert".to_owned(), file("gateway.pem"), "--tls-key".to_owned(), file("gateway.key")];
    let arguments = [files.as_slice(), &["--server-name".to_owned(), "edge".to_owned()]].concat();
    let config = Some(CONFIGURATION);
    let setup = Setup { config, envoy: EnvoyYaml::Written, arguments, ..Setup::default() };
    (testbed(setup).await, folder)
}

#[tokio::test]
async fn clients_connect_by_tls_1_2_or_1_3_and_get_the_same_decisions() {
    let authority = Authority::new("gateway");
    let (testbed, _folder) = start(&authority).await;
    let token = [jwt(&sign(&testbed.key, &claims()))];
    for (versions, protocols, version, protocol) in [
        (DEFAULT_VERSIONS, &[][..], ProtocolVersion::TLSv1_3, None),
        (&[&TLS12], &["http/1.1"], ProtocolVersion::TLSv1_2, Some("http/1.1")),
        (&[&TLS13], &["http/1.1"], ProtocolVersion::TLSv1_3, Some("http/1.1")),
    ] {
        let ask = |lines: &'static [String]| {
            let client = tls_client(&authority, None, versions, protocols);
            tls_exchange(testbed.gateway, client, "GET", "/crm/a?b=1", lines)
        };
        let (answer, negotiated) = ask(Vec::leak(token.to_vec())).await.unwrap();
        assert_eq!(negotiated, Negotiated { version: Some(version), protocol: protocol.map(str::to_owned) });
        let seen = Seen::of(&answer);
        assert_eq!((seen.path.as_str(), seen.identity()), ("/a?b=1", IDENTITY.to_vec()));
        assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
        let denied = ask(&[]).await.unwrap().0;
        assert_eq!(denied.status, 401);
        // The name of `--server-name`, on responses of the module and on denials.
        assert_eq!(
            [answer, denied].map(|answer| answer.header("server").map(str::to_owned)),
            [(); 2].map(|()| Some("edge".to_owned()))
        );
    }
    // A client that does not trust the authority sends nothing.
    let stranger = tls_client(&Authority::new("gateway"), None, DEFAULT_VERSIONS, &[]);
    assert!(tls_exchange(testbed.gateway, stranger, "GET", "/crm/a", &token).await.is_err());
    testbed.stop().await;
}

#[tokio::test]
async fn the_scheme_is_https_whatever_the_client_says() {
    let authority = Authority::new("gateway");
    let (testbed, _folder) = start(&authority).await;
    for lines in [&[][..], &["X-Forwarded-Proto: http".to_owned()]] {
        for (path, admitted) in [("/crm/https", true), ("/crm/http", false)] {
            let client = tls_client(&authority, None, DEFAULT_VERSIONS, &[]);
            let (answer, _) = tls_exchange(testbed.gateway, client, "GET", path, lines).await.unwrap();
            // The module itself refuses requests without a token: it was reached.
            assert_eq!(answer.json()["module"].is_string(), admitted, "{path} {lines:?}");
        }
    }
    let client = tls_client(&authority, None, DEFAULT_VERSIONS, &[]);
    let browser = ["Accept: text/html".to_owned()];
    let (answer, _) = tls_exchange(testbed.gateway, client, "GET", "/crm/a", &browser).await.unwrap();
    let login = "https://login.example.com/?return_to=https%3A%2F%2Fapi.example.com%2Fcrm%2Fa";
    assert_eq!((answer.status, answer.header("location")), (302, Some(login)));
    // On HTTP/2, where a client writes the scheme itself.
    for written in ["https", "http"] {
        let endpoint = Endpoint::from_shared(format!("https://{}", testbed.gateway)).unwrap();
        let endpoint = endpoint.tls_config(authority.trust(None)).unwrap();
        let mut channel =
            endpoint.origin(format!("{written}://api.example.com").parse().unwrap()).connect().await.unwrap();
        poll_fn(|context| channel.poll_ready(context)).await.unwrap();
        let request = http::Request::get("/crm/a").header("accept", "text/html").body(Body::empty()).unwrap();
        let answer = channel.call(request).await.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), location), (302, Some(login)), "{written}");
    }
    testbed.stop().await;
}

/// A `ClientHello` of a version, with cipher suites that old servers accept.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 8, 0, 6, 4, 3, 2, 3, 2, 1, // signature_algorithms
    ];
    let mut body = [version.as_slice(), &[7; 32], &[0]].concat();
    body.extend([0, 8, 0xc0, 0x09, 0xc0, 0x13, 0, 0x2f, 0, 0x0a, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1], &length[1..], &body].concat();
    let record = u16::try_from(handshake.len()).unwrap().to_be_bytes();
    [&[22, 3, 1], record.as_slice(), &handshake].concat()
}

/// The description of the fatal alert with which a server answers these bytes (RFC 8446 §6); an error if it answers otherwise.
async fn alert(testbed: &Testbed, bytes: &[u8]) -> io::Result<u8> {
    let mut stream = TcpStream::connect(testbed.gateway).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    match answer.as_slice() {
        [21, _, _, 0, 2, 2, description] => Ok(*description),
        other => Err(io::Error::other(format!("no alert: {other:?}"))),
    }
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_and_no_plain_http_is_served() {
    const PROTOCOL_VERSION: u8 = 70;
    let authority = Authority::new(SERVER);
    let (testbed, _folder) = start(&authority).await;
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(alert(&testbed, &hello(version)).await.unwrap(), PROTOCOL_VERSION, "{version:?}");
    }
    // No suite without forward secrecy or without authentication of each record (CBC), also in TLS 1.2.
    assert_ne!(alert(&testbed, &hello([3, 3])).await.unwrap(), PROTOCOL_VERSION);
    let token = jwt(&sign(&testbed.key, &claims()));
    for request in [
        format!("GET /crm/a HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{token}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        assert!(Exchange::raw(testbed.gateway, request.as_bytes()).await.is_err(), "{request}");
    }
    // Others are served all the same.
    let client = tls_client(&authority, None, DEFAULT_VERSIONS, &[]);
    assert_eq!(tls_exchange(testbed.gateway, client, "GET", "/crm/a", &[token]).await.unwrap().0.status, 200);
    testbed.stop().await;
}
