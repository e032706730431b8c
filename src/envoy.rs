//! Envoy's side: the only code that knows its messages. Reads a check into a [`crate::request::Request`], writes a
//! [`crate::decision::Decision`] as an answer, and holds the sample Envoy configuration.

pub mod bootstrap;
pub mod json;
pub mod proto;
mod request;
mod response;

pub use request::{read, read_headers};
pub use response::response;
