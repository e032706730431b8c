//! The address of the check listener: TCP, or a socket in the file system.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The prefix of a socket in the file system.
const UNIX: &str = "unix:";

/// The address of the check listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// An IP address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(SocketPath),
}

/// The absolute path of a socket that the system can bind: without a NUL, and short enough for `sockaddr_un` (unix(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath(PathBuf);

impl SocketPath {
    /// Returns the path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

/// An error of parsing a [`ListenAddr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A text of neither form.
    #[error(
        "write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`, or a socket, such as `unix:/run/modgud/check.sock`"
    )]
    Form,
    /// A relative path, which would depend on the folder in which modgud was started.
    #[error("the path of a socket starts with `/`, such as `unix:/run/modgud/check.sock`")]
    Relative,
    /// A path that names a folder.
    #[error("the path of a socket ends with the name of a file, such as `unix:/run/modgud/check.sock`")]
    Folder,
    /// A path that a socket can't have.
    #[error("the path of a socket has at most 107 bytes and no NUL, such as `unix:/run/modgud/check.sock`")]
    Path,
}

impl ListenAddr {
    /// Returns true if only this machine can reach it: a socket in the file system, or an address of the loopback interface.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ListenAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix(UNIX) {
            None => text.parse().map(Self::Tcp).map_err(|_| AddressError::Form),
            Some(path) if !path.starts_with('/') => Err(AddressError::Relative),
            Some(path) if path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") => {
                Err(AddressError::Folder)
            }
            Some(path) => match net::SocketAddr::from_pathname(path) {
                Ok(_) => Ok(Self::Unix(SocketPath(path.into()))),
                Err(_) => Err(AddressError::Path),
            },
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.0.display()),
        }
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressError, ListenAddr};

    #[test]
    fn addresses_read_and_write_the_same() {
        let longest = format!("unix:/{}", "a".repeat(106));
        for text in ["127.0.0.1:9191", "[::1]:0", "unix:/run/modgud/check.sock", "unix:/a b", &longest] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn loopback_and_sockets_are_local() {
        for (text, local) in [
            ("127.0.0.1:9191", true),
            ("127.255.255.254:1", true),
            ("[::1]:9191", true),
            ("[::ffff:127.0.0.1]:9191", true),
            ("unix:/run/modgud/check.sock", true),
            ("0.0.0.0:9191", false),
            ("[::]:9191", false),
            ("[::ffff:0.0.0.0]:9191", false),
            ("[::ffff:10.0.0.1]:9191", false),
            ("10.0.0.1:9191", false),
            ("128.0.0.1:9191", false),
            ("[fe80::1]:9191", false),
        ] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().is_local(), local, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_bound_is_none() {
        let longer = format!("unix:/{}", "a".repeat(107));
        for (text, error) in [
            ("", AddressError::Form),
            ("9191", AddressError::Form),
            ("localhost:9191", AddressError::Form),
            ("/run/check.sock", AddressError::Form),
            ("UNIX:/run/check.sock", AddressError::Form),
            ("http://127.0.0.1:1", AddressError::Form),
            ("unix:", AddressError::Relative),
            ("unix:check.sock", AddressError::Relative),
            ("unix:@check", AddressError::Relative),
            ("unix:./check.sock", AddressError::Relative),
            ("unix:/", AddressError::Folder),
            ("unix:/run/", AddressError::Folder),
            ("unix:/run/.", AddressError::Folder),
            ("unix:/run/..", AddressError::Folder),
            ("unix:/run\0/check.sock", AddressError::Path),
            (&longer, AddressError::Path),
        ] {
            assert_eq!(text.parse::<ListenAddr>(), Err(error), "{text}");
        }
    }
}
