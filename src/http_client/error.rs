//! Why a server's answer could not be had. Texts name no address: whoever asked knows it, and shows it as it may be shown.

use super::connect::{ConnectError, Shown};
use http::StatusCode;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a server's answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
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
pub struct Cause {
    text: Box<str>,
    shows: Shown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FetchError {
    pub(super) fn of_client(error: &hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() { Self::Unreachable(Cause::of(error)) } else { Self::Broken }
    }
}

impl Cause {
    /// The innermost error says what has happened; those around it say that it has.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        let mut shows = Shown::Unclear;
        loop {
            match innermost.downcast_ref::<ConnectError>() {
                Some(fault) => shows = fault.shows,
                None if is_closed(innermost) => shows = Shown::Closed,
                None => {}
            }
            match inner(innermost) {
                Some(inner) => innermost = inner,
                None => return Self { text: innermost.to_string().into(), shows },
            }
        }
    }

    /// What it shows of the server.
    #[must_use]
    pub const fn shows(&self) -> Shown {
        self.shows
    }
}

/// What an error is about. That of the system's errors leaves out one level.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let of_system = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    of_system.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

/// Whether a connection that had come about was closed, before TLS was agreed upon.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_some_and(|kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

#[cfg(test)]
impl FetchError {
    /// No connection, for a cause that shows this.
    pub(crate) fn unreachable(shows: Shown) -> Self {
        Self::Unreachable(Cause { text: "a test".into(), shows })
    }
}
