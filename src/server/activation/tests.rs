use super::{ActivatedSocket, ActivatedSockets, ActivationError, PassedListener};
use crate::config::Environment;
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::{SocketAccess, SocketGroup};
use crate::server::Socket;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

/// The variables of the protocol for this process, with this number of sockets.
fn variables(count: &str) -> Environment {
    Environment::fixed([("LISTEN_PID", &std::process::id().to_string()), ("LISTEN_FDS", count)])
}

fn tcp(address: &str) -> ActivatedSocket {
    ActivatedSocket { name: "grpc", listener: PassedListener::Tcp(TcpListener::bind(address).unwrap()) }
}

fn configured(text: &str) -> ListenAddr {
    text.parse().unwrap()
}

#[test]
fn variables_of_another_process_are_ignored() {
    for environment in [
        Environment::fixed([]),
        Environment::fixed([("LISTEN_FDS", "1")]),
        Environment::fixed([("LISTEN_PID", "1"), ("LISTEN_FDS", "many")]),
        variables("0"),
    ] {
        let sockets = ActivatedSockets::take(&environment).unwrap();
        assert!(sockets.grpc.is_none() && sockets.http.is_none() && sockets.admin.is_none());
    }
}

#[test]
fn a_count_that_modgud_can_not_use_is_an_error() {
    for (count, expected) in [
        ("many", "LISTEN_FDS is `many`, and not a number of sockets that the service manager passed"),
        ("-1", "LISTEN_FDS is `-1`, and not a number of sockets that the service manager passed"),
        (
            "4000000000",
            "the service manager passed 4000000000 sockets, but modgud has 3 listeners; use one ListenStream= in the socket unit of each",
        ),
        (
            "1",
            "the service manager passed a socket named `unknown`; write FileDescriptorName=grpc (server.grpc), FileDescriptorName=http \
             (server.http) or FileDescriptorName=admin (server.admin) in its socket unit",
        ),
    ] {
        assert_eq!(ActivatedSockets::take(&variables(count)).unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_tcp_listener_has_the_configured_address() {
    let access = SocketAccess::default();
    for (passed, address) in
        [("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:0", "[::ffff:127.0.0.1]:0"), ("0.0.0.0:0", "0.0.0.0:0")]
    {
        let socket = tcp(passed).into_socket(&configured(address), &access).unwrap();
        assert!(matches!(socket, Socket::Tcp(_)), "{passed} {address}");
    }
    for (passed, address) in
        [("0.0.0.0:0", "127.0.0.1:0"), ("127.0.0.1:0", "127.0.0.1:1"), ("127.0.0.1:0", "unix:/run/check.sock")]
    {
        let error = tcp(passed).into_socket(&configured(address), &access).unwrap_err();
        assert!(matches!(error, ActivationError::Address { .. }), "{passed} {address}: {error}");
    }
}

#[tokio::test]
async fn a_file_admits_no_more_than_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("check.sock");
    let address = configured(&format!("unix:{}", path.display()));
    for (mode, group, expected) in [
        (0o660, None, None),
        (0o600, None, None),
        (
            0o666,
            None,
            Some(
                "the file of the passed socket `grpc` has the mode 0666, and server.socket.mode is 0660; write SocketMode=0660 in the socket \
                 unit",
            ),
        ),
        (
            0o660,
            Some(SocketGroup::Id(4_000_000)),
            Some("and server.socket.group is `4000000`; write SocketGroup=4000000 in the socket unit"),
        ),
    ] {
        let _ = fs::remove_file(&path);
        let listener = PassedListener::Unix(UnixListener::bind(&path).unwrap());
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let access = SocketAccess { group, ..SocketAccess::default() };
        let taken = ActivatedSocket { name: "grpc", listener }.into_socket(&address, &access);
        match (taken, expected) {
            (Ok(socket), None) => {
                // The file belongs to the service manager.
                drop(socket);
                assert!(path.exists());
            }
            (Err(error), Some(expected)) => assert!(error.to_string().ends_with(expected), "{error}"),
            (taken, expected) => panic!("{taken:?}, and not {expected:?}"),
        }
    }
    let own = fs::metadata(&path).unwrap().gid();
    let listener = {
        fs::remove_file(&path).unwrap();
        PassedListener::Unix(UnixListener::bind(&path).unwrap())
    };
    fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
    let access = SocketAccess { group: Some(SocketGroup::Id(own)), ..SocketAccess::default() };
    ActivatedSocket { name: "grpc", listener }.into_socket(&address, &access).unwrap();
}
