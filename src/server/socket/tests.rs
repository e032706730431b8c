use super::{Socket, SocketError};
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::{SocketAccess, SocketGroup};
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("check.sock");
    (folder, path)
}

async fn open(path: &Path) -> Result<Socket, SocketError> {
    let address: ListenAddr = format!("unix:{}", path.display()).parse().unwrap();
    Socket::open(&address, &SocketAccess::default()).await
}

#[tokio::test]
async fn owner_and_group_may_connect_and_the_file_goes_with_the_listener() {
    let (_folder, path) = folder();
    let socket = open(&path).await.unwrap();
    let data = fs::metadata(&path).unwrap();
    assert!(data.file_type().is_socket());
    assert_eq!(data.permissions().mode() & 0o777, 0o660);
    let (_client, accepted) = tokio::join!(tokio::net::UnixStream::connect(&path), socket.accept());
    accepted.unwrap();
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_mode_and_the_group_are_those_of_the_configuration() {
    let (folder, path) = folder();
    let address: ListenAddr = format!("unix:{}", path.display()).parse().unwrap();
    let own = fs::metadata(folder.path()).unwrap().gid();
    let access = SocketAccess { mode: 0o606, group: Some(SocketGroup::Id(own)) };
    let _socket = Socket::open(&address, &access).await.unwrap();
    let data = fs::metadata(&path).unwrap();
    assert_eq!((data.permissions().mode() & 0o777, data.gid()), (0o606, own));
}

#[tokio::test]
async fn an_unknown_group_is_an_error_and_leaves_no_file() {
    let (_folder, path) = folder();
    let address: ListenAddr = format!("unix:{}", path.display()).parse().unwrap();
    let group = Some(SocketGroup::Name("modgud-no-such-group".to_owned()));
    let error = Socket::open(&address, &SocketAccess { group, ..SocketAccess::default() }).await.unwrap_err();
    let expected =
        "server.socket.group: `modgud-no-such-group`: this machine has no such group; create it, or write its number";
    assert_eq!(error.to_string(), expected);
    assert!(!path.exists());
}

#[tokio::test]
async fn an_abstract_name_has_one_owner_and_no_file() {
    let address: ListenAddr = format!("unix:@modgud-test-{}", std::process::id()).parse().unwrap();
    let access = SocketAccess::default();
    let open = || Socket::open(&address, &access);
    let socket = open().await.unwrap();
    assert!(matches!(open().await, Err(SocketError::InUse)));
    let connect = tokio::net::UnixStream::connect(address.unix_path().unwrap());
    let (client, accepted) = tokio::join!(connect, socket.accept());
    drop((client.unwrap(), accepted.unwrap(), socket));
    open().await.unwrap();
}

#[tokio::test]
async fn what_a_dead_process_left_is_replaced() {
    let (_folder, path) = folder();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the standard library leaves it");
    let _socket = open(&path).await.unwrap();
    UnixStream::connect(&path).unwrap();
}

#[tokio::test]
async fn what_somebody_serves_is_left_alone() {
    let (_folder, path) = folder();
    let other = UnixListener::bind(&path).unwrap();
    assert!(matches!(open(&path).await, Err(SocketError::InUse)));
    UnixStream::connect(&path).unwrap();
    drop(other);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let (folder, path) = folder();
    fs::write(&path, "mine").unwrap();
    assert!(matches!(open(&path).await, Err(SocketError::NotASocket)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert!(matches!(open(&path).await, Err(SocketError::NotASocket)));
    fs::remove_dir(&path).unwrap();

    // Also a link to a stale socket: the link belongs to another program.
    let left = folder.path().join("left.sock");
    drop(UnixListener::bind(&left).unwrap());
    symlink(&left, &path).unwrap();
    assert!(matches!(open(&path).await, Err(SocketError::NotASocket)));
    assert!(path.is_symlink() && left.exists());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made() {
    let (folder, _) = folder();
    let below = folder.path().join("below/check.sock");
    let error = open(&below).await.unwrap_err();
    assert!(matches!(&error, SocketError::Io(error) if error.kind() == ErrorKind::NotFound), "{error}");
    assert!(!folder.path().join("below").exists());
}

/// The file of a successor that has replaced the socket stays.
#[tokio::test]
async fn another_ones_file_is_not_removed() {
    let (_folder, path) = folder();
    let socket = open(&path).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(socket);
    UnixStream::connect(&path).unwrap();
}

/// Of many that start at once in place of a dead one, one serves.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_gets_it() {
    for _ in 0..20 {
        let (_folder, path) = folder();
        drop(UnixListener::bind(&path).unwrap());
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let path = path.clone();
            opening.spawn(async move { open(&path).await });
        }
        let opened = opening.join_all().await;
        assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "{opened:?}");
        let refused = opened.iter().filter_map(|opened| opened.as_ref().err());
        assert!(refused.into_iter().all(|error| matches!(error, SocketError::InUse)), "{opened:?}");
        UnixStream::connect(&path).unwrap();
    }
}

#[tokio::test]
async fn a_socket_that_may_not_be_asked_is_no_dead_one() {
    let (_folder, path) = folder();
    let other = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // Root may connect all the same, and finds the socket in use.
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, SocketError::InUse | SocketError::Foreign { .. }), "{error}");
    assert!(path.exists());
    drop(other);
}

/// Any process that may read the folder can lock it: after a limited wait this is an error.
#[tokio::test(start_paused = true)]
async fn a_folder_that_somebody_keeps_locked_is_an_error() {
    let (folder, path) = folder();
    let other = File::open(folder.path()).unwrap();
    other.lock().unwrap();
    let error = open(&path).await.unwrap_err();
    let expected = "another process has kept its folder locked for 3 seconds; stop it, or use a folder that only modgud and Envoy may \
                    read";
    assert_eq!(error.to_string(), expected);
    assert!(!path.exists());
    // A lock that is released in time is waited for.
    let (opened, ()) = tokio::join!(open(&path), async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        drop(other);
    });
    opened.unwrap();
}
