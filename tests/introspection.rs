//! Tokens that an authorization server is asked about: what it is asked, what its answers come to, for how long they count, and what
//! happens while it does not answer.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod answers;
pub(crate) mod asked;
mod caching;
mod client;
mod commands;
mod edge;
mod flood;
mod in_flight;
mod outage;
mod reload;
pub(crate) mod server;
mod undecided;
