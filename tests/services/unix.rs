//! `server.grpc: unix:PATH`, with the real binary: the socket's file comes with it, goes with it, and belongs to no other process.

use super::launcher::{launch, unprivileged};
use crate::cli::process::{KEY_VARIABLE, Serving, run, run_in};
use crate::support::{KEY, token};
use rustix::process::Signal;
use serde_json::json;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use tempfile::TempDir;
use tokio::net::{UnixSocket, UnixStream};

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

/// A process that does not accept, stopped for instance: its queue fills, and a connect that waits for a place would never end.
#[tokio::test]
async fn a_process_that_does_not_accept_is_in_use_too() {
    let folder = TempDir::new().unwrap();
    let other = UnixSocket::new_stream().unwrap();
    other.bind(socket(&folder)).unwrap();
    let _listener = other.listen(1).unwrap();
    let mut queued = Vec::new();
    let full = loop {
        match UnixStream::connect(socket(&folder)).await {
            Ok(stream) => queued.push(stream),
            Err(error) => break error,
        }
    };
    assert!(full.kind() == ErrorKind::WouldBlock && !queued.is_empty(), "{full}");
    let arguments = ["serve", "--grpc", &address(&folder), "--admin", "127.0.0.1:0"];
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &KEY.public_pem().unwrap())], &arguments).await;
    let expected = format!(
        "modgud: can't listen on {} for checks (server.grpc): another process listens there; stop it, or use another address\n",
        address(&folder)
    );
    assert_eq!((output.code, output.err), (Some(1), expected));
    assert!(is_socket(&socket(&folder)));
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

/// The configuration of a folder's socket with this access.
fn write(folder: &TempDir, access: &str) {
    let yaml = format!(
        "profile: bifrost\nserver: {{ grpc: '{}', admin: '127.0.0.1:0', socket: {access} }}\n",
        address(folder)
    );
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
}

/// A group that modgud's user is a member of, by its number, as in an image without `/etc/group`.
#[tokio::test]
async fn the_file_has_the_configured_mode_and_group() {
    let (folder, options) = unprivileged(&[65_534]);
    let group = if options == json!({}) { fs::metadata(folder.path()).unwrap().gid() } else { 65_534 };
    write(&folder, &format!("{{ mode: '0620', group: {group} }}"));
    let serving = launch(folder.path(), &options, &["--config", "modgud.yaml"]).serves().await;
    let data = fs::metadata(socket(&folder)).unwrap();
    assert_eq!((data.permissions().mode() & 0o777, data.gid()), (0o620, group));
    assert!(is_answered(&address(&folder)).await);
    serving.end(Signal::INT).await;
}

#[tokio::test]
async fn a_group_of_others_is_an_error_that_names_it() {
    let (folder, options) = unprivileged(&[]);
    write(&folder, "{ group: 4000000 }");
    let output = launch(folder.path(), &options, &["--config", "modgud.yaml"]).output().await;
    let expected = format!(
        "modgud: can't listen on {} for checks (server.grpc): server.socket.group: the socket can't be given to the group `4000000`: \
         Operation not permitted (os error 1); make modgud's user a member of it (systemd: SupplementaryGroups=, Kubernetes: \
         supplementalGroups or fsGroup), or use a group that it is in\n",
        address(&folder)
    );
    assert_eq!((output.code, output.err), (Some(1), expected));
    assert!(!socket(&folder).exists());
}

/// A volume of a pod survives its containers, and the next one may have another user. With `fsGroup`, its group is the same.
#[tokio::test]
async fn the_socket_of_a_killed_process_of_another_user_is_replaced() {
    let (folder, options) = unprivileged(&[65_534]);
    serve(&folder).await.end(Signal::KILL).await;
    if options != json!({}) {
        // As in the volume: everybody may write to the folder, and its files have its group.
        chown(folder.path(), Some(0), Some(65_534)).unwrap();
        chown(socket(&folder), Some(0), Some(65_534)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o2777)).unwrap();
    }
    let arguments = ["--grpc", &address(&folder), "--admin", "127.0.0.1:0"];
    let next = launch(folder.path(), &options, &arguments).serves().await;
    assert!(is_answered(&address(&folder)).await);
    next.end(Signal::INT).await;
}

/// What modgud may not ask could be served: it is left alone, with an error that says whose it is.
#[tokio::test]
async fn a_socket_that_admits_only_others_is_left_alone() {
    let (folder, options) = unprivileged(&[]);
    serve(&folder).await.end(Signal::KILL).await;
    let owner = fs::metadata(socket(&folder)).unwrap().uid();
    fs::set_permissions(socket(&folder), Permissions::from_mode(0o000)).unwrap();
    let arguments = ["--grpc", &address(&folder), "--admin", "127.0.0.1:0"];
    let output = launch(folder.path(), &options, &arguments).output().await;
    let expected = format!(
        "modgud: can't listen on {} for checks (server.grpc): a socket of user {owner} is there, and modgud, which may not connect to it, \
         can't tell if a process serves it; remove it if not, or use another address\n",
        address(&folder)
    );
    assert_eq!((output.code, output.err), (Some(1), expected));
    assert!(is_socket(&socket(&folder)));
}

#[tokio::test]
async fn an_abstract_socket_needs_no_file() {
    let folder = TempDir::new().unwrap();
    let name = format!("unix:@modgud-test-{}", std::process::id());
    let arguments = ["--grpc", &name, "--admin", "127.0.0.1:0"];
    let pem = KEY.public_pem().unwrap();
    let serving = Serving::start_at(folder.path(), &pem, &arguments).await;
    assert_eq!(serving.grpc.to_string(), name);
    assert!(is_answered(&name).await);
    let second = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &[["serve"].as_slice(), &arguments].concat()).await;
    let expected = format!(
        "modgud: can't listen on {name} for checks (server.grpc): another process listens there; stop it, or use another address\n"
    );
    assert_eq!((second.code, second.err), (Some(1), expected));
    // Even a killed process leaves nothing behind.
    serving.end(Signal::KILL).await;
    Serving::start_at(folder.path(), &pem, &arguments).await.end(Signal::INT).await;
    let output = run(&["call", &name]).await;
    let expected =
        format!("modgud: can't reach {name}: Connection refused (os error 111); is `modgud serve` running there?\n");
    assert_eq!((output.code, output.err), (Some(1), expected));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
