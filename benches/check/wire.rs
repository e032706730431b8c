//! A minimal HTTP/2 client (RFC 9113) for gRPC calls at almost no cost: one connection, requests without Huffman
//! coding, ignored response headers. Anything unexpected is an error, never skipped.

use super::Outcome;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The name in the certificate of a server.
pub(crate) const SERVER_NAME: &str = "modgud";

/// Timeout for the server's next byte while responses are pending; beyond it the run fails.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum number of concurrent calls: slightly less than modgud allows on one connection.
const MAX_IN_FLIGHT: i64 = 1_000;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const FRAME_HEAD: usize = 9;
/// The initial flow-control window of a connection (RFC 9113 §6.9.2).
const FIRST_WINDOW: i64 = 65_535;
/// A window larger than all responses of a round, so that the client never has to extend it.
const LARGEST_WINDOW: u32 = 0x7fff_ffff;

/// The calls in flight, shared by both halves.
#[derive(Default)]
struct Account {
    window: AtomicI64,
    in_flight: AtomicI64,
}

/// The sending half.
pub(crate) struct Asking {
    socket: Socket,
    out: Vec<u8>,
    calls: u32,
    first_block: Vec<u8>,
    later_block: Vec<u8>,
    account: Arc<Account>,
}

/// The receiving half.
pub(crate) struct Listening {
    socket: Socket,
    buffer: Vec<u8>,
    filled: usize,
    reads: u64,
    account: Arc<Account>,
}

/// The bytes of a connection. With TLS, a half waits while the other one reads or writes.
#[derive(Clone)]
enum Socket {
    Plaintext(Arc<TcpStream>),
    Tls(Arc<Mutex<StreamOwned<ClientConnection, TcpStream>>>),
}

impl Socket {
    /// Connects, by TLS if the server's certificate is known.
    fn connect(address: SocketAddr, certificate: Option<&Path>) -> Outcome<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let Some(certificate) = certificate else { return Ok(Self::Plaintext(Arc::new(socket))) };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(SERVER_NAME)?)?;
        Ok(Self::Tls(Arc::new(Mutex::new(StreamOwned::new(session, socket)))))
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plaintext(socket) => socket.as_ref().write_all(bytes),
            Self::Tls(stream) => {
                let mut stream = stream.lock().map_err(|_| io::Error::other("the other half failed"))?;
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plaintext(socket) => socket.as_ref().read(buffer),
            Self::Tls(stream) => stream.lock().map_err(|_| io::Error::other("the other half failed"))?.read(buffer),
        }
    }
}

/// An event of a call; calls count from 0.
pub(crate) enum Event<'a> {
    /// The response, a gRPC message with its five-byte prefix.
    Message(&'a [u8]),
    /// The end of the call.
    End(u32),
}

/// Connects for calls of one method.
pub(crate) fn connect(address: SocketAddr, certificate: Option<&Path>, method: &str) -> Outcome<(Asking, Listening)> {
    let socket = Socket::connect(address, certificate)?;
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut hello, SETTINGS, 0, 0, 6);
    hello.extend_from_slice(&4_u16.to_be_bytes()); // SETTINGS_INITIAL_WINDOW_SIZE
    hello.extend_from_slice(&LARGEST_WINDOW.to_be_bytes());
    frame(&mut hello, WINDOW_UPDATE, 0, 0, 4);
    hello.extend_from_slice(&(LARGEST_WINDOW - 65_535).to_be_bytes());
    socket.write_all(&hello)?;

    let account = Arc::new(Account { window: AtomicI64::new(FIRST_WINDOW), in_flight: AtomicI64::new(0) });
    let (first_block, later_block) = header_blocks(method, &address.to_string());
    let listening = Listening {
        socket: socket.clone(),
        buffer: vec![0; 256 * 1024],
        filled: 0,
        reads: 0,
        account: Arc::clone(&account),
    };
    Ok((Asking { socket, out: Vec::new(), calls: 0, first_block, later_block, account }, listening))
}

/// Makes one call. Returns its response without the prefix.
pub(crate) fn call(address: SocketAddr, certificate: Option<&Path>, method: &str, message: &[u8]) -> Outcome<Vec<u8>> {
    let (mut asking, mut listening) = connect(address, certificate, method)?;
    asking.ask(message);
    asking.flush()?;
    let (mut response, mut ended) = (Vec::new(), false);
    while !ended {
        listening.listen(|event| match event {
            Event::Message(bytes) => response.extend_from_slice(bytes),
            Event::End(_) => ended = true,
        })?;
    }
    Ok(response.get(5..).ok_or("the server ended a call without a response")?.to_vec())
}

impl Asking {
    /// Returns true if another message of this size may be sent now.
    pub(crate) fn may_ask(&self, message: &[u8]) -> bool {
        let size = i64::try_from(message.len() + 5).unwrap_or(i64::MAX);
        self.account.window.load(Ordering::Acquire) >= size
            && self.account.in_flight.load(Ordering::Acquire) < MAX_IN_FLIGHT
    }

    /// Queues a call.
    pub(crate) fn ask(&mut self, message: &[u8]) {
        let stream = self.calls * 2 + 1;
        let block = if self.calls == 0 { &self.first_block } else { &self.later_block };
        frame(&mut self.out, HEADERS, END_HEADERS, stream, block.len());
        self.out.extend_from_slice(block);
        let size = message.len() + 5;
        frame(&mut self.out, DATA, END_STREAM, stream, size);
        self.out.push(0); // not compressed
        self.out.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.out.extend_from_slice(message);
        self.calls += 1;
        self.account.window.fetch_sub(i64::try_from(size).unwrap_or(i64::MAX), Ordering::AcqRel);
        self.account.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Sends the queued calls in one piece.
    pub(crate) fn flush(&mut self) -> Outcome<()> {
        if !self.out.is_empty() {
            self.socket.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    /// Returns the number of calls so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }
}

impl Listening {
    /// Returns the number of reads so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Waits for the server and processes everything received.
    pub(crate) fn listen(&mut self, mut on: impl FnMut(Event<'_>)) -> Outcome<()> {
        let read = self.socket.read(&mut self.buffer[self.filled..])?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        self.filled += read;
        self.reads += 1;
        let mut at = 0;
        while let Some(head) = self.buffer[at..self.filled].first_chunk::<FRAME_HEAD>() {
            let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
            let (length, kind, flags) = (number(&head[..3]), head[3], head[4]);
            let end = at + FRAME_HEAD + usize::try_from(length)?;
            if end > self.filled {
                break;
            }
            let stream = number(&head[5..]) & LARGEST_WINDOW;
            let payload = &self.buffer[at + FRAME_HEAD..end];
            at = end;
            match (kind, stream) {
                (DATA, 1..) => on(Event::Message(payload)),
                (HEADERS, 1..) if flags & END_HEADERS != 0 => {}
                (SETTINGS, 0) if flags & ACK != 0 => {}
                // The server's settings come once, before its first response. They change nothing: this client's limits
                // are lower.
                (SETTINGS, 0) => {
                    let mut acknowledgement = Vec::new();
                    frame(&mut acknowledgement, SETTINGS, ACK, 0, 0);
                    self.socket.write_all(&acknowledgement)?;
                }
                (WINDOW_UPDATE, 0) => {
                    self.account.window.fetch_add(i64::from(number(payload)), Ordering::AcqRel);
                }
                _ => {
                    return Err(
                        format!("the server sent a frame of type {kind} on stream {stream}: {payload:?}").into()
                    );
                }
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                self.account.in_flight.fetch_sub(1, Ordering::AcqRel);
                on(Event::End((stream - 1) / 2));
            }
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, length: usize) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

/// Returns the headers that Envoy sends with a check, as HPACK (RFC 7541). The first call has literals that enter the
/// table, every other has their indexes, as with Envoy.
fn header_blocks(method: &str, authority: &str) -> (Vec<u8>, Vec<u8>) {
    const POST_HTTP: [u8; 2] = [0x83, 0x86];
    /// A literal value with an indexed name from the static table, added to the dynamic table (RFC 7541 §6.2.1).
    const AUTHORITY: u8 = 0x41;
    const PATH: u8 = 0x44;
    const CONTENT_TYPE: u8 = 0x5f;
    const NEW_NAME: u8 = 0x40;
    /// The newest entry of the dynamic table; older ones count up from it.
    const NEWEST: u8 = 0x80 + 62;
    let mut first = POST_HTTP.to_vec();
    let fields: [(u8, &str, &str); 7] = [
        (PATH, "", method),
        (AUTHORITY, "", authority),
        (CONTENT_TYPE, "", "application/grpc"),
        (NEW_NAME, "te", "trailers"),
        (NEW_NAME, "grpc-timeout", "200m"),
        (NEW_NAME, "x-envoy-internal", "true"),
        (NEW_NAME, "x-forwarded-for", "10.0.0.7"),
    ];
    for (form, name, value) in fields {
        first.push(form);
        for text in [name, value].into_iter().filter(|text| !text.is_empty()) {
            first.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            first.extend_from_slice(text.as_bytes());
        }
    }
    let remembered = u8::try_from(fields.len()).unwrap_or(u8::MAX);
    let later = POST_HTTP.into_iter().chain((NEWEST..NEWEST + remembered).rev()).collect();
    (first, later)
}
