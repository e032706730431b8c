//! modgud's only HTTP client for other servers: small responses, in bounded time, from exactly the server that the
//! operator named. It enforces every limit on the wire.

mod connect;
mod date;
mod error;
mod grpc;
mod trust_anchors;
mod url;

pub use connect::Evidence;
pub use date::ClockOffset;
pub use error::{Cause, FetchError};
pub use grpc::{CallError, GrpcClient};
pub use trust_anchors::{CaError, TrustAnchors};
pub use url::{AllowInsecure, FetchUrl, UrlError};

use crate::clock::Clock;
use bytes::{Bytes, BytesMut};
use connect::Connector;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// Time to keep an idle connection for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of idle connections kept for one server; further ones are closed.
const IDLE_CONNECTIONS: usize = 4;
/// Maximum size of a response head, 32 KiB: it bounds memory. Beyond it the request fails.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// The name of this program in requests.
const AGENT: &str = concat!("modgud/", env!("CARGO_PKG_VERSION"));

/// The content type of a message of Protocol Buffers.
const PROTO: &str = "application/x-protobuf";

/// The content coding that changes nothing, and the only one that is read (RFC 9110 §8.4.1).
const IDENTITY: &str = "identity";

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a response body.
    pub bytes: usize,
    /// Timeout of the whole: DNS lookup, connection, request and response.
    pub time: Duration,
}

/// The method and content of a request.
pub enum FetchRequest<'a> {
    /// Gets the resource.
    Get,
    /// Posts a form.
    PostForm {
        /// modgud's own credential, as `Authorization`; `None` if it is among the fields.
        authorization: Option<&'a HeaderValue>,
        /// The fields, as `application/x-www-form-urlencoded`.
        form: Bytes,
    },
    /// Posts a message of Protocol Buffers, and expects one.
    PostProto {
        /// Headers of the operator's own, such as `Authorization`.
        headers: &'a HeaderMap,
        /// The encoded message.
        message: Bytes,
    },
}

impl fmt::Debug for FetchRequest<'_> {
    /// Omits the credential and the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get => f.write_str("Get"),
            Self::PostForm { .. } => f.write_str("PostForm(…)"),
            Self::PostProto { .. } => f.write_str("PostProto(…)"),
        }
    }
}

/// An HTTP client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct HttpClient(Client<HttpsConnector<Connector>, Full<Bytes>>);

impl HttpClient {
    /// Creates a client that trusts servers with certificates from these trust anchors.
    #[must_use]
    pub fn new(trust_anchors: TrustAnchors) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(trust_anchors.into_tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(https);
        Self(client)
    }

    /// Sends one request. It follows no redirect and uses no proxy. It retries only if an idle connection turns out to
    /// be closed before anything was sent on it. Returns the body of a response with status 200 unchanged.
    ///
    /// # Errors
    /// `FetchError` in every other case.
    pub async fn send(&self, url: &FetchUrl, request: FetchRequest<'_>, limits: Limits) -> Result<Bytes, FetchError> {
        self.send_timed(url, request, limits, &mut None).await
    }

    /// Sends one request like [`Self::send`]. Sets `clock` to the offset of the server's clock if a response has a `Date`, whatever its
    /// status is.
    ///
    /// # Errors
    /// The errors of [`Self::send`].
    pub async fn send_timed(
        &self,
        url: &FetchUrl,
        request: FetchRequest<'_>,
        limits: Limits,
        clock: &mut Option<ClockOffset>,
    ) -> Result<Bytes, FetchError> {
        let Limits { bytes, time } = limits;
        let exchange = async {
            let request = request.build(url)?;
            let sent = Clock::System.now();
            let response = self.0.request(request).await.map_err(|error| FetchError::of_client(&error))?;
            *clock = ClockOffset::read_now(response.headers(), sent);
            let status = response.status();
            if status.is_redirection() {
                return Err(FetchError::Redirect { status });
            }
            if status != StatusCode::OK {
                return Err(FetchError::Status { status });
            }
            check_coding(response.headers())?;
            read(response.into_body(), bytes).await
        };
        timeout(time, exchange).await.unwrap_or(Err(FetchError::Time { limit: time }))
    }
}

impl FetchRequest<'_> {
    fn build(self, url: &FetchUrl) -> Result<Request<Full<Bytes>>, FetchError> {
        let accepted = match &self {
            Self::Get | Self::PostForm { .. } => "application/json",
            Self::PostProto { .. } => PROTO,
        };
        let request = Request::builder()
            .uri(url.uri().clone())
            .header(HOST, url.authority())
            .header(ACCEPT, accepted)
            .header(ACCEPT_ENCODING, IDENTITY)
            .header(USER_AGENT, AGENT);
        let request = match self {
            Self::Get => request.method(Method::GET).body(Full::default()),
            Self::PostForm { authorization, form } => {
                let request = match authorization {
                    Some(authorization) => request.header(AUTHORIZATION, authorization),
                    None => request,
                };
                let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                request.method(Method::POST).body(Full::new(form))
            }
            Self::PostProto { headers, message } => {
                let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
                request.header(CONTENT_TYPE, PROTO).method(Method::POST).body(Full::new(message))
            }
        };
        // The parts are validated already; if the library rejected them nevertheless, nothing would have been sent.
        request.map_err(|_| FetchError::Broken)
    }
}

/// Checks that the body has no content coding: some servers compress although the request excludes it.
fn check_coding(headers: &HeaderMap) -> Result<(), FetchError> {
    let codings = headers.get_all(CONTENT_ENCODING);
    let other = |value: &&HeaderValue| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(IDENTITY.as_bytes());
    match codings.iter().find(other) {
        Some(value) => Err(FetchError::coding(value)),
        None => Ok(()),
    }
}

/// Reads a body of at most `limit` bytes. A body with a larger announced size is not read at all.
async fn read(mut body: impl BodyExt<Data = Bytes> + Unpin, limit: usize) -> Result<Bytes, FetchError> {
    let size = || FetchError::Size { limit };
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(size());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| FetchError::Broken)?.into_data() else { continue };
        if data.len() > limit.saturating_sub(whole.len()) {
            return Err(size());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests;
