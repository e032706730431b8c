//! TCP connections. A failure shows that the server is away, that this machine is out of resources, or neither.

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::Service;

/// Timeout of connecting, over all addresses of a name. It is less than any request's timeout, so that a server that
/// accepts no connection is always reported as such.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Delay until the next address is tried in parallel (RFC 8305 §5).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(300);

/// Evidence from a failed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The server is away: its machine or the network reports so for each of its addresses, or its name has none.
    Away,
    /// The connection was established and then closed. The sent data can be the cause.
    Closed,
    /// This machine is out of ports, descriptors or memory. That is no evidence about the server, and many requests can
    /// cause it.
    Local,
    /// Anything else: a timeout, or an untrusted certificate.
    Unclear,
}

impl Evidence {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
        if is_local(error) {
            return Self::Local;
        }
        match error.kind() {
            ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable => Self::Away,
            AddrNotAvailable => Self::Local,
            _ => Self::Unclear,
        }
    }

    /// Combines failures at two addresses of a server: the weaker evidence counts.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Local, _) | (_, Self::Local) => Self::Local,
            (Self::Away, Self::Away) => Self::Away,
            (_, _) => Self::Unclear,
        }
    }
}

fn is_local(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const LOCAL: [Errno; 7] =
        [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| LOCAL.contains(&errno))
}

/// An error of connecting.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct ConnectError {
    error: io::Error,
    pub(super) evidence: Evidence,
}

impl ConnectError {
    fn new(error: io::Error) -> Self {
        let evidence = Evidence::of(&error);
        Self { error, evidence }
    }
}

/// A connector to the host of a URI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connector;

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let addresses = look_up(&uri).await?;
            let none = || ConnectError::new(io::ErrorKind::TimedOut.into());
            let stream = timeout(CONNECT_TIMEOUT, connect(addresses)).await.unwrap_or_else(|_| Err(none()))?;
            // Failure only delays requests.
            let _ = stream.set_nodelay(true);
            Ok(TokioIo::new(stream))
        })
    }
}

/// Resolves the addresses of a server; at least one.
async fn look_up(uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
    let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let away = |error| {
        let evidence = if is_local(&error) { Evidence::Local } else { Evidence::Away };
        ConnectError { error, evidence }
    };
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(away)?.collect();
    if addresses.is_empty() { Err(away(io::Error::other("the name has no address"))) } else { Ok(addresses) }
}

/// Tries each address in turn: the next one after a failure, or in parallel after a delay.
async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut rest = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut last: Option<ConnectError> = None;
    loop {
        if let Some(address) = rest.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        let next = match timeout(NEXT_ADDRESS_DELAY, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => ConnectError::new(error),
            Ok(Some(Err(error))) => ConnectError::new(error.into()),
            Ok(None) => return Err(last.unwrap_or_else(|| ConnectError::new(io::ErrorKind::NotFound.into()))),
            Err(_) => continue,
        };
        let evidence = last.map_or(next.evidence, |before| before.evidence.and(next.evidence));
        last = Some(ConnectError { evidence, ..next });
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectError, Evidence, connect, look_up};
    use rustix::io::Errno;
    use std::io;
    use tokio::net::TcpListener;

    #[test]
    fn only_what_no_client_can_cause_is_evidence_that_a_server_is_away() {
        for (errno, expected) in [
            (Errno::CONNREFUSED, Evidence::Away),
            (Errno::HOSTUNREACH, Evidence::Away),
            (Errno::NETUNREACH, Evidence::Away),
            (Errno::NETDOWN, Evidence::Away),
            (Errno::TIMEDOUT, Evidence::Unclear),
            (Errno::CONNRESET, Evidence::Unclear),
            (Errno::ACCESS, Evidence::Unclear),
            (Errno::MFILE, Evidence::Local),
            (Errno::NFILE, Evidence::Local),
            (Errno::ADDRNOTAVAIL, Evidence::Local),
            (Errno::NOBUFS, Evidence::Local),
            (Errno::NOMEM, Evidence::Local),
        ] {
            assert_eq!(ConnectError::new(errno.into()).evidence, expected, "{errno}");
        }
        assert_eq!(ConnectError::new(io::ErrorKind::TimedOut.into()).evidence, Evidence::Unclear);
    }

    #[test]
    fn one_address_with_other_evidence_is_enough() {
        use Evidence::{Away, Local, Unclear};
        for (one, other, expected) in
            [(Away, Away, Away), (Away, Unclear, Unclear), (Away, Local, Local), (Unclear, Local, Local)]
        {
            assert_eq!((one.and(other), other.and(one)), (expected, expected), "{one:?} {other:?}");
        }
    }

    #[tokio::test]
    async fn each_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        // A port without a listener.
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(connect(vec![gone, good]).await.unwrap().peer_addr().unwrap(), good);
        assert_eq!(connect(vec![gone, gone]).await.unwrap_err().evidence, Evidence::Away);
        let absent = look_up(&"https://absent.invalid/".parse().unwrap()).await.unwrap_err();
        assert_eq!(absent.evidence, Evidence::Away, "{absent}");
        let found = look_up(&"https://[::1]/".parse().unwrap()).await.unwrap();
        assert_eq!(found, ["[::1]:443".parse().unwrap()]);
    }
}
