//! Envoy's admin interface, as `drain` uses it: on this machine only, small responses, in bounded time.

use crate::net::listen_addr::{ListenAddr, SocketPath};
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Timeout of one request, from connecting to the end of the response: Envoy answers in milliseconds, and an overloaded one in seconds.
/// Beyond it the request is sent again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response head, 16 KiB: it bounds memory. Beyond it the request fails.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Maximum size of a response body, 1 MiB: room for some ten thousand listeners. Beyond it the request fails.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The value of `Host`. Envoy's admin interface accepts any.
const LOCALHOST: &str = "localhost";

/// The address of an admin interface on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AdminAddr {
    /// An address of the loopback interface.
    Loopback(SocketAddr),
    /// A socket in the file system.
    Unix(SocketPath),
}

/// The text is not the address of an admin interface on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAdminAddr {
    /// Another form.
    #[error(
        "write an IP address and a port, such as `127.0.0.1:9901` or `http://127.0.0.1:9901`, or a socket, such as `unix:/run/envoy/admin.sock`"
    )]
    Form,
    /// An address that others reach.
    #[error(
        "use an address of this machine, such as `127.0.0.1:9901`; the admin interface can end Envoy, so only this machine may reach it"
    )]
    Elsewhere,
}

impl FromStr for AdminAddr {
    type Err = NoAdminAddr;

    fn from_str(text: &str) -> Result<Self, NoAdminAddr> {
        let address = match text.strip_prefix("http://") {
            Some(url) => url.strip_suffix('/').unwrap_or(url),
            None => text,
        };
        if let Some(port) = address.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| NoAdminAddr::Form)?;
            return Ok(Self::Loopback(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        match address.parse::<ListenAddr>() {
            Ok(address) if !address.is_local() => Err(NoAdminAddr::Elsewhere),
            Ok(ListenAddr::Tcp(address)) => Ok(Self::Loopback(address)),
            Ok(ListenAddr::Unix(path)) if address == text => Ok(Self::Unix(path)),
            Ok(ListenAddr::Unix(_) | ListenAddr::Abstract(_)) | Err(_) => Err(NoAdminAddr::Form),
        }
    }
}

impl fmt::Display for AdminAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.as_path().display()),
        }
    }
}

/// An error of a request to the admin interface.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// No connection.
    #[error("{0}")]
    Connect(io::Error),
    /// The connection broke.
    #[error("the response is incomplete")]
    Broken,
    /// The response is not HTTP/1.1, or its head exceeds the limit.
    #[error("the response is not HTTP/1.1, or its head is larger than {} KiB", MAX_HEAD_BYTES / 1024)]
    NotHttp,
    /// The response was incomplete at the timeout.
    #[error("no complete response within {} s", REQUEST_TIMEOUT.as_secs())]
    Time,
    /// The status is not 200.
    #[error("the response has status {}, and 200 is required", .0.as_u16())]
    Status(StatusCode),
    /// The body exceeds the limit.
    #[error("the response is larger than {} KiB", MAX_BODY_BYTES / 1024)]
    Size,
}

impl From<hyper::Error> for AdminError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() { Self::NotHttp } else { Self::Broken }
    }
}

impl AdminError {
    /// Returns true if the connection was refused, and not only delayed by a full queue of a Unix socket.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() != io::ErrorKind::WouldBlock)
    }

    /// Returns true if no process listens on the address any more.
    pub(super) fn is_gone(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(self, Self::Connect(error) if matches!(error.kind(), ConnectionRefused | NotFound))
    }

    /// Returns true if another request would fail in the same way.
    pub(super) const fn is_lasting(&self) -> bool {
        match self {
            Self::NotHttp | Self::Status(_) | Self::Size => true,
            Self::Connect(_) | Self::Broken | Self::Time => false,
        }
    }
}

impl AdminAddr {
    /// Sends a request without a body on a connection of its own. Returns the body of a response with status 200.
    ///
    /// # Errors
    /// [`AdminError`] in every other case.
    pub(super) async fn send(&self, method: Method, target: &'static str) -> Result<Bytes, AdminError> {
        let exchange = async {
            match self {
                Self::Loopback(address) => {
                    exchange(TcpStream::connect(address).await.map_err(AdminError::Connect)?, method, target).await
                }
                Self::Unix(path) => {
                    exchange(UnixStream::connect(path.as_path()).await.map_err(AdminError::Connect)?, method, target)
                        .await
                }
            }
        };
        timeout(REQUEST_TIMEOUT, exchange).await.unwrap_or(Err(AdminError::Time))
    }
}

async fn exchange<S>(stream: S, method: Method, target: &'static str) -> Result<Bytes, AdminError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder().method(method).uri(target).header(HOST, LOCALHOST).body(Empty::<Bytes>::new());
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await?;
    // Aborted when this function returns, which closes the connection.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request.map_err(|_| AdminError::Broken)?).await?;
    if response.status() != StatusCode::OK {
        return Err(AdminError::Status(response.status()));
    }
    match Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(AdminError::Size),
        Err(_) => Err(AdminError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::{AdminAddr, NoAdminAddr};

    #[test]
    fn an_admin_interface_is_on_this_machine() {
        for (text, address) in [
            ("127.0.0.1:9901", "127.0.0.1:9901"),
            ("http://127.0.0.1:9901", "127.0.0.1:9901"),
            ("http://127.0.0.1:9901/", "127.0.0.1:9901"),
            ("http://localhost:1", "127.0.0.1:1"),
            ("localhost:1", "127.0.0.1:1"),
            ("[::1]:9901", "[::1]:9901"),
            ("http://[::1]:9901", "[::1]:9901"),
            ("unix:/run/envoy/admin.sock", "unix:/run/envoy/admin.sock"),
        ] {
            assert_eq!(text.parse::<AdminAddr>().map(|parsed| parsed.to_string()), Ok(address.to_owned()), "{text}");
        }
        for text in ["0.0.0.0:9901", "http://10.0.0.1:9901", "[::]:9901", "http://[::ffff:10.0.0.1]:9901"] {
            assert_eq!(text.parse::<AdminAddr>(), Err(NoAdminAddr::Elsewhere), "{text}");
        }
        for text in [
            "",
            "9901",
            "127.0.0.1",
            "localhost:",
            "https://127.0.0.1:9901",
            "http://127.0.0.1:9901/stats",
            "http://127.0.0.1:9901//",
            "http://unix:/run/envoy/admin.sock",
            "unix:admin.sock",
            "/run/envoy/admin.sock",
            "envoy:9901",
        ] {
            assert_eq!(text.parse::<AdminAddr>(), Err(NoAdminAddr::Form), "{text}");
        }
    }
}
