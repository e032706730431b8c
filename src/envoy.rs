//! Envoy's side: the only code that knows its messages. Reads a check into a [`modgud_core::http::request::Request`], writes a
//! [`modgud_core::decide::Decision`] as an answer, and holds the sample Envoy configuration.

pub mod bootstrap;
pub mod json;
mod metadata;
pub mod proto;
mod request;
mod response;
mod size;

pub use request::{read, read_headers};
pub use response::response;
pub use size::{has_too_many_entries, memory};
