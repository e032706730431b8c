//! A real OpenTelemetry collector, with the configuration of `deploy/observability`. `make collector-test` builds it and runs these tests.

use super::asked::{Asked, EXPORTED, PARENT, TRACE, dropped, otlp, sampled};
use super::receiver::Protocol;
use crate::support::program;
use modgud_testbed::Process;
use std::cell::RefCell;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A free port: the collector does not say which one it was given.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts a collector that serves gRPC and HTTP at these addresses.
async fn collector(folder: &Path, grpc: SocketAddr, http: SocketAddr) -> Process {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/observability/collector.yaml");
    let mut yaml = fs::read_to_string(sample).unwrap();
    for (address, free) in [("127.0.0.1:4317", grpc), ("127.0.0.1:4318", http)] {
        assert_eq!(yaml.matches(address).count(), 1, "{address}");
        yaml = yaml.replace(address, &free.to_string());
    }
    let file = folder.join("collector.yaml");
    fs::write(&file, yaml).unwrap();
    let mut command = Command::new(program("MODGUD_TEST_COLLECTOR"));
    command.arg("--config").arg(&file);
    // Its own metrics would be at a fixed port.
    command.arg("--config=yaml:service::telemetry::metrics::level: none");
    let mut process = Process::start("collector", command).unwrap();
    process.wait_for(PATIENCE, |line| line.contains("Everything is ready").then_some(())).await.unwrap();
    process
}

#[tokio::test]
async fn a_real_collector_receives_what_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (grpc, http) = (free(), free());
    let mut collector = collector(folder.path(), grpc, http).await;
    for (protocol, address) in [(Protocol::Grpc, grpc), (Protocol::Http, http)] {
        let yaml = format!("profile: bifrost\nserver: {{ deadline: 10s }}\n{}", otlp(address, protocol, ""));
        let mut asked = Asked::start(&yaml).await;
        let path = format!("/crm/{}", protocol.key());
        assert_eq!(asked.ask(sampled(&path)).await, Some(401));
        let printed = RefCell::new(Vec::new());
        let keep = |line: &str| {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_last = line == "-> http.response.status_code: Int(401)";
            printed.borrow_mut().push(line);
            is_last.then_some(())
        };
        let came = collector.wait_for(PATIENCE, keep).await;
        let printed = printed.into_inner();
        came.unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
        for wanted in [
            "-> service.name: Str(modgud)",
            &format!("-> service.version: Str({})", env!("CARGO_PKG_VERSION")),
            &format!("Trace ID : {TRACE}"),
            &format!("Parent ID : {PARENT}"),
            "Name : check",
            "Kind : Server",
            "Status code : Unset",
            "-> http.request.method: Str(GET)",
            &format!("-> url.path: Str({path})"),
            "-> modgud.decision: Str(denied)",
            "-> modgud.reason: Str(credential_missing)",
        ] {
            assert!(printed.iter().any(|line| line == wanted), "{protocol:?}: no `{wanted}` in {printed:#?}");
        }
        asked.until(EXPORTED, 1).await;
        assert_eq!(asked.counter(&dropped("export_failed")).await, 0);
    }
    collector.end().await;
}
