//! The heads of the requests on one connection: the time in which each must arrive, and what the HTTP library does not report about it.

use super::super::accept::HANDSHAKE_TIMEOUT;
use super::super::connection::Connection;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Maximum bytes of a request line and its headers. Proxies admit 32 to 64 KiB of a client, and add their own.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A connection that fails if a head takes too long. A head begins with its first byte: a proxy may leave a connection idle for any time.
pub(super) struct RequestHeads {
    connection: Connection,
    position: Position,
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The position in the bytes that were read. No body is skipped: a request with one is the last of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before a head.
    Between,
    /// In a request line.
    RequestLine,
    /// In the fields, at the beginning of a line.
    LineStart,
    /// In the fields, within a line.
    Line,
}

impl Position {
    /// Reads bytes, and returns true if a head ended. A `#` in a request line becomes a character that no request line may have: the HTTP
    /// library would cut the target off there, and the decision would be on another target than the proxy's.
    fn read(&mut self, bytes: &mut [u8]) -> bool {
        let mut has_ended = false;
        for byte in bytes {
            has_ended |= *self == Self::LineStart && *byte == b'\n';
            *self = match (*self, *byte) {
                (Self::Between, b'\r' | b'\n') | (Self::LineStart, b'\n') => Self::Between,
                (Self::Between | Self::RequestLine, b'#') => {
                    *byte = b'<';
                    Self::RequestLine
                }
                (Self::RequestLine | Self::Line, b'\n') | (Self::LineStart, b'\r') => Self::LineStart,
                (Self::Between | Self::RequestLine, _) => Self::RequestLine,
                (Self::LineStart | Self::Line, _) => Self::Line,
            }
        }
        has_ended
    }
}

impl RequestHeads {
    /// Creates the heads of a connection on which nothing was read.
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, position: Position::Between, deadline: None }
    }
}

impl AsyncRead for RequestHeads {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.connection).poll_read(context, buffer))?;
        if this.position.read(buffer.filled_mut().get_mut(before..).unwrap_or_default()) {
            this.deadline = None;
        }
        if this.position != Position::Between && this.deadline.is_none() {
            this.deadline = Some(Box::pin(sleep(HANDSHAKE_TIMEOUT)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RequestHeads {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    /// What a reader of these bytes gets, whichever pieces they arrive in, and the position after them.
    fn read(bytes: &str) -> (String, Position) {
        let mut whole = bytes.as_bytes().to_vec();
        let mut position = Position::Between;
        position.read(&mut whole);
        let mut single = bytes.as_bytes().to_vec();
        let mut after = Position::Between;
        single.chunks_mut(1).for_each(|piece| drop(after.read(piece)));
        assert_eq!((&single, after), (&whole, position), "{bytes:?}");
        (String::from_utf8(whole).unwrap(), position)
    }

    #[test]
    fn a_number_sign_is_replaced_in_request_lines_only() {
        for (sent, got, position) in [
            ("", "", Position::Between),
            ("\r\n\r\n", "\r\n\r\n", Position::Between),
            ("GET /a#b HT", "GET /a<b HT", Position::RequestLine),
            ("# /a", "< /a", Position::RequestLine),
            ("GET /#a HTTP/1.1\r\nx: #a\r\n\r\n", "GET /<a HTTP/1.1\r\nx: #a\r\n\r\n", Position::Between),
            (
                "GET / HTTP/1.1\r\n\r\nGET /# HTTP/1.1\r\n",
                "GET / HTTP/1.1\r\n\r\nGET /< HTTP/1.1\r\n",
                Position::LineStart,
            ),
            ("GET / HTTP/1.1\n\n#\n", "GET / HTTP/1.1\n\n<\n", Position::LineStart),
            ("GET / HTTP/1.1\nx: y\n#\n\nGET #", "GET / HTTP/1.1\nx: y\n#\n\nGET <", Position::RequestLine),
            ("GET / HTTP/1.1\r\nx: y\r", "GET / HTTP/1.1\r\nx: y\r", Position::Line),
        ] {
            assert_eq!(read(sent), (got.to_owned(), position), "{sent:?}");
        }
    }
}
