//! Trust anchors for servers' certificates: the public authorities that browsers trust, or an operator's own.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The trusted certificate authorities.
#[derive(Debug, Clone)]
pub struct TrustAnchors(Arc<RootCertStore>);

/// Equal if they have equal authorities in equal order.
impl PartialEq for TrustAnchors {
    fn eq(&self, other: &Self) -> bool {
        self.0.roots == other.0.roots
    }
}

impl Eq for TrustAnchors {}

/// Errors in a bundle of certificate authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// It has no certificate.
    #[error("contains no certificate; use PEM with one or more `CERTIFICATE`")]
    Empty,
    /// A certificate is broken.
    #[error("contains an unusable certificate (number {number}); remove or replace it")]
    Unusable {
        /// Its position, from 1.
        number: usize,
    },
}

impl TrustAnchors {
    /// Returns the authorities that browsers trust, as of this build (Mozilla's list).
    #[must_use]
    pub fn public() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }

    /// Parses a PEM bundle; only its authorities are trusted.
    ///
    /// # Errors
    /// [`CaError`]. One unusable certificate invalidates the whole bundle, because the operator's intent is unclear.
    pub fn from_pem(text: &[u8]) -> Result<Self, CaError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(text).enumerate() {
            let unusable = CaError::Unusable { number: index.saturating_add(1) };
            store.add(certificate.map_err(|_| unusable)?).map_err(|_| unusable)?;
        }
        if store.is_empty() { Err(CaError::Empty) } else { Ok(Self(Arc::new(store))) }
    }

    /// Returns a TLS client configuration: TLS 1.2 and 1.3 with the library's defaults, without a client certificate.
    pub(super) fn into_tls(self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        #[expect(
            clippy::expect_used,
            reason = "fails only for a provider that lacks the suites of a version; this one has them"
        )]
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3");
        builder.with_root_certificates(self.0).with_no_client_auth()
    }
}

#[cfg(test)]
mod tests {
    use super::{CaError, TrustAnchors};

    #[test]
    fn a_bundle_is_taken_whole_or_not_at_all() {
        let pem = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap().pem()
        };
        let (one, two) = (pem("one"), pem("two"));
        let count = |text: &str| TrustAnchors::from_pem(text.as_bytes()).map(|roots| roots.0.len());
        assert_eq!(count(&one), Ok(1));
        assert_eq!(count(&format!("A comment\n{one}{two}")), Ok(2));
        for none in ["", "no PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert_eq!(count(none), Err(CaError::Empty), "{none}");
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(count(&format!("{one}{broken}")), Err(CaError::Unusable { number: 2 }));
        let cut = one.get(..one.len() / 2).unwrap();
        assert_eq!(count(&format!("{two}{cut}")), Err(CaError::Unusable { number: 2 }));
        assert!(TrustAnchors::public().0.len() > 50);
    }
}
