//! An identity provider on loopback, whose every answer a test chooses, and who counts what it is asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::jose::{Algorithm, KeyId, SigningKey};
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

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a path answers with.
#[derive(Debug, Clone)]
pub enum Reply {
    /// 200 and this body.
    Body(Vec<u8>),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
    /// The beginning of an answer, and then one byte after another.
    Drip,
    /// The end of the connection.
    Close,
}

/// A provider. It ends when it is dropped.
pub struct Idp {
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

impl Idp {
    /// A provider that answers 404 to everything.
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
                    None => tokio::spawn(answer(stream, chosen, counting)),
                    Some(tls) => tokio::spawn(async move {
                        // Whoever does not trust it goes away.
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, chosen, counting).await;
                        }
                    }),
                };
            }
        });
        Self { address, replies, counts, serving: serving.abort_handle() }
    }

    /// The same with TLS, for `localhost`; and the authority that its certificate comes from, in PEM.
    pub async fn start_tls() -> (Self, String) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let of_it = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![of_it.der().clone()], key)
            .unwrap();
        (Self::serve(Some(TlsAcceptor::from(Arc::new(config)))).await, authority.pem())
    }

    /// A provider with a JWK set of these keys at `/jwks`.
    pub async fn of(keys: &[&IdpKey]) -> Self {
        let idp = Self::start().await;
        idp.publish(keys);
        idp
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Publishes these keys, and no others, at `/jwks`.
    pub fn publish(&self, keys: &[&IdpKey]) {
        self.reply("/jwks", Reply::Body(set(keys).to_string().into_bytes()));
    }

    /// Chooses what a path answers with from now on.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// How often a path was asked.
    pub fn count(&self, path: &str) -> u64 {
        self.counts.borrow().get(path).copied().unwrap_or_default()
    }

    /// Waits until a path was asked so often.
    pub async fn asked(&self, path: &str, count: u64) {
        let mut counts = self.counts.clone();
        let asked = counts.wait_for(|counts| counts.get(path).copied().unwrap_or_default() >= count);
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{path} is not asked {count} times")).unwrap();
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    counting: watch::Sender<HashMap<String, u64>>,
) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8(read).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
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
            // Until the client has had enough.
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
    // The client may have had enough.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A key of a provider.
pub struct IdpKey {
    pub id: String,
    key: SigningKey,
}

impl IdpKey {
    /// A new key of this name.
    pub fn new(id: &str) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap().with_id(KeyId::new(id).unwrap());
        Self { id: id.to_owned(), key }
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &[(String, Value)]) -> String {
        self.key.sign(claims).unwrap()
    }

    /// Its public half (RFC 8037 §2).
    pub fn jwk(&self) -> Value {
        let spki = pem::parse(self.key.public_pem().unwrap()).unwrap().into_contents();
        let point = spki.last_chunk::<32>().unwrap();
        let x = URL_SAFE_NO_PAD.encode(point);
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x })
    }
}

/// A JWK set of these keys.
pub fn set(keys: &[&IdpKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}
