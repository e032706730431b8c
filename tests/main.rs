//! The tests through modgud's doors: one binary, a module for each topic.

mod envoy;
mod support;
mod wire;
