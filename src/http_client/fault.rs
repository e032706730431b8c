//! Why a server's answer could not be had. Texts name no address: whoever asked knows it, and shows it as it may be shown.

use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a server's answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// No connection, or none that can be trusted.
    #[error("no connection could be had: {0}")]
    Unreachable(Cause),
    /// The connection broke, or what came is no HTTP.
    #[error("the answer broke off or is no HTTP")]
    Broken,
    /// Not all of it came in time.
    #[error("there was no whole answer within {} ms", most.as_millis())]
    Time {
        /// How long was waited.
        most: Duration,
    },
    /// The server sends on to somewhere else.
    #[error("the answer is a redirect (status {}), and none is followed; name the address that it leads to", status.as_u16())]
    Redirect {
        /// The status.
        status: StatusCode,
    },
    /// The server did not answer with 200.
    #[error("the answer has status {}, and 200 is needed", status.as_u16())]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// More than is read.
    #[error("the answer is larger than {} KiB", most / 1024)]
    Size {
        /// The most bytes that would have been read.
        most: usize,
    },
}

/// What kept a connection from coming about, in the words of the system or of the TLS library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(Box<str>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FetchFault {
    pub(super) fn of_client(error: &hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() { Self::Unreachable(Cause::of(error)) } else { Self::Broken }
    }
}

impl Cause {
    /// The innermost error says what has happened; those around it say that it has.
    fn of(error: &dyn Error) -> Self {
        let mut innermost = error;
        while let Some(inner) = innermost.source() {
            innermost = inner;
        }
        Self(innermost.to_string().into())
    }
}
