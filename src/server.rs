//! The shell: listeners and services around the driver. Nothing is decided here; every check is answered, whatever happens.

pub mod admin;
pub mod app;
pub mod authorizer;
mod body;
mod check;
mod codec;
pub mod comparison;
mod connection;
mod connections;
mod frames;
pub mod grpc;
mod guard;
mod http2;
pub mod keys;
mod limits;
mod live;
mod places;
pub mod readiness;
pub mod reload;
pub mod revocation_watcher;
mod seldom;
pub mod shadow_config;
mod socket;
mod streams;

pub use check::Checks;
pub use grpc::GrpcError;
pub use guard::CHECK_PATH;
pub use live::Live;
pub use socket::{Socket, SocketFault};
