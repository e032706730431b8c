//! HTTP/2 by hand (RFC 9113): frames in whatever order, for what no proper client does. Headers are sent as literals (RFC 7541 §6.2.2).

use super::raw::CHECK;
use modgud::net::listen_addr::ListenAddr;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// The longest payload of a frame that a server has to take (RFC 9113 §6.5.2).
const MAX_FRAME: usize = 16_384;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The most that may be sent and not be answered (RFC 9113 §6.9.1).
const WHOLE_WINDOW: u32 = (1 << 31) - 1;
/// The window to begin with (RFC 9113 §6.9.2).
const FIRST_WINDOW: u32 = 65_535;

/// A frame that came: its kind, its flags, its stream and what it holds.
type Frame = (u8, u8, u32, Vec<u8>);

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a call begins with.
pub(crate) fn call(stream: u32, path: &str) -> Vec<u8> {
    headers(
        END_HEADERS,
        stream,
        &[(":method", "POST"), (":path", path), ("content-type", "application/grpc"), ("te", "trailers")],
    )
}

/// The same with as many headers as one may have: each is one byte, which means an empty `accept-charset` (RFC 7541 §6.1, appendix A).
pub(crate) fn call_with_many_headers(stream: u32, path: &str) -> Vec<u8> {
    let call = call(stream, path);
    let (_, block) = call.split_at(9);
    frame(HEADERS, END_HEADERS, stream, &[block, &[0x8f; 2_800]].concat())
}

/// A whole request without a body.
pub(crate) fn get(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    get_by("http", stream, path, more)
}

/// The same with a scheme of the client's choice.
pub(crate) fn get_by(scheme: &str, stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let request = [(":scheme", scheme), (":method", "GET"), (":path", path)];
    fields(END_HEADERS | END_STREAM, stream, &[&request, more].concat())
}

fn headers(flags: u8, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    fields(flags, stream, &[&[(":scheme", "http")], more].concat())
}

fn fields(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [&[(":authority", "modgud")], fields].concat() {
        block.push(0);
        for text in [name, value] {
            let length = u8::try_from(text.len()).unwrap();
            assert!(length < 127, "a longer text has its length in more bytes");
            block.push(length);
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, flags, stream, &block)
}

/// A header as a literal (RFC 7541 §6.2.2), however long it is.
pub(crate) fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let mut field = vec![0, u8::try_from(name.len()).unwrap()];
    field.extend_from_slice(name.as_bytes());
    // An integer with a prefix of seven bits (RFC 7541 §5.1).
    field.push(127);
    let mut rest = value.len().checked_sub(127).unwrap();
    while rest >= 128 {
        field.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    field.push(u8::try_from(rest).unwrap());
    field.extend_from_slice(value);
    field
}

/// Headers of a call in as many frames as they take (RFC 9113 §6.10).
pub(crate) fn block(stream: u32, block: &[u8]) -> Vec<u8> {
    let count = block.chunks(MAX_FRAME).count();
    let part = |(number, part)| {
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        frame(kind, if number + 1 == count { END_HEADERS } else { 0 }, stream, part)
    };
    block.chunks(MAX_FRAME).enumerate().flat_map(part).collect()
}

/// Trailers: each byte of them means an empty `via` (RFC 7541 §6.1, appendix A).
pub(crate) fn trailers(stream: u32, count: usize) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &vec![0xbc; count])
}

/// Settings that change the window of every stream (RFC 9113 §6.9.2).
pub(crate) fn window(bytes: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

/// What a check begins with.
pub(crate) fn check(stream: u32) -> Vec<u8> {
    call(stream, CHECK)
}

/// Bytes of a call.
pub(crate) fn part(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

/// The last bytes of a call.
pub(crate) fn last(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// Gives a stream up.
pub(crate) fn give_up(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    /// What came on each stream that was not waited for yet.
    bodies: BTreeMap<u32, Vec<u8>>,
    /// How many bytes of calls may be sent (RFC 9113 §6.9).
    window: i64,
    /// Whether the server asked for another connection, without an error.
    is_leaving: bool,
}

/// How something ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The stream was answered, with this body.
    Answered(Vec<u8>),
    /// The stream was reset.
    Reset,
    /// The connection was.
    Closed(String),
}

impl Connection {
    /// A connection on which hands have been shaken.
    pub(crate) async fn open(address: &ListenAddr) -> Self {
        Self::to(TcpStream::connect(address.to_string()).await.unwrap()).await
    }

    /// The same on what is connected already.
    pub(crate) async fn to(stream: TcpStream) -> Self {
        Self::try_with_settings(stream, &[]).await.unwrap()
    }

    /// The same with settings (RFC 9113 §6.5), on a connection that the server may close.
    ///
    /// # Errors
    /// In words, why it was closed.
    pub(crate) async fn try_with_settings(stream: TcpStream, settings: &[u8]) -> Result<Self, String> {
        let window = i64::from(FIRST_WINDOW);
        let mut new = Self { stream, unread: Vec::new(), bodies: BTreeMap::new(), window, is_leaving: false };
        let more = (WHOLE_WINDOW - FIRST_WINDOW).to_be_bytes();
        let hello = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, 0, settings),
            frame(WINDOW_UPDATE, 0, 0, &more),
        ]
        .concat();
        new.try_send(&hello).await.map_err(|error| error.to_string())?;
        new.ping().await?;
        Ok(new)
    }

    /// Waits until the server closes the connection; what it says until then is of no interest.
    pub(crate) async fn closed(&mut self) {
        while self.read().await.is_ok() {}
    }

    /// Sends these bytes, in one go if the system lets it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The same on a connection that the server may have closed.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends bytes of a call once the server has room for them.
    ///
    /// # Errors
    /// In words, why the connection was closed.
    pub(crate) async fn send_part(&mut self, stream: u32, bytes: &[u8]) -> Result<(), String> {
        let length = i64::try_from(bytes.len()).unwrap();
        while self.window < length {
            let frame = self.next().await?;
            self.note(frame);
        }
        self.window -= length;
        self.try_send(&part(stream, bytes)).await.map_err(|error| error.to_string())
    }

    /// Whether the server has asked for another connection, without an error.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Waits until all that was sent so far has been read there.
    ///
    /// # Errors
    /// In words, why the connection was closed.
    pub(crate) async fn ping(&mut self) -> Result<(), String> {
        // A connection that is closed may fail to be written to as well: what was sent before is read then.
        let _ = self.stream.write_all(&frame(PING, 0, 0, b"are you?")).await;
        loop {
            match self.next().await? {
                (PING, ACK, ..) => return Ok(()),
                frame => self.note(frame),
            }
        }
    }

    /// Waits for the end of a stream.
    pub(crate) async fn end(&mut self, wanted: u32) -> End {
        loop {
            match self.next().await {
                Err(closed) => return End::Closed(closed),
                Ok((RST_STREAM, _, stream, _)) if stream == wanted => return End::Reset,
                Ok(frame) => {
                    let (kind, flags, stream) = (frame.0, frame.1, frame.2);
                    self.note(frame);
                    if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 && stream == wanted {
                        return End::Answered(self.bodies.remove(&wanted).unwrap_or_default());
                    }
                }
            }
        }
    }

    /// Keeps bodies and counts room; the rest is of no interest.
    fn note(&mut self, (kind, _, stream, payload): Frame) {
        match (kind, stream) {
            (DATA, _) => self.bodies.entry(stream).or_default().extend(payload),
            (WINDOW_UPDATE, 0) => {
                self.window += i64::from(u32::from_be_bytes(payload.as_slice().try_into().unwrap()));
            }
            _ => {}
        }
    }

    /// The next frame, settings of the other side confirmed.
    async fn next(&mut self) -> Result<Frame, String> {
        loop {
            let (kind, flags, stream, payload) = timeout(PATIENCE, self.read()).await.unwrap()?;
            match (kind, flags) {
                (SETTINGS, 0) => drop(self.stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await),
                (PING, 0) => drop(self.stream.write_all(&frame(PING, ACK, 0, &payload)).await),
                (GOAWAY, _) if payload.get(4..8) == Some(&[0; 4]) => self.is_leaving = true,
                (GOAWAY, _) => return Err(format!("GOAWAY {}", payload.escape_ascii())),
                _ => return Ok((kind, flags, stream, payload)),
            }
        }
    }

    async fn read(&mut self) -> Result<Frame, String> {
        loop {
            if let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = self.unread.as_slice() {
                let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
                if let Some((payload, rest)) = rest.split_at_checked(length) {
                    let read = (*kind, *flags, u32::from_be_bytes([*d, *e, *f, *g]), payload.to_vec());
                    self.unread = rest.to_vec();
                    return Ok(read);
                }
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) => return Err("closed".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
