//! The services besides the checks: health, reflection, the admin routes, and how they behave while modgud comes and goes; and how
//! connections to them are made: TLS, sockets in the file system, bounds.

#![expect(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
pub(crate) mod authority;
pub(crate) mod connections;
mod drain;
mod health;
mod metrics;
mod reflection;
mod running;
mod streams;
mod tls;
mod unix;
