//! TLS, and a Unix socket.

use super::{doctor, free};
use crate::cli::process::{KEY_VARIABLE, Serving};
use crate::services::authority::{Authority, SERVER};
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

#[tokio::test]
async fn checks_are_examined_through_tls_and_a_unix_socket() {
    let folder = TempDir::new().unwrap();
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    ours.server().write(folder.path(), "server");
    clients.client().write(folder.path(), "client");
    fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let key = KEY.public_pem().unwrap();
    let socket = format!("unix:{}", folder.path().join("check.sock").display());
    for grpc in [free().to_string(), socket] {
        let tls = "{ cert: server.pem, key: server.key, client_ca: clients.pem }";
        let yaml = format!("profile: bifrost\nserver: {{ grpc: '{grpc}', admin: '{}', tls: {tls} }}\n", free());
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        let serving = Serving::start_at(folder.path(), &key, &["--config", "modgud.yaml"]).await;
        let examine = async |arguments: &[&str]| {
            let arguments = [&["--config", "modgud.yaml"], arguments].concat();
            doctor(folder.path(), &[(KEY_VARIABLE, &key)], &arguments).await
        };
        let (ca, own) = (["--tls-ca", "ca.pem"], ["--tls-cert", "client.pem", "--tls-key", "client.key"]);
        let name = ["--tls-name", SERVER];
        let examined = examine(&[ca.as_slice(), &own, &name].concat()).await;
        assert!(examined.codes("problem").is_empty() && examined.codes("undecided").is_empty(), "{}", examined.text);
        assert!(examined.seen("probe").starts_with(&format!("checks at {grpc}: ")), "{}", examined.text);
        // Without the options it says which are needed.
        let examined = examine(&[]).await;
        assert!(examined.seen("not-examined").contains("use `--tls-ca`"), "{}", examined.text);
        assert_eq!(examined.code, Some(4), "{}", examined.text);
        // Envoy would fail in the same way.
        let examined = examine(&[ca.as_slice(), &name].concat()).await;
        assert_eq!(examined.code, Some(1), "{}", examined.text);
        serving.end(Signal::INT).await;
    }
}
