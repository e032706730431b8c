//! The listening sockets: opened, accepted from, and, in the file system, removed.

#[cfg(test)]
mod tests;

use super::connection::Stream;
use crate::net::listen_addr::{AbstractName, ListenAddr, SocketPath};
use crate::net::socket_access::{GroupError, SocketAccess, SocketGroup};
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};
use tokio::time::sleep;

/// Maximum number of connections that wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 1_024;

/// Number of attempts to lock a socket's folder, and the pause after each. A process that starts holds the lock for a moment only, but any
/// process that may read the folder can hold it for ever. Beyond it the socket can't be opened.
const LOCK_TRIES: (u32, Duration) = (30, Duration::from_millis(100));

/// A failure to open a socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system reports an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another process serves there.
    #[error("another process listens there; stop it, or use another address")]
    InUse,
    /// The file there is not a socket.
    #[error("another kind of file is there; remove it, or use another address")]
    NotASocket,
    /// The socket there does not admit modgud, which therefore can't ask if a process serves it.
    #[error(
        "a socket of user {owner} is there, and modgud, which may not connect to it, can't tell if a process serves it; remove it if not, or \
         use another address"
    )]
    Foreign {
        /// The owner of the file.
        owner: u32,
    },
    /// The socket of a dead process can't be removed.
    #[error(
        "a socket that no process serves is there, and modgud can't remove it: {0}; remove it, or use another folder"
    )]
    Stale(io::Error),
    /// The group of `server.socket.group` has no number.
    #[error("server.socket.group: `{group}`: {error}")]
    Group {
        /// The group.
        group: SocketGroup,
        /// The cause.
        error: GroupError,
    },
    /// The socket can't be given to the group of `server.socket.group`.
    #[error(
        "server.socket.group: the socket can't be given to the group `{group}`: {error}; make modgud's user a member of it (systemd: \
         SupplementaryGroups=, Kubernetes: supplementalGroups or fsGroup), or use a group that it is in"
    )]
    Chown {
        /// The group.
        group: SocketGroup,
        /// The cause.
        error: io::Error,
    },
    /// Another process keeps the folder locked.
    #[error("another process has kept its folder locked for {} seconds; stop it, or use a folder that only modgud and Envoy may read", LOCK_TRIES.1.saturating_mul(LOCK_TRIES.0).as_secs())]
    Locked,
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket, and its file if modgud made one.
    Unix(UnixListener, Option<SocketFile>),
}

impl Socket {
    /// Opens the socket of an address; `access` is for the file of a Unix socket.
    ///
    /// # Errors
    /// [`SocketError`] if it can't be opened.
    pub async fn open(address: &ListenAddr, access: &SocketAccess) -> Result<Self, SocketError> {
        match address {
            ListenAddr::Tcp(address) => Ok(Self::tcp(*address).await?),
            ListenAddr::Unix(path) => Self::unix(path, access).await,
            ListenAddr::Abstract(name) => Self::without_file(name),
        }
    }

    /// Opens a TCP socket.
    ///
    /// # Errors
    /// `io::Error` if the address can't be bound.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Opens a Unix socket, and replaces one that no process serves any more.
    async fn unix(path: &SocketPath, access: &SocketAccess) -> Result<Self, SocketError> {
        let path = path.as_path();
        let group = access.group.as_ref().map(group_id).transpose()?;
        // Two processes that start at once must not take each other's fresh socket for a stale one. Released on drop.
        let _folder = locked(path.parent().unwrap_or(path)).await?;
        clear(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // First of all, so that a failure below leaves no file.
        let file = SocketFile::at(path)?;
        // Before it listens, so that only permitted processes ever connect.
        if let Some((group, id)) = group {
            lchown(path, None, Some(id)).map_err(|error| SocketError::Chown { group, error })?;
        }
        fs::set_permissions(path, Permissions::from_mode(access.mode))?;
        Ok(Self::Unix(socket.listen(BACKLOG)?, Some(file)))
    }

    /// Opens an abstract socket. Its name is free as soon as its process ends.
    fn without_file(name: &AbstractName) -> Result<Self, SocketError> {
        let socket = UnixSocket::new_stream()?;
        socket.bind(name.to_path()).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => SocketError::InUse,
            _ => SocketError::Io(error),
        })?;
        Ok(Self::Unix(socket.listen(BACKLOG)?, None))
    }

    /// Returns the address of a TCP socket, with its actual port; `None` for a Unix socket.
    ///
    /// # Errors
    /// `io::Error` if the system can't report it.
    pub fn tcp_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(..) => Ok(None),
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // A response is one small write: waiting for more would only delay it. Fails if the client is gone already.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Returns a group and its number.
fn group_id(group: &SocketGroup) -> Result<(SocketGroup, u32), SocketError> {
    match group.id() {
        Ok(id) => Ok((group.clone(), id)),
        Err(error) => Err(SocketError::Group { group: group.clone(), error }),
    }
}

/// Locks a folder until the returned file is dropped.
async fn locked(folder: &Path) -> Result<File, SocketError> {
    let folder = File::open(folder)?;
    let (tries, between) = LOCK_TRIES;
    for _ in 0..tries {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) => sleep(between).await,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(SocketError::Locked)
}

/// Removes a socket that no process serves any more.
async fn clear(path: &Path) -> Result<(), SocketError> {
    let data = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(data) if !data.file_type().is_socket() => return Err(SocketError::NotASocket),
        Ok(data) => data,
    };
    // Never blocks: a process whose queue is full may not accept for a long time.
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::InUse),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(SocketError::InUse),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(SocketError::Stale),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(SocketError::Foreign { owner: data.uid() }),
        Err(error) => Err(error.into()),
    }
}

/// The file of a socket, removed on drop unless another one has replaced it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_path_buf(), id: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|id| id == self.id) {
            // Fails if the folder is not writable any more; the next start removes the file then.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let data = fs::symlink_metadata(path)?;
    Ok((data.dev(), data.ino()))
}
