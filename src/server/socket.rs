//! The listening sockets themselves: opened, accepted from, and, in the file system, cleared away. Knows nothing of what is spoken
//! on a connection.

#[cfg(test)]
mod tests;

use super::connection::Stream;
use crate::net::listen_addr::{ListenAddr, SocketPath};
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener, UnixSocket};
use tokio::time::sleep;

/// How many connections wait to be accepted, at most; the system may allow fewer.
const BACKLOG: u32 = 1_024;
/// Who may connect to a socket in the file system: its owner and its group.
const MODE: u32 = 0o660;

/// How often the lock on a socket's folder is tried for, and how long after each try. One that starts holds it for a moment only;
/// but whoever may read the folder can hold it for ever.
const TRIES: (u32, Duration) = (30, Duration::from_millis(100));

/// Why a socket can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system says no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody serves there.
    #[error("another process serves there; stop it, or let this one listen elsewhere")]
    InUse,
    /// Something stands there that is no socket.
    #[error("there is a file that is not a socket; remove it if it is not needed, modgud does not")]
    NotASocket,
    /// Somebody keeps the lock on its folder.
    #[error("another process has kept its folder locked for {} seconds; end that process, or give the socket a folder that only modgud and Envoy may read", TRIES.1.saturating_mul(TRIES.0).as_secs())]
    Locked,
}

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// In the file system.
    Unix(UnixListener, SocketFile),
}

impl Socket {
    /// Opens the socket of an address.
    ///
    /// # Errors
    /// [`SocketError`] when it can't be had.
    pub async fn open(address: &ListenAddr) -> Result<Self, SocketError> {
        match address {
            ListenAddr::Tcp(address) => Ok(Self::tcp(*address).await?),
            ListenAddr::Unix(path) => Self::unix(path).await,
        }
    }

    /// Opens a socket of TCP.
    ///
    /// # Errors
    /// What the system says.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Opens a socket in the file system, in the place of one that nobody serves any more.
    async fn unix(path: &SocketPath) -> Result<Self, SocketError> {
        let path = path.as_path();
        // Two that start at once must not take each other's fresh socket for one that was left behind. Freed when it is dropped.
        let _folder = locked(path.parent().unwrap_or(path)).await?;
        clear(path)?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Before it listens: nobody who may not connect has done so.
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        let file = SocketFile::at(path)?;
        Ok(Self::Unix(socket.listen(BACKLOG)?, file))
    }

    /// Where it listens; for TCP with the port that was had.
    ///
    /// # Errors
    /// What the system says.
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
                // An answer is one small write: waiting for more would only delay it. Fails when the client is gone already.
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

/// A folder that is locked as long as it is held.
async fn locked(folder: &Path) -> Result<File, SocketError> {
    let folder = File::open(folder)?;
    let (tries, between) = TRIES;
    for _ in 0..tries {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) => sleep(between).await,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(SocketError::Locked)
}

/// Removes a socket that nobody serves any more.
fn clear(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(data) if !data.file_type().is_socket() => return Err(SocketError::NotASocket),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}

/// The file of a socket; removed when this is dropped, unless another one stands there by then.
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
            // Fails when the folder may not be written any more; the next start clears up then.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let data = fs::symlink_metadata(path)?;
    Ok((data.dev(), data.ino()))
}
