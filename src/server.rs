//! Listeners and services around the authorizer. Every check gets a response, even after a panic or at the deadline.

mod accept;
pub mod activation;
mod admin;
pub mod app;
pub mod authorizer;
mod background;
mod body;
mod check;
pub mod comparison;
mod connection;
mod connection_slots;
pub(crate) mod custom_calls;
mod decision_log;
mod exposition;
mod fail_closed;
mod file_reads;
mod frames;
pub mod grpc;
mod h2;
mod http1;
mod limits;
mod metrics;
mod protocol;
pub mod readiness;
pub mod reload;
pub mod revocation_watcher;
pub mod service_manager;
pub mod shadow_config;
mod socket;
mod stream_limit;
mod traces;

pub use check::CheckHandler;
pub use fail_closed::CHECK_PATH;
pub use grpc::GrpcError;
pub use reload::SharedState;
pub use socket::{Socket, SocketError};
