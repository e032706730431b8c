//! A plain HTTP/1.1 exchange that sends exactly the given bytes: a well-behaved client would refuse to send what an attacker sends.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// Maximum time of an exchange.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum bytes of a response; the rest is not read.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The status.
    pub status: u16,
    /// The headers, in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A failure of an exchange.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The response did not arrive in time.
    #[error("no response within {} s", EXCHANGE_TIMEOUT.as_secs())]
    Timeout,
    /// The bytes are not an HTTP/1.1 response that this client can parse.
    #[error("the response is not plain HTTP/1.1")]
    NotHttp,
}

impl Exchange {
    /// Sends a GET request.
    ///
    /// # Errors
    /// [`HttpError`] if there is no response.
    pub async fn get(to: SocketAddr, path: &str) -> Result<Self, HttpError> {
        Self::send(to, "GET", path, &[]).await
    }

    /// Sends a request without a body.
    ///
    /// # Errors
    /// [`HttpError`] if there is no response.
    pub async fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Self, HttpError> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request.push_str("Host: api.example.com\r\n");
        }
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            request.push_str("Connection: close\r\n");
        }
        request.push_str("\r\n");
        Self::raw(to, request.as_bytes()).await
    }

    /// Sends these bytes, and reads until the peer closes the connection: the request has to ask for that.
    ///
    /// # Errors
    /// [`HttpError`] if there is no response.
    pub async fn raw(to: SocketAddr, request: &[u8]) -> Result<Self, HttpError> {
        let exchange = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
            parse(&answer)
        };
        timeout(EXCHANGE_TIMEOUT, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }

    /// Returns the first header of this name; `None` if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON; `null` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn parse(answer: &[u8]) -> Result<Exchange, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(answer) else { return Err(HttpError::NotHttp) };
    let text = |field: &httparse::Header<'_>| {
        (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
    };
    let headers: Vec<(String, String)> = head.headers.iter().map(text).collect();
    let rest = answer.get(length..).unwrap_or_default();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value.contains("chunked"));
    let body = if chunked { dechunk(rest).ok_or(HttpError::NotHttp)? } else { rest.to_vec() };
    Ok(Exchange { status: head.code.ok_or(HttpError::NotHttp)?, headers, body })
}

/// Decodes a chunked body (RFC 9112 §7.1); `None` if it is malformed.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) else { return None };
        let size = usize::try_from(size).ok()?;
        let chunk = rest.get(start..start.checked_add(size)?)?;
        body.extend_from_slice(chunk);
        if size == 0 {
            return Some(body);
        }
        rest = rest.get(start.checked_add(size)?.checked_add(2)?..)?;
    }
}
