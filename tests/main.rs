//! The tests through modgud's doors: one binary, a module for each topic.

mod decisions;
mod keys;
mod support;
mod wire;
