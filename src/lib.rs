//! modgud: an authorization sidecar for Envoy (`ext_authz`).
//!
//! Envoy sends a check for every request. modgud authenticates the caller, authorizes the request, and sets the headers that the module
//! behind Envoy relies on. The decision itself is pure and lives in [`modgud_core`]; this crate is the process around it. A module imports
//! only from those below it:
//!
//! | modules | contents |
//! |---|---|
//! | [`cli`] | commands |
//! | [`server`] | listeners, shutdown, reload, shadow configuration, and the authorizer, which completes decisions with remote lookups |
//! | [`openapi`], [`telemetry`] | rules from API descriptions; log and metrics |
//! | [`config`] | configuration files: reading, validation, warnings |
//! | [`forward_auth`] | checks and responses in HTTP, for other proxies |
//! | [`proxy`] | configurations of other proxies, for `server.http` |
//! | [`envoy`], [`jwks`], [`introspection`], [`otlp`] | Envoy's messages and bootstrap file; clients of JWKS providers, authorization servers and collectors |
//! | [`diagnostic`], [`yaml`], [`http_client`], [`net`], [`clock`], `backoff`, `single_flight`, `log_throttle`, `read_limit` | the foundations of the others |
//!
//! A program with a custom authenticator uses [`cli::run_with`] and a [`modgud_core::authn::CustomAuthenticator`];
//! `examples/custom_authenticator.rs` is one.

mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod diagnostic;
pub mod envoy;
pub mod forward_auth;
pub mod http_client;
pub mod introspection;
pub mod jwks;
mod log_throttle;
pub mod net;
pub mod openapi;
pub mod otlp;
pub mod proxy;
mod read_limit;
pub mod server;
mod single_flight;
pub mod telemetry;
pub mod yaml;
