//! Sender-constrained tokens: `cnf` (RFC 7800) is compared with the certificate of the connection (RFC 8705 §3). `dpop` checks proofs.

use super::dpop::{DpopError, DpopPolicy, PopContext};
use crate::http::percent;
use crate::http::request::Peer;
use crate::jose::Claims;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The proof of possession that a token requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderConstraint {
    /// The key of the certificate that the token names (RFC 8705).
    Certificate,
    /// The key that the token names, by a proof for each request (RFC 9449).
    Dpop(DpopPolicy),
}

/// The reason why the sender of a token is not its rightful holder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    /// The token is bound to no certificate.
    #[error("the token has no `cnf` that binds it to a certificate, and one is required")]
    Unbound,
    /// The connection has no certificate to compare.
    #[error("the token is bound to a certificate, and Envoy sent none; set `include_peer_certificate`")]
    NoCertificate,
    /// The certificate can't be parsed.
    #[error("the token is bound to a certificate, and that from Envoy can't be parsed")]
    UnreadableCertificate,
    /// The certificate is another one.
    #[error("the token is bound to another certificate than that of the connection")]
    OtherCertificate,
    /// The DPoP proof is rejected.
    #[error(transparent)]
    Proof(#[from] DpopError),
}

impl SenderConstraint {
    /// Returns the constraint as operators write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Dpop(_) => "dpop",
        }
    }

    /// Checks a token with the certificate or proof that it was presented with.
    ///
    /// # Errors
    /// [`ConfirmationError`]: an unbound token is rejected like one that is bound to another sender.
    pub(super) fn check(self, context: &PopContext<'_, '_>) -> Result<(), ConfirmationError> {
        match self {
            Self::Certificate => check_mtls_binding(context.principal.claims(), context.request.peer),
            Self::Dpop(window) => Ok(window.check(context)?),
        }
    }
}

fn check_mtls_binding(claims: &Claims, peer: Peer<'_>) -> Result<(), ConfirmationError> {
    let bound = claims.get("cnf").and_then(|cnf| cnf.get("x5t#S256")).and_then(|bound| bound.as_str());
    let bound = bound.ok_or(ConfirmationError::Unbound)?;
    if peer.certificate.is_empty() {
        return Err(ConfirmationError::NoCertificate);
    }
    let der = certificate_der(peer.certificate).ok_or(ConfirmationError::UnreadableCertificate)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
    // Both values are public, so the duration of the comparison reveals nothing.
    if thumbprint == bound { Ok(()) } else { Err(ConfirmationError::OtherCertificate) }
}

/// Extracts the certificate from the percent-encoded PEM that Envoy sends. `None` unless it is exactly one, as a second one could be taken
/// for it.
fn certificate_der(encoded: &[u8]) -> Option<Vec<u8>> {
    let [block] = <[pem::Pem; 1]>::try_from(pem::parse_many(percent::decode(encoded)?).ok()?).ok()?;
    (block.tag() == "CERTIFICATE").then(|| block.into_contents())
}
