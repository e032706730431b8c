//! The services beside the checks: health, reflection, the admin routes, and how they behave while modgud comes and goes.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod drain;
mod health;
mod metrics;
mod reflection;
mod running;
