//! The tests through modgud's doors: one binary, a module for each topic.

mod cache;
mod canary;
mod cli;
mod configuration;
mod custom;
mod decisions;
mod decoder;
mod envoy;
mod explain;
mod guarantee;
mod introspection;
mod keys;
mod minting;
mod openapi;
mod policy;
mod properties;
mod readme;
mod reload;
mod remote_keys;
mod sender;
mod services;
mod shadow;
mod stdio;
mod support;
mod tampering;
mod wire;
