//! The shell: listeners and services around the driver. Nothing is decided here; every check is answered, whatever happens.

pub mod admin;
mod body;
mod check;
mod codec;
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
mod seldom;
pub mod shadow;
mod socket;
mod streams;

pub use check::Checks;
pub use grpc::GrpcError;
pub use guard::CHECK_PATH;
pub use live::Live;
pub use socket::{Socket, SocketFault};
