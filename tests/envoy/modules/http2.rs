//! `protocol: http2`: gRPC services, in plaintext and with mutual TLS. Calls, streams, trailers and errors arrive.

use super::gateway;
use crate::services::authority::{Authority, SERVER};
use modgud_testbed::Testbed;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// A gRPC service: that of gRPC's own health protocol, with calls and streams.
struct Grpc {
    address: SocketAddr,
    reporter: HealthReporter,
    /// The headers of each call.
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    _server: JoinSet<()>,
}

impl Grpc {
    async fn start(tls: Option<ServerTlsConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reporter = HealthReporter::new();
        let service = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let service = InterceptedService::new(service, move |request: Request<()>| {
            seen.lock().unwrap().push(request.metadata().clone());
            Ok(request)
        });
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).unwrap();
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
        });
        Self { address, reporter, calls, _server: tasks }
    }
}

/// A client of the service behind a prefix of the gateway.
async fn client(testbed: &Testbed, prefix: &str) -> HealthClient<Channel> {
    let channel = Channel::from_shared(format!("http://{}", testbed.gateway)).unwrap().connect().await.unwrap();
    HealthClient::with_origin(channel, format!("http://api.example.com{prefix}").parse().unwrap())
}

/// A call about a service, with a header line.
fn of(service: &str, line: &str) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
    let (_, value) = line.split_once(": ").unwrap();
    request.metadata_mut().insert("authorization", value.parse().unwrap());
    request
}

#[tokio::test]
async fn grpc_services_get_calls_and_streams() {
    let folder = TempDir::new().unwrap();
    let (services, clients) = (Authority::new("services"), Authority::new("clients"));
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("ca.pem"), services.pem()).unwrap();
    clients.client().write(folder.path(), "envoy");
    let pair = services.server();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&pair.cert, &pair.key))
        .client_ca_root(Certificate::from_pem(clients.pem()));
    let (plain, secure) = (Grpc::start(None).await, Grpc::start(Some(tls)).await);
    let (at, tls_at) = (plain.address, secure.address);
    let tls = format!(
        "{{ ca: '{}', name: {SERVER}, cert: '{}', key: '{}' }}",
        file("ca.pem"),
        file("envoy.pem"),
        file("envoy.key")
    );
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: plain, prefix: /plain, upstream: '{at}', protocol: http2, timeout: 0s, retries: {{}} }}
  - {{ name: secure, prefix: /secure, upstream: '{tls_at}', protocol: http2, timeout: 0s, tls: {tls} }}
  - {{ name: short, prefix: /short, upstream: '{at}', protocol: http2, timeout: 1s }}
  - {{ name: idle, prefix: /idle, upstream: '{at}', protocol: http2, timeout: 0s, idle_timeout: 1s }}
  - {{ name: http1, prefix: /http1, upstream: '{at}' }}
  - {{ name: whole, prefix: /grpc.health.v1.Health, keep_prefix: true, upstream: '{at}', protocol: http2 }}
core: {{ upstream: '{at}', reserved: [user], protocol: http2 }}
"
    );
    let (testbed, token) = gateway(configuration).await;
    for (prefix, grpc) in
        [("/plain", &plain), ("/secure", &secure), ("/short", &plain), ("/idle", &plain), ("", &plain)]
    {
        let mut client = client(&testbed, prefix).await;
        // The status is in the response, and that of gRPC in trailers: without them this would be an error.
        assert_eq!(client.check(of("", &token)).await.unwrap().into_inner().status(), Serving, "{prefix}");
        let unknown = client.check(of(&"x".repeat(100_000), &token)).await.unwrap_err();
        assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "service not registered"), "{prefix}");
        let calls = std::mem::take(&mut *grpc.calls.lock().unwrap());
        assert_eq!(calls.len(), 2, "{prefix}");
        for call in calls {
            assert_eq!(call.get("x-username").unwrap(), "admin", "{prefix}");
            assert_eq!(call.get("te").unwrap(), "trailers", "{prefix}");
        }
    }
    // The core service gets whole paths, and does not know this one.
    let mut core = client(&testbed, "/user").await;
    assert_eq!(core.check(of("", &token)).await.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(client(&testbed, "/http1").await.check(of("", &token)).await.unwrap_err().code(), Code::Unavailable);
    let mut without = client(&testbed, "/plain").await;
    assert_eq!(without.check(of("", "Authorization: JWT a.b.c")).await.unwrap_err().code(), Code::Unauthenticated);
    assert!(plain.calls.lock().unwrap().is_empty());

    // Streams that outlive those with limits get what comes later.
    let mut endless = Vec::new();
    for (prefix, grpc) in [("/plain", &plain), ("/secure", &secure)] {
        let mut stream = client(&testbed, prefix).await.watch(of("", &token)).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status(), Serving, "{prefix}");
        endless.push((prefix, grpc, stream));
    }
    for prefix in ["/short", "/idle"] {
        let mut stream = client(&testbed, prefix).await.watch(of("", &token)).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status(), Serving, "{prefix}");
        let end = stream.message().await;
        assert!(end.is_err(), "{prefix}: {end:?}");
    }
    for (prefix, grpc, mut stream) in endless {
        grpc.reporter.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        assert_eq!(stream.message().await.unwrap().unwrap().status(), NotServing, "{prefix}");
    }
    testbed.stop().await;
}
