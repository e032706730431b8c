//! Addresses and TLS.

pub mod listen_addr;
pub mod tls;
pub mod upstream_addr;
