//! An OpenID provider on loopback, with a discovery document and a JWKS. A test chooses its responses; it counts requests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it: a panic in any function is a failed test"
)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::jose::{Algorithm, KeyId, SecretString, SigningKey};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

/// Maximum time of a wait; beyond it the test fails.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A response of a path.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status 200 with this body.
    Body(Vec<u8>),
    /// These bytes, verbatim.
    Raw(Vec<u8>),
    /// No response while the client waits.
    Silence,
    /// The head of a response, then one byte every 20 ms.
    Drip,
    /// A closed connection.
    Close,
}

/// A provider. Dropping it stops it.
#[derive(Debug)]
pub struct Idp {
    /// Its address.
    pub address: SocketAddr,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    counts: watch::Receiver<HashMap<String, u64>>,
    serving: AbortHandle,
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Returns settings of a TLS server for `localhost`, and its certificate authority (PEM).
#[must_use]
pub fn server_tls() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (Arc::new(config), authority.pem())
}

impl Idp {
    /// Starts a provider that responds with 404 to each request.
    pub async fn start() -> Self {
        Self::serve(None).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replies = Arc::new(Mutex::new(HashMap::new()));
        let (counting, counts) = watch::channel(HashMap::new());
        let chosen = Arc::clone(&replies);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (chosen, counting) = (Arc::clone(&chosen), counting.clone());
                match tls.clone() {
                    None => tokio::spawn(respond(stream, chosen, counting)),
                    Some(tls) => tokio::spawn(async move {
                        // A client that does not trust the certificate closes the connection.
                        if let Ok(stream) = tls.accept(stream).await {
                            respond(stream, chosen, counting).await;
                        }
                    }),
                };
            }
        });
        Self { address, replies, counts, serving: serving.abort_handle() }
    }

    /// Starts a provider with TLS, for `localhost`. Returns it with its certificate authority (PEM).
    pub async fn start_tls() -> (Self, String) {
        let (config, authority) = server_tls();
        (Self::serve(Some(TlsAcceptor::from(config))).await, authority)
    }

    /// Starts a provider that publishes a JWKS of these keys at `/jwks`.
    pub async fn of(keys: &[&IdpKey]) -> Self {
        let idp = Self::start().await;
        idp.publish(keys);
        idp
    }

    /// Returns the URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Publishes a JWKS of these keys at `/jwks`, instead of any earlier one.
    pub fn publish(&self, keys: &[&IdpKey]) {
        self.reply("/jwks", Reply::Body(jwk_set(keys).to_string().into_bytes()));
    }

    /// Sets the response of a path.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Returns the number of requests for a path.
    #[must_use]
    pub fn count(&self, path: &str) -> u64 {
        self.counts.borrow().get(path).copied().unwrap_or_default()
    }

    /// Waits until a path has had this many requests.
    pub async fn wait_for_requests(&self, path: &str, count: u64) {
        let mut counts = self.counts.clone();
        let reached = counts.wait_for(|counts| counts.get(path).copied().unwrap_or_default() >= count);
        timeout(WAIT_TIMEOUT, reached).await.unwrap_or_else(|_| panic!("{path} did not get {count} requests")).unwrap();
    }
}

async fn respond(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    counting: watch::Sender<HashMap<String, u64>>,
) {
    let mut read = Vec::new();
    let (head, body) = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let body = read.split_off(end.checked_add(4).unwrap());
            break (String::from_utf8(read).unwrap(), body);
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let path = head.split(' ').nth(1).unwrap().to_owned();
    // An unread body would reset the connection before the client has the response.
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let mut rest = vec![0; length.saturating_sub(body.len())];
    if stream.read_exact(&mut rest).await.is_err() {
        return;
    }
    let reply = replies.lock().unwrap().get(&path).cloned();
    counting.send_modify(|counts| {
        let count = counts.entry(path).or_default();
        *count = count.saturating_add(1);
    });
    let head = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").into_bytes()
    };
    let bytes = match reply {
        None => head("404 Not Found", 0),
        Some(Reply::Body(body)) => [head("200 OK", body.len()), body].concat(),
        Some(Reply::Raw(bytes)) => bytes,
        Some(Reply::Close) => return,
        Some(Reply::Silence) => {
            // Until the client closes the connection.
            let _ = stream.read_buf(&mut Vec::new()).await;
            return;
        }
        Some(Reply::Drip) => {
            let mut ticks = interval(Duration::from_millis(20));
            for byte in [head("200 OK", 100_000), vec![b' '; 100_000]].concat() {
                ticks.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
            return;
        }
    };
    // The client may have closed the connection.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A key of a provider.
#[derive(Debug)]
pub struct IdpKey {
    /// The key id.
    pub id: String,
    key: SigningKey,
}

impl IdpKey {
    /// Generates a key with this key id.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap().with_id(KeyId::new(id).unwrap());
        Self { id: id.to_owned(), key }
    }

    /// Signs a token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &[(String, Value)]) -> String {
        self.key.sign(claims).unwrap()
    }

    /// Returns its private half as PEM, for a certificate of the key.
    #[must_use]
    pub fn private_pem(&self) -> SecretString {
        self.key.private_text().unwrap()
    }

    /// Returns its public JWK (RFC 8037 §2).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let spki = pem::parse(self.key.public_pem().unwrap()).unwrap().into_contents();
        let point = spki.last_chunk::<32>().unwrap();
        let x = URL_SAFE_NO_PAD.encode(point);
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x })
    }
}

/// Returns the JWKS of these keys.
#[must_use]
pub fn jwk_set(keys: &[&IdpKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// Returns an OpenID discovery document (OpenID Connect Discovery 1.0 §4.2) as a response.
#[must_use]
pub fn discovery(issuer: &str, jwks_uri: &str) -> Reply {
    Reply::Body(json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string().into_bytes())
}
