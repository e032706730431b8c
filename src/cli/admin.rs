//! Admin interfaces over plain HTTP, Envoy's and modgud's, as commands use them: bounded responses, in bounded time.

use crate::clock::Clock;
use crate::http_client::ClockOffset;
use crate::net::listen_addr::{ListenAddr, SocketPath};
use crate::net::upstream_addr::HostPort;
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Timeout of one request, from connecting to the end of the response: Envoy answers in milliseconds, and an overloaded one in seconds.
/// Beyond it the request fails.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response head, 16 KiB: it bounds memory. Beyond it the request fails.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Maximum size of a response body, 1 MiB: room for some ten thousand listeners. Beyond it the request fails.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The value of `Host` on a Unix socket. Envoy's admin interface accepts any.
const LOCALHOST: &str = "localhost";

/// The limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Maximum size of the body.
    pub(super) bytes: usize,
    /// Timeout, from connecting to the end of the response.
    pub(super) time: Duration,
}

impl Limits {
    /// The limits of small responses.
    pub(super) const SMALL: Self = Self { bytes: MAX_BODY_BYTES, time: REQUEST_TIMEOUT };
}

/// The address of an admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AdminAddr {
    /// A host and a port.
    Network(HostPort),
    /// A socket in the file system.
    Unix(SocketPath),
}

/// The text is not the address of an admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host and a port, such as `127.0.0.1:9901` or `http://127.0.0.1:9901`, or a socket, such as `unix:/run/envoy/admin.sock`"
)]
pub(super) struct NoAdminAddr;

impl FromStr for AdminAddr {
    type Err = NoAdminAddr;

    fn from_str(text: &str) -> Result<Self, NoAdminAddr> {
        if text.starts_with("unix:") {
            return match text.parse() {
                Ok(ListenAddr::Unix(path)) => Ok(Self::Unix(path)),
                Ok(ListenAddr::Tcp(_) | ListenAddr::Abstract(_)) | Err(_) => Err(NoAdminAddr),
            };
        }
        let address = match text.strip_prefix("http://") {
            Some(url) => url.strip_suffix('/').unwrap_or(url),
            None => text,
        };
        address.parse().map(Self::Network).map_err(|_| NoAdminAddr)
    }
}

impl AdminAddr {
    /// Returns the address of a listener from this machine; `None` if its port is 0, which means any free one.
    pub(super) fn of(listener: SocketAddr) -> Option<Self> {
        let ip = match listener.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, listener.port()).to_string().parse().ok().map(Self::Network)
    }
}

impl fmt::Display for AdminAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.as_path().display()),
        }
    }
}

/// The address of an admin interface on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalAdminAddr(AdminAddr);

/// The text is not the address of an admin interface on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoLocalAdminAddr {
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

impl FromStr for LocalAdminAddr {
    type Err = NoLocalAdminAddr;

    fn from_str(text: &str) -> Result<Self, NoLocalAdminAddr> {
        let address = text.parse().map_err(|NoAdminAddr| NoLocalAdminAddr::Form)?;
        let AdminAddr::Network(network) = &address else { return Ok(Self(address)) };
        let (host, port) = (network.host(), network.port());
        let ip = if host == LOCALHOST { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse::<IpAddr>().ok() };
        let listener = SocketAddr::new(ip.ok_or(NoLocalAdminAddr::Form)?, port);
        if !ListenAddr::Tcp(listener).is_local() {
            return Err(NoLocalAdminAddr::Elsewhere);
        }
        AdminAddr::of(listener).map(Self).ok_or(NoLocalAdminAddr::Form)
    }
}

impl fmt::Display for LocalAdminAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl LocalAdminAddr {
    /// Sends a request like [`AdminAddr::send`], and returns the body of a small response with status 200.
    ///
    /// # Errors
    /// [`AdminError`] in every other case.
    pub(super) async fn send(&self, method: Method, target: &str) -> Result<Bytes, AdminError> {
        self.0.send(method, target, Limits::SMALL).await?.good()
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// The offset of the clock of the server; `None` without a `Date`.
    pub(super) clock: Option<ClockOffset>,
}

impl Response {
    /// Returns the body of a response with status 200.
    ///
    /// # Errors
    /// [`AdminError::Status`].
    pub(super) fn good(self) -> Result<Bytes, AdminError> {
        if self.status == StatusCode::OK { Ok(self.body) } else { Err(AdminError::Status(self.status)) }
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
    #[error("no complete response within {} s", .0.as_secs())]
    Time(Duration),
    /// The status is not 200.
    #[error("the response has status {}, and 200 is required", .0.as_u16())]
    Status(StatusCode),
    /// The body exceeds the limit.
    #[error("the response is larger than {} KiB", .0 / 1024)]
    Size(usize),
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
            Self::NotHttp | Self::Status(_) | Self::Size(_) => true,
            Self::Connect(_) | Self::Broken | Self::Time(_) => false,
        }
    }
}

impl AdminAddr {
    /// Sends a request without a body on a connection of its own. Returns the response, whatever its status is.
    ///
    /// # Errors
    /// [`AdminError`] if there is none within the limits.
    pub(super) async fn send(&self, method: Method, target: &str, limits: Limits) -> Result<Response, AdminError> {
        let exchange = async {
            match self {
                Self::Network(address) => {
                    let stream = TcpStream::connect((address.host(), address.port())).await;
                    let request = (method, target, &*address.to_string());
                    exchange(stream.map_err(AdminError::Connect)?, request, limits.bytes).await
                }
                Self::Unix(path) => {
                    let stream = UnixStream::connect(path.as_path()).await;
                    let request = (method, target, LOCALHOST);
                    exchange(stream.map_err(AdminError::Connect)?, request, limits.bytes).await
                }
            }
        };
        timeout(limits.time, exchange).await.unwrap_or(Err(AdminError::Time(limits.time)))
    }
}

async fn exchange<S>(
    stream: S,
    (method, target, host): (Method, &str, &str),
    max_bytes: usize,
) -> Result<Response, AdminError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::builder().method(method).uri(target).header(HOST, host).body(Empty::<Bytes>::new());
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await?;
    // Aborted when this function returns, which closes the connection.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let sent = Clock::System.now();
    let response = sender.send_request(request.map_err(|_| AdminError::Broken)?).await?;
    let (status, clock) = (response.status(), ClockOffset::read_now(response.headers(), sent));
    match Limited::new(response.into_body(), max_bytes).collect().await {
        Ok(body) => Ok(Response { status, body: body.to_bytes(), clock }),
        Err(error) if error.is::<LengthLimitError>() => Err(AdminError::Size(max_bytes)),
        Err(_) => Err(AdminError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::{AdminAddr, LocalAdminAddr, NoAdminAddr, NoLocalAdminAddr};

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
            let parsed = text.parse::<LocalAdminAddr>().map(|parsed| parsed.to_string());
            assert_eq!(parsed, Ok(address.to_owned()), "{text}");
        }
        for text in ["10.0.0.1:9901", "http://10.0.0.1:9901", "http://[::ffff:10.0.0.1]:9901"] {
            assert_eq!(text.parse::<LocalAdminAddr>(), Err(NoLocalAdminAddr::Elsewhere), "{text}");
        }
        for text in ["", "envoy:9901", "unix:admin.sock", "https://127.0.0.1:9901"] {
            assert_eq!(text.parse::<LocalAdminAddr>(), Err(NoLocalAdminAddr::Form), "{text}");
        }
    }

    #[test]
    fn an_admin_interface_has_a_host_and_a_port_or_a_socket() {
        for (text, address) in [
            ("envoy:9901", "envoy:9901"),
            ("http://Envoy:9901/", "envoy:9901"),
            ("10.0.0.1:9901", "10.0.0.1:9901"),
            ("unix:/run/envoy/admin.sock", "unix:/run/envoy/admin.sock"),
        ] {
            assert_eq!(text.parse::<AdminAddr>().map(|parsed| parsed.to_string()), Ok(address.to_owned()), "{text}");
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
        ] {
            assert_eq!(text.parse::<AdminAddr>(), Err(NoAdminAddr), "{text}");
        }
        let of = |text: &str| AdminAddr::of(text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(of("0.0.0.0:9192").as_deref(), Some("127.0.0.1:9192"));
        assert_eq!(of("[::]:9192").as_deref(), Some("[::1]:9192"));
        assert_eq!(of("127.0.0.1:0"), None);
    }
}
