//! The tests through modgud's doors: one binary, a module for each topic.

mod cli;
mod readme;
mod services;
mod support;
mod wire;
