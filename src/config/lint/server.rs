//! Warnings about a check listener that other machines reach in plaintext.

use super::super::path::Path;
use super::super::raw::Server;
use super::{Warning, Warnings};
use crate::net::listen_addr::ListenAddr;

pub(super) fn find(server: &Server, grpc: &ListenAddr, warnings: &mut Warnings<'_>) {
    let at = Path::root("server");
    match (&server.tls, server.insecure_plaintext) {
        (None, false) if !grpc.is_local() => warnings.add(&at.key("grpc"), Warning::Plaintext),
        (Some(_), true) => warnings.add(&at.key("insecure_plaintext"), Warning::PlaintextBesideTls),
        (None | Some(_), _) => {}
    }
}
