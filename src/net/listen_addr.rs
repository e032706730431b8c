//! The address of a listener for checks: TCP, or a Unix socket with a path or an abstract name.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The prefix of a Unix socket.
const UNIX: &str = "unix:";
/// The first character of an abstract name, as Envoy writes it too.
const ABSTRACT: char = '@';
/// The maximum length of an abstract name: `sun_path` without the NUL that marks the name as abstract (unix(7)).
const NAME_BYTES: usize = 107;

/// The address of a listener for checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddr {
    /// An IP address and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(SocketPath),
    /// A socket in the abstract namespace of Linux.
    Abstract(AbstractName),
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

/// The name of an abstract socket, which has no file: every process in the same network namespace may connect (unix(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbstractName(String);

impl AbstractName {
    /// Returns the name with the `@` in place of its NUL, as Envoy takes it for a path.
    #[must_use]
    pub fn with_at(&self) -> String {
        format!("{ABSTRACT}{}", self.0)
    }

    /// Returns the name behind a NUL, which tokio and the system take for a path.
    #[must_use]
    pub fn to_path(&self) -> PathBuf {
        format!("\0{}", self.0).into()
    }

    /// Returns the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
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
    /// A name that an abstract socket can't have, or that a log could not show.
    #[error("the name of an abstract socket has 1 to {NAME_BYTES} visible ASCII characters, such as `unix:@modgud`")]
    Name,
}

impl ListenAddr {
    /// Returns true if only this machine can reach it: a Unix socket, or an address of the loopback interface.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) | Self::Abstract(_) => true,
        }
    }

    /// Returns true if two listeners with these addresses can't be open on one machine.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        let (Self::Tcp(one), Self::Tcp(other)) = (self, other) else { return self == other };
        let is_any = |address: &SocketAddr| address.ip().to_canonical().is_unspecified();
        let same = one.ip().to_canonical() == other.ip().to_canonical();
        one.port() != 0 && one.port() == other.port() && (same || is_any(one) || is_any(other))
    }

    /// Returns the path of a Unix socket, as tokio and the system take it; `None` for TCP.
    #[must_use]
    pub fn unix_path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(SocketPath(path)) => Some(path.clone()),
            Self::Abstract(name) => Some(name.to_path()),
        }
    }
}

impl FromStr for ListenAddr {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let unix = text.strip_prefix(UNIX);
        if let Some(name) = unix.and_then(|path| path.strip_prefix(ABSTRACT)) {
            let is_valid = (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
            return if is_valid { Ok(Self::Abstract(AbstractName(name.to_owned()))) } else { Err(AddressError::Name) };
        }
        match unix {
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
            Self::Abstract(AbstractName(name)) => write!(f, "{UNIX}{ABSTRACT}{name}"),
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
        let longest_name = format!("unix:@{}", "a".repeat(107));
        let paths = ["unix:/run/modgud/check.sock", "unix:/a b", &longest];
        let names = ["unix:@modgud", "unix:@modgud/check", "unix:@@", &longest_name];
        for text in ["127.0.0.1:9191", "[::1]:0"].into_iter().chain(paths).chain(names) {
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
            ("unix:@modgud", true),
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
    fn listeners_collide_on_one_port_or_socket() {
        for (one, other, collide) in [
            ("127.0.0.1:9191", "127.0.0.1:9191", true),
            ("127.0.0.1:9191", "127.0.0.1:9192", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:9191", "127.0.0.2:9191", false),
            ("0.0.0.0:9191", "127.0.0.1:9191", true),
            ("[::]:9191", "127.0.0.1:9191", true),
            ("[::ffff:127.0.0.1]:9191", "127.0.0.1:9191", true),
            ("unix:/run/a", "unix:/run/a", true),
            ("unix:/run/a", "unix:/run/b", false),
            ("unix:@a", "unix:@a", true),
            ("unix:@a", "127.0.0.1:9191", false),
        ] {
            let (one, other): (ListenAddr, ListenAddr) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((one.collides_with(&other), other.collides_with(&one)), (collide, collide), "{one} {other}");
        }
    }

    #[test]
    fn what_can_not_be_bound_is_none() {
        let longer = format!("unix:/{}", "a".repeat(107));
        let longer_name = format!("unix:@{}", "a".repeat(108));
        for (text, error) in [
            ("", AddressError::Form),
            ("9191", AddressError::Form),
            ("localhost:9191", AddressError::Form),
            ("/run/check.sock", AddressError::Form),
            ("UNIX:/run/check.sock", AddressError::Form),
            ("http://127.0.0.1:1", AddressError::Form),
            ("unix:", AddressError::Relative),
            ("unix:check.sock", AddressError::Relative),
            ("unix:@", AddressError::Name),
            ("unix:@a b", AddressError::Name),
            ("unix:@a\0b", AddressError::Name),
            ("unix:@é", AddressError::Name),
            (&longer_name, AddressError::Name),
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
