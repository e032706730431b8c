//! TLS on the command line: `call` speaks it, `check` and `serve` tell of a certificate whose time is over.

use super::process::{KEY_VARIABLE, Serving, run, run_in};
use crate::services::authority::{Authority, SERVER};
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

const YAML: &str = "profile: bifrost\nserver: { tls: { cert: server.pem, key: server.key, client_ca: clients.pem } }\n";

#[tokio::test]
async fn call_speaks_tls() {
    let folder = TempDir::new().unwrap();
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    ours.server().write(folder.path(), "server");
    clients.client().write(folder.path(), "client");
    fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    fs::write(folder.path().join("modgud.yaml"), YAML).unwrap();
    let socket = format!("unix:{}", folder.path().join("check.sock").display());
    for grpc in ["127.0.0.1:0", &socket] {
        let arguments = ["--config", "modgud.yaml", "--admin", "127.0.0.1:0", "--grpc", grpc];
        let serving = Serving::start_at(folder.path(), &KEY.public_pem().unwrap(), &arguments).await;
        let address = serving.grpc.to_string();
        let call = async |tls: &[&str]| {
            run_in(folder.path(), &[], &[["call", &address, "--path", "/docs/"].as_slice(), tls].concat()).await
        };
        let (ca, own) = (["--tls-ca", "ca.pem"], ["--tls-cert", "client.pem", "--tls-key", "client.key"]);
        let name = ["--tls-name", SERVER];
        let output = call(&[ca.as_slice(), &own, &name].concat()).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{grpc}");
        for (what, wrong) in [
            ("no TLS", Vec::new()),
            ("no certificate of its own", [ca, name].concat()),
            ("another authority", [["--tls-ca", "clients.pem"].as_slice(), &own, &name].concat()),
            ("another name", [ca.as_slice(), &own].concat()),
        ] {
            let output = call(&wrong).await;
            assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{grpc}: {what}: {output:?}");
            assert!(output.err.starts_with("modgud: "), "{grpc}: {what}: {output:?}");
        }
        let output = call(&["--tls-ca", "nowhere.pem"]).await;
        let expected = "modgud: nowhere.pem: No such file or directory (os error 2)\n";
        assert_eq!((output.code, output.err.as_str()), (Some(1), expected));
        serving.end(Signal::INT).await;
    }
}

#[tokio::test]
async fn an_expired_certificate_is_reported_and_serves() {
    let folder = TempDir::new().unwrap();
    let ours = Authority::new("ours");
    fs::write(folder.path().join("clients.pem"), ours.pem()).unwrap();
    fs::write(folder.path().join("modgud.yaml"), YAML).unwrap();
    let pem = KEY.public_pem().unwrap();
    for (pair, over) in [(ours.expired(), true), (ours.server(), false)] {
        pair.write(folder.path(), "server");
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &["check", "--config", "modgud.yaml"]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        assert!(
            output
                .out
                .contains("\n  TLS for checks, for clients with a certificate of client_ca: certificate valid from "),
            "{output:?}"
        );
        let text =
            "the certificate of server.tls expired at 1999-12-31T00:00:00Z; clients that check it will not connect";
        let placed = format!("\nwarning: modgud.yaml:2:24: server.tls.cert: {text} [tls-certificate-not-valid]\n");
        assert_eq!(output.out.contains(&placed), over, "{output:?}");
        let strict = ["check", "--config", "modgud.yaml", "--deny-warnings"];
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &strict).await;
        assert_eq!(output.code, Some(i32::from(over)), "{output:?}");
        let serving = Serving::start(folder.path(), &pem, &["--config", "modgud.yaml"]).await;
        let output = serving.end(Signal::INT).await;
        assert_eq!(output.out.contains(text), over, "{}", output.out);
    }
}

/// A team tests its policy where the files of the server are not.
#[tokio::test]
async fn policy_tests_need_no_files_of_tls() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("modgud.yaml"), YAML).unwrap();
    let cases = "- { name: public, request: { path: /docs/ }, expect: { decision: allowed } }\n";
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let output = run_in(folder.path(), &[], &["test", "--config", "modgud.yaml", "cases.yaml"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{output:?}");
}

#[tokio::test]
async fn half_of_a_pair_is_no_command_line() {
    for wrong in [
        ["--tls-cert", "a.pem"].as_slice(),
        &["--tls-ca", "a.pem", "--tls-cert", "a.pem"],
        &["--tls-ca", "a.pem", "--tls-key", "a.key"],
        &["--tls-name", "a"],
    ] {
        let output = run(&[["call", "127.0.0.1:1"].as_slice(), wrong].concat()).await;
        assert_eq!(output.code, Some(2), "{wrong:?}: {output:?}");
    }
}
