//! The tests through modgud's doors: one binary, a module for each topic.

mod cache;
mod canary;
mod decisions;
mod guarantee;
mod keys;
mod properties;
mod support;
mod tampering;
mod wire;
