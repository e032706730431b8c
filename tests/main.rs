//! The tests through modgud's doors: one binary, a module for each topic.

mod cache;
mod canary;
mod cli;
mod decisions;
mod envoy;
mod guarantee;
mod keys;
mod properties;
mod readme;
mod reload;
mod services;
mod support;
mod tampering;
mod wire;
