//! Errors of requests to other servers. Texts name no address: the caller knows it, and which part of it is fit to
//! show.

use super::connect::{ConnectError, Evidence};
use http::{HeaderValue, StatusCode};
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// An error of a request to another server.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or no trusted one.
    #[error("connection failed: {0}")]
    Unreachable(Cause),
    /// The connection broke, or the response is not HTTP.
    #[error("the response is incomplete or not HTTP")]
    Broken,
    /// The response was incomplete at the timeout.
    #[error("no complete response within {} ms", limit.as_millis())]
    Time {
        /// The timeout.
        limit: Duration,
    },
    /// The server redirects elsewhere.
    #[error("the response is a redirect (status {}), which modgud does not follow; use the address that it leads to", status.as_u16())]
    Redirect {
        /// The status.
        status: StatusCode,
    },
    /// The status is not 200.
    #[error("the response has status {}, and 200 is required", status.as_u16())]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// The response has a content coding.
    #[error("the response has the content coding {coding}, although modgud requests none; serve it uncompressed")]
    Coding {
        /// The coding, quoted.
        coding: Box<str>,
    },
    /// The response exceeds the limit.
    #[error("the response is larger than {} KiB", limit / 1024)]
    Size {
        /// Maximum size in bytes.
        limit: usize,
    },
}

/// The cause of a failed connection, in the words of the system or of the TLS library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    text: Box<str>,
    evidence: Evidence,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FetchError {
    /// Names a content coding, if it looks like one.
    pub(super) fn coding(value: &HeaderValue) -> Self {
        let plain = |text: &&str| text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let coding =
            value.to_str().ok().filter(plain).map_or_else(|| "of its own".to_owned(), |text| format!("`{text}`"));
        Self::Coding { coding: coding.into() }
    }

    pub(super) fn of_client(error: &hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() { Self::Unreachable(Cause::of(error)) } else { Self::Broken }
    }
}

impl Cause {
    /// Takes the text of the innermost error: it names the cause, and the outer ones only report a failure.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        let mut evidence = Evidence::Unclear;
        loop {
            match innermost.downcast_ref::<ConnectError>() {
                Some(error) => evidence = error.evidence,
                None if is_closed(innermost) => evidence = Evidence::Closed,
                None => {}
            }
            match inner(innermost) {
                Some(inner) => innermost = inner,
                None => return Self { text: innermost.to_string().into(), evidence },
            }
        }
    }

    /// Returns the evidence about the server.
    #[must_use]
    pub const fn evidence(&self) -> Evidence {
        self.evidence
    }
}

/// Returns the inner error. For an I/O error, `source()` skips one level.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let of_system = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    of_system.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

/// Returns true if an established connection was closed before the TLS handshake ended.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_some_and(|kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

#[cfg(test)]
impl FetchError {
    /// Returns a connection error with this evidence.
    pub(crate) fn unreachable(evidence: Evidence) -> Self {
        Self::Unreachable(Cause { text: "a test".into(), evidence })
    }
}
