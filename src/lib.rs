//! modgud: an authorization sidecar for Envoy (`ext_authz`).
//!
//! Envoy asks about every request; modgud finds out who is asking, decides whether they may, and says what the module behind
//! Envoy is to be told. A check goes through these layers, and imports point only downward:
//!
//! | layer | modules | what it does |
//! |---|---|---|
//! | shell | [`app`], [`reload`], [`revocations`], [`server`], [`shadow`], [`cli`], [`playground`] | listeners, signals, commands |
//! | edges | [`driver`], [`config`], [`envoy`], [`fetch`], [`introspection`], [`keys`], [`openapi`], [`telemetry`], [`tls`] | files, other servers, Envoy's messages, the clock, the log, TLS |
//! | logic | [`snapshot`], [`decision`], [`principal`], [`credential`], [`jose`], [`authn`], [`authz`], [`upstream`], [`answer`] | pure and total: no I/O, no clock, no async |
//! | words | [`request`], [`path`], [`query`], [`host`], [`method`], [`header`], [`explain`], [`reason`], [`clock`], [`address`], [`endpoint`], [`yaml`] | the types that everybody speaks |
//!
//! A program with an authenticator of its own is [`cli::run_with`] and an [`authn::CustomAuthenticator`]:
//! `examples/custom_authenticator.rs`.
//!
//! The whole decision is [`snapshot::decide`]: a request, a snapshot of the configuration and a time in, a
//! [`decision::Decision`] out. The only place that turns one into Envoy's answer is [`envoy::response`].

pub mod address;
pub mod answer;
pub mod app;
pub mod authn;
pub mod authz;
mod bounded;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credential;
pub mod decision;
pub mod driver;
pub mod endpoint;
pub mod envoy;
pub mod explain;
pub mod fetch;
pub mod header;
pub mod host;
pub mod introspection;
pub mod jose;
pub mod keys;
pub mod method;
pub mod openapi;
pub mod path;
pub mod playground;
pub mod principal;
pub mod query;
pub mod reason;
pub mod reload;
pub mod request;
pub mod revocations;
pub mod server;
pub mod shadow;
pub mod snapshot;
mod spelling;
pub mod telemetry;
pub mod tls;
mod unseen;
pub mod upstream;
pub mod yaml;
