//! Spans of checks, as a collector gets them over OTLP. Its side of the protocol is OpenTelemetry's own types.
//!
//! - `receiver`: a collector in this process, whose every answer is a test's to choose.
//! - `spans`: which checks have a span, and what is in it.
//! - `lookups`: spans of lookups.
//! - `failures`: collectors that are absent, slow, lying or untrusted.
//! - `process`: the program's end, and its reloads.
//! - `envoy`: modgud and a real Envoy in one trace.
//! - `collector`: a real OpenTelemetry collector. `make collector-test` builds it; `make test` names this module as left out.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod asked;
mod collector;
mod envoy;
mod failures;
mod lookups;
mod process;
pub(crate) mod receiver;
mod spans;
