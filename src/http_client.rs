//! The one HTTP client that modgud asks other servers with: small answers, in bounded time, from exactly the server that the
//! operator named. Owns every limit on the wire; knows nothing of keys or tokens, and keeps no answer.

mod body;
mod connect;
mod error;
mod trust_anchors;
mod url;

pub use connect::Shown;
pub use error::{Cause, FetchError};
pub use trust_anchors::{CaError, TrustAnchors};
pub use url::{AllowInsecure, FetchUrl, UrlError};

use bytes::Bytes;
use connect::Connector;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// How long a connection may be kept for a next question.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many connections are kept for one server.
const IDLE_CONNECTIONS: usize = 4;
/// The most that is read of an answer's head: 32 KiB.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What one question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of an answer's body.
    pub bytes: usize,
    /// How long the whole may take: the name, the connection, the question and the answer.
    pub time: Duration,
}

/// What is asked.
pub enum FetchRequest<'a> {
    /// What stands at the address.
    Get,
    /// A form is sent there.
    PostForm {
        /// The credential of modgud itself, as `Authorization`; `None` when it stands among the fields.
        authorization: Option<&'a HeaderValue>,
        /// The fields, as `application/x-www-form-urlencoded`.
        form: Bytes,
    },
}

impl fmt::Debug for FetchRequest<'_> {
    /// Neither the credential nor what is sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get => f.write_str("Get"),
            Self::PostForm { .. } => f.write_str("PostForm(…)"),
        }
    }
}

/// A client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct HttpClient(Client<HttpsConnector<Connector>, Full<Bytes>>);

impl HttpClient {
    /// A client that trusts servers whose certificates lead to these roots.
    #[must_use]
    pub fn new(roots: TrustAnchors) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(roots.into_tls())
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

    /// Asks once: no redirect is followed, no proxy is used, and the question is put again only when a connection that had been
    /// kept turns out to be closed before anything was sent on it. The body of an answer with status
    /// 200 is given as it came.
    ///
    /// # Errors
    /// Everything but such an answer.
    pub async fn ask(&self, url: &FetchUrl, question: FetchRequest<'_>, limits: Limits) -> Result<Bytes, FetchError> {
        let Limits { bytes, time } = limits;
        let asked = async {
            let answer =
                self.0.request(request(url, question)?).await.map_err(|error| FetchError::of_client(&error))?;
            let status = answer.status();
            if status.is_redirection() {
                return Err(FetchError::Redirect { status });
            }
            if status != StatusCode::OK {
                return Err(FetchError::Status { status });
            }
            body::read(answer.into_body(), bytes).await
        };
        timeout(time, asked).await.unwrap_or(Err(FetchError::Time { most: time }))
    }
}

fn request(url: &FetchUrl, question: FetchRequest<'_>) -> Result<Request<Full<Bytes>>, FetchError> {
    const AGENT: &str = concat!("modgud/", env!("CARGO_PKG_VERSION"));
    let request = Request::builder()
        .uri(url.uri().clone())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT);
    let request = match question {
        FetchRequest::Get => request.method(Method::GET).body(Full::default()),
        FetchRequest::PostForm { authorization, form } => {
            let request = match authorization {
                Some(authorization) => request.header(AUTHORIZATION, authorization),
                None => request,
            };
            request.method(Method::POST).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Full::new(form))
        }
    };
    // What it is made of has been checked; were it refused nevertheless, nothing would have been sent.
    request.map_err(|_| FetchError::Broken)
}

#[cfg(test)]
mod tests;
