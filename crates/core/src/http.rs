//! HTTP requests as they reach the decision: parsed strictly, ambiguous ones rejected.

pub mod client;
pub mod forwarded;
pub mod header;
pub mod host;
pub mod method;
pub mod network;
pub(crate) mod param_name;
pub mod path;
pub mod percent;
pub mod query;
pub mod request;
