//! `retries`: Envoy sends a request again only if the service has certainly not processed it, and so never a POST twice.

use super::super::ask;
use super::gateway;
use super::service::{Behavior, OK, Service, Transport, server_config};
use crate::services::authority::{Authority, SERVER};
use bytes::Bytes;
use h2::Reason;
use modgud_testbed::http::Exchange;
use rustls::DEFAULT_VERSIONS;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request with a body.
async fn post(gateway: SocketAddr, path: &str, lines: &[String], body: &str) -> Exchange {
    let lines: String = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{lines}");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    Exchange::raw(gateway, request.as_bytes()).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

#[tokio::test]
async fn a_request_is_sent_again_if_there_was_no_connection() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("services");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let config = server_config(&authority.server(), None, DEFAULT_VERSIONS);
    let services = [
        ("none", "", Transport::Closing(usize::MAX, config.clone())),
        ("once", "retries: {}", Transport::Closing(usize::MAX, config.clone())),
        ("often", "retries: { attempts: 5, on: [connect-failure] }", Transport::Closing(usize::MAX, config.clone())),
        ("refused", "retries: { attempts: 5, on: [refused-stream] }", Transport::Closing(usize::MAX, config.clone())),
        ("late", "retries: { attempts: 2 }", Transport::Closing(2, config.clone())),
        ("large", "retries: { attempts: 2 }", Transport::Closing(2, config.clone())),
        ("new", "retries: { attempts: 2 }", Transport::Closing(0, config)),
    ];
    let mut configuration = "profile: bifrost\nmodules:\n".to_owned();
    let mut started = Vec::new();
    for (name, retries, transport) in services {
        let service = Service::start(transport, Behavior::Answer(OK)).await;
        let (at, ca) = (service.address, ca.display());
        let keys = if retries.is_empty() { String::new() } else { format!(", {retries}") };
        writeln!(
            configuration,
            "  - {{ name: {name}, prefix: /{name}, upstream: '{at}', tls: {{ ca: '{ca}', name: {SERVER} }}{keys} }}"
        )
        .unwrap();
        started.push((name, service));
    }
    let (testbed, token) = gateway(configuration).await;
    let lines = [token];
    let status = async |path: &str, body: &str| post(testbed.gateway, path, &lines, body).await.status;
    for ((name, service), (expected, connections)) in
        started.iter().zip([(503, 1), (503, 2), (503, 6), (503, 1), (200, 3)])
    {
        assert_eq!(status(&format!("/{name}/a"), "a=1").await, expected, "{name}");
        assert_eq!(service.connections().len(), connections, "{name}");
    }
    let [.., (_, late), (_, large), (_, new)] = started.as_slice() else { panic!("services") };
    assert_eq!(late.requests(), 1);
    assert!(late.text().ends_with("\r\n\r\na=1"), "{}", late.text());
    // Larger than Envoy's buffer for a body that may have to be sent again.
    let body = "x".repeat(100_000);
    assert_eq!(status("/late/a", &body).await, 200);
    assert!(late.requests() == 2 && late.text().ends_with(&body));
    assert_eq!(status("/new/a", &body).await, 200);
    assert!(new.requests() == 1 && new.text().ends_with(&body));
    // It is not sent again. Envoy answers before it has read all of it, so that the client may see a reset instead.
    let head =
        format!("POST /large/a HTTP/1.1\r\nHost: a.example\r\n{}\r\nContent-Length: {}\r\n\r\n", lines[0], body.len());
    if let Ok(answer) = Exchange::raw(testbed.gateway, format!("{head}{body}").as_bytes()).await {
        assert!([503, 507].contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(large.requests(), 0);
    let abandoned =
        Exchange::get(testbed.envoy_admin, "/stats?filter=cluster.large.retry_or_shadow_abandoned").await.unwrap();
    assert_eq!(abandoned.body.trim_ascii_end(), b"cluster.large.retry_or_shadow_abandoned: 1");
    testbed.stop().await;
}

#[tokio::test]
async fn what_the_service_may_have_processed_is_not_sent_again() {
    const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let services = [Behavior::Close, Behavior::Answer(UNAVAILABLE)];
    let mut started = Vec::new();
    for behavior in services {
        started.push(Service::start(Transport::Plain, behavior).await);
    }
    let [closing, unavailable] = started.as_slice() else { panic!("two services") };
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: closing, prefix: /closing, upstream: '{}', retries: {{ attempts: 5 }} }}
  - {{ name: unavailable, prefix: /unavailable, upstream: '{}', retries: {{ attempts: 5 }} }}
",
        closing.address, unavailable.address
    );
    let (testbed, token) = gateway(configuration).await;
    // Clients can't ask for more either.
    let spoofed = [
        "x-envoy-retry-on: 5xx,reset,gateway-error",
        "x-envoy-max-retries: 9",
        "x-envoy-hedge-on-per-try-timeout: true",
    ];
    let lines: Vec<String> = spoofed.map(str::to_owned).into_iter().chain([token]).collect();
    for (path, service) in [("/closing/a", closing), ("/unavailable/a", unavailable)] {
        assert_eq!(ask(testbed.gateway, "GET", path, &lines).await.status, 503, "{path}");
        assert_eq!(service.requests(), 1, "{path}: GET");
        assert_eq!(post(testbed.gateway, path, &lines, "a=1").await.status, 503, "{path}");
        assert_eq!(service.requests(), 2, "{path}: POST");
        assert!(!service.text().contains("x-envoy-retry") && !service.text().contains("x-envoy-max"), "{path}");
    }
    testbed.stop().await;
}

/// A service on HTTP/2 that refuses the first streams, and answers the others. Returns its address and the bodies of those.
async fn refusing(count: usize) -> (SocketAddr, Arc<Mutex<Vec<Option<Bytes>>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Arc::new(Mutex::new(Vec::new()));
    let (mut server, seen) = (JoinSet::new(), streams.clone());
    server.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let seen = seen.clone();
            open.spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(None);
                        seen.len() - 1
                    };
                    if number < count {
                        respond.send_reset(Reason::REFUSED_STREAM);
                        continue;
                    }
                    let seen = seen.clone();
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        let mut bytes = Vec::new();
                        while let Some(Ok(part)) = body.data().await {
                            body.flow_control().release_capacity(part.len()).unwrap();
                            bytes.extend(part);
                        }
                        seen.lock().unwrap()[number] = Some(bytes.into());
                        respond.send_response(http::Response::new(()), true).unwrap();
                    });
                }
            });
        }
    });
    (address, streams, server)
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_and_processed_once() {
    let (good, good_streams, _good) = refusing(2).await;
    let (bad, bad_streams, _bad) = refusing(usize::MAX).await;
    let (other, other_streams, _other) = refusing(1).await;
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: good, prefix: /good, upstream: '{good}', protocol: http2, retries: {{ attempts: 2, on: [refused-stream] }} }}
  - {{ name: bad, prefix: /bad, upstream: '{bad}', protocol: http2, retries: {{ attempts: 2 }} }}
  - {{ name: other, prefix: /other, upstream: '{other}', protocol: http2, retries: {{ on: [connect-failure] }} }}
"
    );
    let (testbed, token) = gateway(configuration).await;
    let lines = [token];
    let statuses = async |path: &str| post(testbed.gateway, path, &lines, "a=1").await.status;
    assert_eq!(statuses("/good/a").await, 200);
    assert_eq!(*good_streams.lock().unwrap(), [None, None, Some(Bytes::from_static(b"a=1"))]);
    assert_eq!(statuses("/bad/a").await, 503);
    assert_eq!(bad_streams.lock().unwrap().len(), 3);
    assert_eq!(statuses("/other/a").await, 503);
    assert_eq!(other_streams.lock().unwrap().len(), 1);
    testbed.stop().await;
}
