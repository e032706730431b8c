//! Addresses, the access to sockets, and TLS.

pub mod listen_addr;
pub mod socket_access;
pub mod tls;
pub mod upstream_addr;
