//! `server.grpc: unix:PATH`, with the real binary: the socket's file comes with it, goes with it, and belongs to no other process.

use crate::cli::process::{KEY_VARIABLE, Serving, run, run_in};
use crate::support::{KEY, token};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// The address of a socket in a folder.
fn address(folder: &TempDir) -> String {
    format!("unix:{}", folder.path().join("check.sock").display())
}

async fn serve(folder: &TempDir) -> Serving {
    let arguments = ["--grpc", &address(folder), "--admin", "127.0.0.1:0"];
    Serving::start_at(folder.path(), &KEY.public_pem().unwrap(), &arguments).await
}

/// Whether a check is answered there: it says no, since the token's time is over for the real clock.
async fn is_answered(address: &str) -> bool {
    let header = format!("Authorization: JWT {}", token());
    let output = run(&["call", address, "--path", "/crm/", "--header", &header]).await;
    output.code == Some(3) && output.out.starts_with("denied 401\n")
}

fn socket(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("check.sock")
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

#[tokio::test]
async fn checks_are_answered_and_the_file_goes_on_a_clean_stop() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = TempDir::new().unwrap();
        let serving = serve(&folder).await;
        assert_eq!(serving.grpc.to_string(), address(&folder));
        assert!(is_socket(&socket(&folder)));
        let mode = fs::metadata(socket(&folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        assert!(is_answered(&address(&folder)).await);
        let output = serving.end(signal).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        assert!(!socket(&folder).exists(), "{signal:?}");
    }
}

#[tokio::test]
async fn the_configuration_can_set_it_too() {
    let folder = TempDir::new().unwrap();
    let yaml = format!("profile: bifrost\nserver: {{ grpc: '{}', admin: '127.0.0.1:0' }}\n", address(&folder));
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let pem = KEY.public_pem().unwrap();
    let serving = Serving::start_at(folder.path(), &pem, &["--config", "modgud.yaml"]).await;
    assert!(is_answered(&address(&folder)).await);
    let checked = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &["check", "--config", "modgud.yaml"]).await;
    assert!(checked.out.contains(&format!("checks on {}, probes", address(&folder))), "{checked:?}");
    serving.end(Signal::INT).await;
}

#[tokio::test]
async fn the_socket_of_a_killed_process_is_replaced() {
    let folder = TempDir::new().unwrap();
    serve(&folder).await.end(Signal::KILL).await;
    assert!(is_socket(&socket(&folder)), "it had no time to remove it");
    let next = serve(&folder).await;
    assert!(is_answered(&address(&folder)).await);
    next.end(Signal::INT).await;
}

#[tokio::test]
async fn a_second_process_fails_and_the_first_continues() {
    let folder = TempDir::new().unwrap();
    let first = serve(&folder).await;
    let arguments = ["serve", "--grpc", &address(&folder), "--admin", "127.0.0.1:0"];
    let pem = KEY.public_pem().unwrap();
    let second = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &arguments).await;
    let expected = format!(
        "modgud: can't listen on {} for checks (server.grpc): another process listens there; stop it, or use another address\n",
        address(&folder)
    );
    assert_eq!((second.code, second.err), (Some(1), expected));
    assert!(is_answered(&address(&folder)).await);
    first.end(Signal::INT).await;
}

#[tokio::test]
async fn another_kind_of_file_is_never_removed() {
    let folder = TempDir::new().unwrap();
    fs::write(socket(&folder), "mine").unwrap();
    let arguments = ["serve", "--grpc", &address(&folder), "--admin", "127.0.0.1:0"];
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &KEY.public_pem().unwrap())], &arguments).await;
    let expected = format!(
        "modgud: can't listen on {} for checks (server.grpc): another kind of file is there; remove it, or use another address\n",
        address(&folder)
    );
    assert_eq!((output.code, output.err), (Some(1), expected));
    assert_eq!(fs::read_to_string(socket(&folder)).unwrap(), "mine");
}

/// Whatever else fails at start: no file is left for the next one to wonder about.
#[tokio::test]
async fn a_start_that_fails_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "--grpc", &address(&folder), "--admin", &admin];
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &KEY.public_pem().unwrap())], &arguments).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(!socket(&folder).exists());
}

#[tokio::test]
async fn call_reports_a_refused_connection() {
    let folder = TempDir::new().unwrap();
    let output = run(&["call", &address(&folder)]).await;
    let expected = format!(
        "modgud: can't reach {}: No such file or directory (os error 2); is `modgud serve` running there?\n",
        address(&folder)
    );
    assert_eq!((output.code, output.err), (Some(1), expected));
}
