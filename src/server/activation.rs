//! Socket activation: listeners that a service manager, such as systemd, opens and passes to modgud (`sd_listen_fds(3)`).
//!
//! A passed listener must be the configured one: `server.grpc` and `server.socket` stay the only place that says who can connect, so that
//! `modgud check` warns about it and `modgud envoy` writes its address. Its file belongs to the service manager, which also removes it.

#[cfg(test)]
mod tests;

use super::socket::Socket;
use crate::config::Environment;
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::{GroupError, SocketAccess};
use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{self, UnixListener};
use std::path::Path;

/// The maximum number of passed sockets: modgud has three listeners, and each of them at most one socket.
const MAX_ACTIVATED_SOCKETS: usize = 3;

/// The listeners that the service manager passed.
#[derive(Debug, Default)]
pub struct ActivatedSockets {
    /// The listener for checks.
    pub grpc: Option<ActivatedSocket>,
    /// The listener for checks over HTTP.
    pub http: Option<ActivatedSocket>,
    /// The listener for probes and metrics.
    pub admin: Option<ActivatedSocket>,
}

/// A listener that the service manager passed.
#[derive(Debug)]
pub struct ActivatedSocket {
    name: &'static str,
    listener: PassedListener,
}

#[derive(Debug)]
enum PassedListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A passed socket can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The variables of the protocol contradict each other.
    #[error("LISTEN_FDS is `{0}`, and not a number of sockets that the service manager passed")]
    Count(String),
    /// There are more sockets than listeners.
    #[error(
        "the service manager passed {0} sockets, but modgud has {MAX_ACTIVATED_SOCKETS} listeners; use one ListenStream= in the socket unit of \
         each"
    )]
    TooMany(usize),
    /// The name of a socket is not that of a listener.
    #[error(
        "the service manager passed a socket named `{0}`; write FileDescriptorName=grpc (server.grpc), FileDescriptorName=http \
         (server.http) or FileDescriptorName=admin (server.admin) in its socket unit"
    )]
    Name(String),
    /// Two sockets have one name.
    #[error("the service manager passed two sockets named `{0}`; use one ListenStream= for it")]
    Twice(&'static str),
    /// There is a socket for `server.http`, which the configuration omits.
    #[error(
        "the service manager passed a socket named `http`, but the configuration has no server.http; write one with the same address \
         (listen), or disable the socket unit"
    )]
    WithoutListener,
    /// The socket is not one that accepts stream connections.
    #[error(
        "the socket `{0}` of the service manager accepts no connections; write ListenStream=, and Accept=no, in its socket unit"
    )]
    NotAListener(&'static str),
    /// The socket has another address than the configuration.
    #[error(
        "the service manager passed {passed} as `{name}`, but server.{name} is {configured}; write the same address in the socket unit \
         (ListenStream=) and in the configuration"
    )]
    Address {
        /// The name of the listener.
        name: &'static str,
        /// The passed address.
        passed: String,
        /// The configured address.
        configured: ListenAddr,
    },
    /// The file of the socket admits more than the configuration.
    #[error(
        "the file of the passed socket `{name}` has the mode {passed:04o}, and server.socket.mode is {configured:04o}; write \
         SocketMode={configured:04o} in the socket unit"
    )]
    Mode {
        /// The name of the listener.
        name: &'static str,
        /// The mode of the file.
        passed: u32,
        /// The configured mode.
        configured: u32,
    },
    /// The file of the socket has another group than the configuration.
    #[error(
        "the file of the passed socket `{name}` has the group {passed}, and server.socket.group is `{configured}`; write \
         SocketGroup={configured} in the socket unit"
    )]
    Group {
        /// The name of the listener.
        name: &'static str,
        /// The number of the file's group.
        passed: u32,
        /// The configured group.
        configured: String,
    },
    /// The group of `server.socket.group` has no number.
    #[error("server.socket.group: `{group}`: {error}")]
    UnknownGroup {
        /// The group.
        group: String,
        /// The cause.
        error: GroupError,
    },
    /// The system reports an error.
    #[error("the socket `{name}` of the service manager can't be used: {error}")]
    Io {
        /// The name of the listener.
        name: &'static str,
        /// The cause.
        error: io::Error,
    },
}

impl ActivatedSockets {
    /// Takes the sockets that were passed to this process. There are none unless `LISTEN_PID` is its number: the variables can be
    /// inherited from another process.
    ///
    /// # Errors
    /// [`ActivationError`] if a socket is not one that modgud can use.
    pub fn take(environment: &Environment) -> Result<Self, ActivationError> {
        let mut sockets = Self::default();
        let own = std::process::id().to_string();
        let (Some(count), Some(pid)) = (environment.variable("LISTEN_FDS"), environment.variable("LISTEN_PID")) else {
            return Ok(sockets);
        };
        if pid != own {
            return Ok(sockets);
        }
        let count = count.parse().map_err(|_| ActivationError::Count(count))?;
        if count > MAX_ACTIVATED_SOCKETS {
            return Err(ActivationError::TooMany(count));
        }
        let names = environment.variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        for index in 0..count {
            let (name, slot) = match names.next().filter(|name| !name.is_empty()) {
                Some("grpc") => ("grpc", &mut sockets.grpc),
                Some("http") => ("http", &mut sockets.http),
                Some("admin") => ("admin", &mut sockets.admin),
                other => return Err(ActivationError::Name(other.unwrap_or("unknown").to_owned())),
            };
            if slot.is_some() {
                return Err(ActivationError::Twice(name));
            }
            *slot = Some(ActivatedSocket { name, listener: listener(&mut passed, index, name)? });
        }
        Ok(sockets)
    }
}

/// Returns the listener at this index.
fn listener(passed: &mut ListenFd, index: usize, name: &'static str) -> Result<PassedListener, ActivationError> {
    // An error leaves the socket in its place, for the other kind.
    let listener = match passed.take_tcp_listener(index) {
        Ok(Some(listener)) => PassedListener::Tcp(listener),
        Ok(None) => return Err(ActivationError::NotAListener(name)),
        Err(_) => match passed.take_unix_listener(index) {
            Ok(Some(listener)) => PassedListener::Unix(listener),
            Ok(None) | Err(_) => return Err(ActivationError::NotAListener(name)),
        },
    };
    let is_listening = match &listener {
        PassedListener::Tcp(listener) => socket_acceptconn(listener),
        PassedListener::Unix(listener) => socket_acceptconn(listener),
    };
    if is_listening.unwrap_or(false) { Ok(listener) } else { Err(ActivationError::NotAListener(name)) }
}

impl ActivatedSocket {
    /// Returns the socket, if it is the configured one.
    ///
    /// # Errors
    /// [`ActivationError`] if its address differs, or its file admits more.
    pub(super) fn into_socket(self, configured: &ListenAddr, access: &SocketAccess) -> Result<Socket, ActivationError> {
        let Self { name, listener } = self;
        let failed = |error| ActivationError::Io { name, error };
        let differs = |passed: String| ActivationError::Address { name, passed, configured: configured.clone() };
        match listener {
            PassedListener::Tcp(listener) => {
                let passed = listener.local_addr().map_err(failed)?;
                if !matches!(configured, ListenAddr::Tcp(configured) if is_same(passed, *configured)) {
                    return Err(differs(passed.to_string()));
                }
                listener.set_nonblocking(true).map_err(failed)?;
                tokio::net::TcpListener::from_std(listener).map(Socket::Tcp).map_err(failed)
            }
            PassedListener::Unix(listener) => {
                let passed = listener.local_addr().map_err(failed)?;
                if unix_path(&passed).as_deref()
                    != configured.unix_path().as_deref().map(Path::as_os_str).map(OsStrExt::as_bytes)
                {
                    return Err(differs(shown(&passed)));
                }
                if let Some(path) = passed.as_pathname() {
                    check_file(name, path, access)?;
                }
                listener.set_nonblocking(true).map_err(failed)?;
                let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
                Ok(Socket::Unix(listener, None))
            }
        }
    }
}

/// Returns true if a passed address is the configured one. The configured port 0 is any.
fn is_same(passed: SocketAddr, configured: SocketAddr) -> bool {
    let is_same_port = configured.port() == 0 || passed.port() == configured.port();
    is_same_port && passed.ip().to_canonical() == configured.ip().to_canonical()
}

/// Checks that the file of a socket admits no more than the configuration: systemd's default is mode 0666.
fn check_file(name: &'static str, path: &Path, access: &SocketAccess) -> Result<(), ActivationError> {
    let data = fs::symlink_metadata(path).map_err(|error| ActivationError::Io { name, error })?;
    let passed = data.mode() & 0o777;
    if passed & !access.mode != 0 {
        return Err(ActivationError::Mode { name, passed, configured: access.mode });
    }
    if let Some(group) = &access.group {
        let id = group.id().map_err(|error| ActivationError::UnknownGroup { group: group.to_string(), error })?;
        if data.gid() != id {
            return Err(ActivationError::Group { name, passed: data.gid(), configured: group.to_string() });
        }
    }
    Ok(())
}

/// Returns the address of a Unix socket as `ListenAddr::unix_path` does.
fn unix_path(address: &net::SocketAddr) -> Option<Vec<u8>> {
    match (address.as_pathname(), abstract_name(address)) {
        (Some(path), _) => Some(path.as_os_str().as_bytes().to_vec()),
        (None, Some(name)) => Some([b"\0", name].concat()),
        (None, None) => None,
    }
}

#[cfg(target_os = "linux")]
fn abstract_name(address: &net::SocketAddr) -> Option<&[u8]> {
    std::os::linux::net::SocketAddrExt::as_abstract_name(address)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &net::SocketAddr) -> Option<&[u8]> {
    None
}

/// Returns the address of a Unix socket for messages.
fn shown(address: &net::SocketAddr) -> String {
    match (address.as_pathname(), abstract_name(address)) {
        (Some(path), _) => format!("unix:{}", path.display()),
        (None, Some(name)) => format!("unix:@{}", name.escape_ascii()),
        (None, None) => "a socket without an address".to_owned(),
    }
}
