//! A service on HTTP/1.1, in plaintext or with TLS, that records what it gets, byte for byte.

use crate::services::authority::{Authority, Pair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A plain answer.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the service does with each request.
#[derive(Clone)]
pub(super) enum Behavior {
    /// Answers with these bytes.
    Answer(&'static str),
    /// Answers with these bytes before it reads a body.
    Early(&'static str),
    /// Closes the connection without an answer.
    Close,
    /// Answers [`OK`] once there is a permit.
    Wait(Arc<Semaphore>),
}

/// What the service does with each connection.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    Tls(Arc<ServerConfig>),
    /// Closes this many connections before a handshake; the others have TLS.
    Closing(usize, Arc<ServerConfig>),
}

/// A connection, as the service saw it.
#[derive(Debug, Default, Clone)]
pub(super) struct Connection {
    pub(super) handshake: Option<Handshake>,
    /// Decrypted, if there is a handshake.
    pub(super) bytes: Vec<u8>,
    pub(super) requests: usize,
}

/// What a handshake of TLS settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) server_name: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) has_client_certificate: bool,
}

/// A service that records; it ends with its owner.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<Vec<Connection>>>,
    _server: JoinSet<()>,
}

impl Service {
    pub(super) async fn start(transport: Transport, behavior: Behavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (mut server, all) = (JoinSet::new(), connections.clone());
        server.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let log = Log::new(all.clone());
                let number = log.number;
                let (transport, behavior) = (transport.clone(), behavior.clone());
                open.spawn(async move {
                    let config = match transport {
                        Transport::Plain => return serve(stream, &log, &behavior).await,
                        Transport::Closing(count, _) if number < count => return,
                        Transport::Closing(_, config) | Transport::Tls(config) => config,
                    };
                    let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                    let (_, tls) = stream.get_ref();
                    let handshake = Handshake {
                        server_name: tls.server_name().map(str::to_owned),
                        protocol: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
                        version: tls.protocol_version(),
                        has_client_certificate: tls.peer_certificates().is_some(),
                    };
                    log.change(|connection| connection.handshake = Some(handshake));
                    serve(stream, &log, &behavior).await;
                });
            }
        });
        Self { address, connections, _server: server }
    }

    /// Returns the connections so far.
    pub(super) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }

    /// Returns the number of complete requests so far.
    pub(super) fn requests(&self) -> usize {
        self.connections().iter().map(|connection| connection.requests).sum()
    }

    /// Returns all bytes so far, in lower case.
    pub(super) fn text(&self) -> String {
        let bytes = self.connections().into_iter().flat_map(|connection| connection.bytes).collect::<Vec<_>>();
        String::from_utf8_lossy(&bytes).to_lowercase()
    }
}

/// The record of one connection.
struct Log {
    all: Arc<Mutex<Vec<Connection>>>,
    number: usize,
}

impl Log {
    fn new(all: Arc<Mutex<Vec<Connection>>>) -> Self {
        let mut list = all.lock().unwrap();
        let number = list.len();
        list.push(Connection::default());
        drop(list);
        Self { all, number }
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.all.lock().unwrap()[self.number]);
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, log: &Log, behavior: &Behavior) {
    let mut buffer = Vec::new();
    loop {
        let before = buffer.len();
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            return;
        }
        log.change(|connection| connection.bytes.extend(&buffer[before..]));
        while let Some(length) = request(&buffer, behavior) {
            buffer.drain(..length);
            log.change(|connection| connection.requests += 1);
            let answer = match behavior {
                Behavior::Answer(answer) | Behavior::Early(answer) => answer,
                Behavior::Close => return,
                Behavior::Wait(permits) => {
                    permits.acquire().await.unwrap().forget();
                    OK
                }
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The length of a request with its body, which has a `content-length`; `None` while it is not complete.
fn request(bytes: &[u8], behavior: &Behavior) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    if matches!(behavior, Behavior::Early(_)) {
        return Some(head);
    }
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let all = head + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
    (bytes.len() >= all).then_some(all)
}

/// TLS with this certificate. A client needs one of `clients`, if there are.
pub(super) fn server_config(
    own: &Pair,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(own.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}
