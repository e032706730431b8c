//! A listener for checks that other machines reach in plaintext.

use super::super::document::Server;
use super::super::path::Path;
use super::{Caution, Cautions};
use crate::net::listen_addr::Address;

pub(super) fn find(server: &Server, grpc: &Address, cautions: &mut Cautions<'_>) {
    let at = Path::root("server");
    match (&server.tls, server.insecure_plaintext) {
        (None, false) if !grpc.is_local() => cautions.add(&at.key("grpc"), Caution::Plaintext),
        (Some(_), true) => cautions.add(&at.key("insecure_plaintext"), Caution::PlaintextBesideTls),
        (None | Some(_), _) => {}
    }
}
