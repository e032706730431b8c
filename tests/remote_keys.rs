//! JWKS of an issuer: how keys are added, changed and removed, and what happens while they are unavailable.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod answers;
mod asked;
mod cache_file;
mod commands;
mod flood;
mod log;
mod oidc;
mod outage;
mod reload;
mod rotation;
mod start;
mod tls;
mod undecided;
