//! The client's address: whether it is the client's, and whether the client could have written it.

use super::Context;
use super::code::Code;
use super::early::EarlyRemoval;
use super::view::At;
use modgud_core::http::client::{ClientSource, EXTERNAL_ADDRESS};

/// Checks a connection manager. Only rules that read the address depend on it.
pub(super) fn check(context: &Context<'_, '_>, manager: &At<'_>, early: &EarlyRemoval) {
    let Some(settings) = context.settings.filter(|settings| settings.reads_client) else { return };
    let has_proxies = manager.number("xff_num_trusted_hops").is_some_and(|hops| hops > 0);
    match settings.request.client {
        ClientSource::Peer if has_proxies => {
            manager.report_field("xff_num_trusted_hops", Code::PeerOfProxy, "there are proxies in front");
        }
        ClientSource::Peer => {}
        ClientSource::External => external(manager, early, has_proxies),
    }
}

fn external(manager: &At<'_>, early: &EarlyRemoval, has_proxies: bool) {
    let is_removed = early.removes(EXTERNAL_ADDRESS);
    if !is_removed && !manager.is_true("use_remote_address") {
        manager.report_field("use_remote_address", Code::ExternalAddress, "it is not `true`");
    } else if !is_removed && has_internal_addresses(manager) {
        let found = "Envoy does not overwrite the header of internal clients";
        manager.report_field("internal_address_config", Code::ExternalAddress, found);
    }
    if has_proxies {
        let found = "Envoy believes the proxies in front";
        manager.report_field("xff_num_trusted_hops", Code::ExternalHops, found);
    }
}

/// Returns true if Envoy takes some clients for internal ones.
fn has_internal_addresses(manager: &At<'_>) -> bool {
    let Some(internal) = manager.field("internal_address_config") else { return false };
    internal.is_true("unix_sockets") || !internal.items("cidr_ranges").is_empty()
}
