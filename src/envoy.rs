//! Envoy's messages and configuration. Only this module knows them: it converts a check into a
//! [`modgud_core::http::request::Request`] and a [`modgud_core::decide::Decision`] into a response, and writes and
//! checks Envoy's configuration.

pub mod bootstrap;
mod check;
pub mod lint;
mod metadata;
pub mod proto;
mod request;
mod response;

pub use check::{Check, NotACheck};
pub use request::{CheckJsonError, check_from_json, read, unread_headers, with_client, written_check};
pub use response::response;
