//! TLS for checks (RFC 8446, RFC 5246): from PEM to the listener's certificates and the clients that it accepts.
//!
//! All functions are pure: the caller passes files' content and the time.

#[cfg(test)]
mod tests;

use modgud_core::jose::{OutsideValidity, Validity};
use modgud_core::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

/// The only application protocol (RFC 7301): HTTP/2.
const ALPN: &[u8] = b"h2";

/// An error of preparing TLS. The message never shows a key's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file without a certificate.
    #[error("contains no certificate; use PEM that starts with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// An unusable certificate.
    #[error("contains an unusable certificate; use X.509 version 3, in complete PEM")]
    Certificate,
    /// A file without a private key.
    #[error("contains no private key; use PEM that starts with `-----BEGIN PRIVATE KEY-----` and is not encrypted")]
    NoKey,
    /// A private key that TLS can't use.
    #[error(
        "contains an unusable private key; use RSA from 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    Key,
    /// The private key of another certificate.
    #[error(
        "contains the private key of another certificate than the first one in `cert`; replace both files together"
    )]
    OtherKey,
}

/// The certificate of a server, and those that lead from it to an authority that clients trust.
#[derive(Debug)]
pub struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    valid: Validity,
}

impl Chain {
    /// Parses PEM (RFC 7468 §5), the server's own certificate first.
    ///
    /// # Errors
    /// [`TlsError::NoCertificate`], [`TlsError::Certificate`].
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        let certificates = certificates(text)?;
        let parsed: Option<Vec<Validity>> = certificates.iter().map(|one| Validity::of_der(one)).collect();
        // A chain is valid as long as each of its certificates is.
        let valid = parsed.ok_or(TlsError::Certificate)?.into_iter().reduce(Validity::and);
        Ok(Self { certificates, valid: valid.ok_or(TlsError::NoCertificate)? })
    }
}

/// The authorities that issue client certificates.
#[derive(Debug)]
pub struct ClientAuthorities(RootCertStore);

impl ClientAuthorities {
    /// Parses PEM with one or more certificates.
    ///
    /// # Errors
    /// [`TlsError::NoCertificate`], [`TlsError::Certificate`].
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates(text)? {
            store.add(certificate).map_err(|_| TlsError::Certificate)?;
        }
        Ok(Self(store))
    }
}

/// A private key. It has no `Debug`, because it is secret.
pub struct PrivateKey(PrivateKeyDer<'static>);

impl PrivateKey {
    /// Parses PEM: PKCS#8 (RFC 7468 §10), SEC 1 or PKCS#1.
    ///
    /// # Errors
    /// [`TlsError::NoKey`].
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        PrivateKeyDer::from_pem_slice(text).map(Self).map_err(|_| TlsError::NoKey)
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(found) if found.is_empty() => Err(TlsError::NoCertificate),
        Ok(found) => Ok(found),
        Err(_) => Err(TlsError::Certificate),
    }
}

/// The TLS settings of a listener: TLS 1.2 or 1.3, with HTTP/2.
#[derive(Debug)]
pub struct Tls {
    server: Arc<ServerConfig>,
    valid: Validity,
    clients: Clients,
}

/// The clients that may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Every client that reaches the listener.
    Any,
    /// Clients with a certificate of a configured authority.
    Certified,
}

impl Tls {
    /// Combines the parts. With authorities, clients need a certificate of one of them.
    ///
    /// # Errors
    /// [`TlsError::Key`], [`TlsError::OtherKey`], [`TlsError::Certificate`].
    pub fn new(chain: Chain, key: PrivateKey, authorities: Option<ClientAuthorities>) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let Chain { certificates, valid } = chain;
        let signing = provider.key_provider.load_private_key(key.0).map_err(|_| TlsError::Key)?;
        let certified = CertifiedKey::new(certificates, signing);
        match certified.keys_match() {
            Ok(()) => {}
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(TlsError::OtherKey),
            Err(_) => return Err(TlsError::Certificate),
        }
        let clients = if authorities.is_some() { Clients::Certified } else { Clients::Any };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| TlsError::Key)?;
        let builder = match authorities {
            None => builder.with_no_client_auth(),
            Some(ClientAuthorities(store)) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|_| TlsError::Certificate)?)
            }
        };
        let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        server.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { server: Arc::new(server), valid, clients })
    }

    /// Returns the configuration of handshakes.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Returns the time at which the certificate expired; `None` if it has not expired.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        match self.valid.outside(now) {
            Some(OutsideValidity::Expired(until)) => Some(until),
            Some(OutsideValidity::NotYet(_)) | None => None,
        }
    }

    /// Returns the clients that may connect.
    #[must_use]
    pub const fn clients(&self) -> Clients {
        self.clients
    }

    /// Returns the period in which the certificate and those that lead from it are valid.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.valid
    }

    /// Returns the warning at this time; `None` if the certificate is valid.
    #[must_use]
    pub fn warning(&self, now: Timestamp) -> Option<Warning> {
        self.valid.outside(now).map(Warning)
    }
}

/// A warning that clients reject the certificate, if they check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning(OutsideValidity);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            OutsideValidity::Expired(until) => {
                write!(f, "the certificate of server.tls expired at {until}; clients that check it will not connect")
            }
            OutsideValidity::NotYet(from) => {
                write!(
                    f,
                    "the certificate of server.tls is valid from {from} on; clients that check it will not connect until then"
                )
            }
        }
    }
}
