//! The services besides the checks: health, reflection, the admin routes, and how they behave while modgud comes and goes; and how
//! connections to them are made: TLS, sockets in the file system, bounds.

#![expect(clippy::arithmetic_side_effects, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod activation;
mod admin;
pub(crate) mod authority;
mod compose;
pub(crate) mod connections;
mod drain;
mod health;
pub(crate) mod launcher;
mod metrics;
mod reflection;
mod running;
mod service_manager;
mod streams;
mod systemd;
mod tls;
mod unix;
