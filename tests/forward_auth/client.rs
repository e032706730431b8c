//! A proxy as modgud sees it: bytes that are sent as they are, and the responses to them.

use modgud::forward_auth::Proxy;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a response may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Every proxy.
pub(crate) const PROXIES: [Proxy; 5] = [Proxy::Envoy, Proxy::Nginx, Proxy::Traefik, Proxy::Caddy, Proxy::Haproxy];

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// In order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Every value of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header; `None` if it is missing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.first().copied()
    }
}

/// A connection of a proxy.
pub(crate) struct Client<S = TcpStream>(BufReader<S>);

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends bytes; a peer that has closed the connection is no error.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// The next response, which has a body unless it answers `HEAD`; `None` at the end of the connection.
    pub(crate) async fn next(&mut self, has_body: bool) -> Option<Reply> {
        let reading = async {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or_default() == 0 {
                return None;
            }
            let status = line.strip_prefix("HTTP/1.1 ").or(line.strip_prefix("HTTP/1.0 ")).unwrap().get(..3).unwrap();
            let mut reply = Reply { status: status.parse().unwrap(), headers: Vec::new(), body: Vec::new() };
            loop {
                let mut line = Vec::new();
                self.0.read_until(b'\n', &mut line).await.unwrap();
                let line = line.strip_suffix(b"\r\n").unwrap();
                if line.is_empty() {
                    break;
                }
                let colon = line.iter().position(|byte| *byte == b':').unwrap();
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
                reply.headers.push((text(&line[..colon]).to_ascii_lowercase(), text(&line[colon + 1..])));
            }
            let length: usize = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
            if has_body {
                reply.body.resize(length, 0);
                self.0.read_exact(&mut reply.body).await.unwrap();
            }
            Some(reply)
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no response in time"))
    }

    /// Sends bytes, and returns the response to them.
    pub(crate) async fn ask(&mut self, bytes: &[u8]) -> Reply {
        self.send(bytes).await;
        self.next(true).await.unwrap_or_else(|| panic!("no response to {}", String::from_utf8_lossy(bytes)))
    }

    /// Whether the peer closes the connection, and sends nothing before.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(PATIENCE, self.0.read(&mut byte)).await.unwrap_or_else(|_| panic!("it stays open"));
        read.map_or(true, |read| read == 0)
    }
}

/// A client's request, as a proxy tells it.
#[derive(Debug, Clone)]
pub(crate) struct Told<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) host: &'a [u8],
    /// The client's headers, and those that a proxy adds to them.
    pub(crate) headers: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Told<'a> {
    pub(crate) fn new(method: &'a str, target: &'a str, headers: &[(&'a str, &'a str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Self { method: method.as_bytes(), target: target.as_bytes(), host: b"api.example.com", headers }
    }

    /// The bytes that this proxy sends, with an `X-Forwarded-Proto` of its own unless the request has one.
    pub(crate) fn bytes(&self, proxy: Proxy) -> Vec<u8> {
        let Self { method, target, host, headers } = self;
        let is_proto = |(name, _): &(&[u8], &[u8])| name.eq_ignore_ascii_case(b"x-forwarded-proto");
        let proto: &[u8] = if headers.iter().any(is_proto) { b"" } else { b"X-Forwarded-Proto: https\r\n" };
        let line = |name: &str, value: &[u8]| [name.as_bytes(), b": ", value, b"\r\n"].concat();
        let described = match proxy {
            Proxy::Envoy => [method, b" ".as_slice(), target, b" HTTP/1.1\r\n", &line("Host", host), proto].concat(),
            Proxy::Nginx | Proxy::Haproxy => [
                b"GET /auth HTTP/1.1\r\nHost: modgud\r\n".as_slice(),
                &line("X-Original-Method", method),
                &line("X-Original-URI", target),
                &line("X-Original-Host", host),
                proto,
            ]
            .concat(),
            Proxy::Traefik | Proxy::Caddy => [
                b"GET /auth HTTP/1.1\r\nHost: modgud\r\n".as_slice(),
                &line("X-Forwarded-Method", method),
                &line("X-Forwarded-Uri", target),
                &line("X-Forwarded-Host", host),
                proto,
            ]
            .concat(),
        };
        let own: Vec<u8> =
            headers.iter().flat_map(|(name, value)| [name, b": ".as_slice(), value, b"\r\n"].concat()).collect();
        [described, own, b"\r\n".to_vec()].concat()
    }
}
