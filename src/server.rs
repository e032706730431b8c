//! The shell: listeners and services around the driver. Nothing is decided here; every check is answered, whatever happens.

pub mod admin;
mod check;
pub mod grpc;
mod guard;
pub mod keys;
pub mod readiness;

pub use check::Checks;
pub use grpc::GrpcError;
pub use guard::CHECK_PATH;
