//! Sender-constrained tokens (`DPoP`, RFC 9449): each error that a proof can have, and that none is
//! good twice. Tokens that are bound to a certificate are in the decision tables.
//!
//! - `holder`: a client with a key and a token that is bound to it; it signs proofs.
//! - `proofs`: the table `data/sender/proofs.yaml`, when a proof is good, and proofs that were changed on the way.
//! - `replay`: a proof that is shown again, at the same time, and after the configuration has changed.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

pub(crate) mod holder;
mod proofs;
mod replay;

/// A configuration that asks for proofs.
pub(crate) const CONFIGURATION: &str = "
profile: none
fallback: authenticated
authenticators:
  - name: bound
    from: [{ header: authorization, schemes: [DPoP] }]
    jwt:
      issuer: bifrost
      algorithms: [RS256]
      keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }]
      sender_constraint: dpop
";
