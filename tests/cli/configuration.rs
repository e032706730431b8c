//! `serve` and a configuration that is wrong: it ends at once, and says where.

use super::process::{KEY_VARIABLE, Output, Serving, serve_in};
use super::table;
use modgud_core::jose::{Algorithm, SigningKey};
use rustix::process::Signal;
use serde::Deserialize;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::LazyLock;

static PUBLIC_PEM: LazyLock<String> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().public_pem().unwrap());

async fn serve(folder: &Path, arguments: &[&str]) -> Output {
    serve_in(folder, &[(KEY_VARIABLE, &PUBLIC_PEM)], arguments).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    file: String,
    says: String,
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for Row { what, file, says } in table::<Row>("configuration.yaml") {
        fs::write(folder.path().join("modgud.yaml"), file).unwrap();
        let output = serve(folder.path(), &["--config", "modgud.yaml"]).await;
        assert_eq!((output.code, output.out, output.err), (Some(1), String::new(), says), "{what}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("large.yaml"), vec![b'#'; 2 * 1024 * 1024]).unwrap();
    fs::write(folder.path().join("picture.png"), b"\x89PNG\r\n").unwrap();
    for (file, error) in [
        ("picture.png:1:1", "the file is not UTF-8 text from this byte on; save it as UTF-8 [file-not-utf-8]"),
        ("missing.yaml", "the file can't be read: No such file or directory (os error 2) [file-unreadable]"),
        ("large.yaml", "the file is larger than 1024 KiB; name the file of a configuration [file-too-large]"),
        (".", "the file can't be read: Is a directory (os error 21) [file-unreadable]"),
    ] {
        let name = file.trim_end_matches(":1:1");
        let output = serve(folder.path(), &["--config", name]).await;
        let expected = format!("modgud: {file}: {error}\n");
        assert_eq!((output.code, output.out, output.err), (Some(1), String::new(), expected));
    }
}

#[tokio::test]
async fn the_files_that_a_configuration_names_are_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("issuer.pem"), &*PUBLIC_PEM).unwrap();
    let yaml = "profile: bifrost
authenticators:
  - name: mine
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: mine, algorithms: [RS256], keys: [{ pem: { file: issuer.pem } }] }
";
    fs::write(below.join("modgud.yaml"), yaml).unwrap();
    let serving = Serving::start(folder.path(), "", &["--config", "below/modgud.yaml"]).await;
    assert_eq!(serving.end(Signal::INT).await.code, Some(0));
}

#[tokio::test]
async fn a_port_that_is_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (key, purpose) in [("grpc", "checks (server.grpc)"), ("admin", "probes and metrics (server.admin)")] {
        // The addresses on the command line would win over those in the file: `serve_in` gives free ones.
        let other = if key == "grpc" { "admin" } else { "grpc" };
        let yaml = format!("profile: bifrost\nserver: {{ {key}: \"{address}\", {other}: \"127.0.0.1:0\" }}\n");
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        let variables = [(KEY_VARIABLE, PUBLIC_PEM.as_str())];
        let output = super::process::run_in(folder.path(), &variables, &["serve", "--config", "modgud.yaml"]).await;
        let expected =
            format!("modgud: can't listen on {address} for {purpose}: Address already in use (os error 98)\n");
        assert_eq!((output.code, output.err), (Some(1), expected));
    }
}
