//! Listeners and their filters of connections, in which connection managers are.

use super::code::Code;
use super::view::At;
use super::{Context, connection};
use crate::diagnostic::Quoted;

const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const MOBILE_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.EnvoyMobileHttpConnectionManager";

/// Filters before the connection manager that only count, limit or reject connections.
const HARMLESS: [&str; 5] = ["connection_limit", "ext_authz", "local_ratelimit", "ratelimit", "rbac"];

/// Checks a listener. Returns the number of its connection managers.
pub(super) fn check<'n>(context: &Context<'_, 'n>, listener: &At<'n>) -> usize {
    let listener = listener.clone().within("listener", listener.text("name"));
    let mut managers = 0_usize;
    if let Some(discovered) = listener.field("fcds_config") {
        discovered.report(Code::NotIncluded, "filter chains are not in these files");
    }
    for filter in listener.items("listener_filters") {
        // The filters of UDP are in this list, too.
        if let Some(typed) = filter.field("typed_config").filter(|typed| typed.message().is_some_and(is_udp)) {
            typed.report(Code::NetworkFilter, "a filter of UDP has the datagrams");
        }
    }
    let chains = listener.items("filter_chains").into_iter().chain(listener.field("default_filter_chain"));
    for chain in chains {
        let has_certificates = asks_for_certificates(&chain);
        for filter in chain.items("filters") {
            managers = managers.saturating_add(usize::from(check_filter(context, &filter, has_certificates)));
        }
    }
    if let Some(typed) = listener.at(&["api_listener", "api_listener"]) {
        managers = managers.saturating_add(usize::from(check_typed(context, &typed, false)));
    }
    managers
}

fn is_udp(message: &str) -> bool {
    message.starts_with("envoy.extensions.filters.udp.")
}

/// Returns true if clients can have a certificate.
fn asks_for_certificates(chain: &At<'_>) -> bool {
    const TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let Some(socket) = chain.field("transport_socket") else { return false };
    let Some(typed) = socket.field("typed_config").filter(|typed| typed.message() == Some(TLS)) else { return true };
    let validation = ["validation_context", "combined_validation_context", "validation_context_sds_secret_config"];
    let common = typed.field("common_tls_context");
    validation.iter().any(|name| common.as_ref().is_some_and(|common| common.field(name).is_some()))
}

/// Checks a filter. Returns true for a connection manager.
fn check_filter<'n>(context: &Context<'_, 'n>, filter: &At<'n>, has_certificates: bool) -> bool {
    let name = filter.text("name").unwrap_or_default();
    if let Some(typed) = filter.field("typed_config") {
        return check_typed(context, &typed, has_certificates);
    }
    if let Some(discovery) = filter.field("config_discovery") {
        let found = context.model.extension(name).and_then(|extension| extension.field("typed_config"));
        match found {
            Some(typed) => return check_typed(context, &typed, has_certificates),
            None => {
                discovery.report(Code::NotIncluded, format!("the filter {} is not in these files", Quoted::new(name)));
            }
        }
    } else {
        filter.report(Code::Unreadable, "the filter has no `typed_config`");
    }
    false
}

fn check_typed<'n>(context: &Context<'_, 'n>, typed: &At<'n>, has_certificates: bool) -> bool {
    match typed.message() {
        Some(MANAGER) => connection::check(context, typed, has_certificates),
        Some(MOBILE_MANAGER) => {
            let Some(manager) = typed.field("config") else { return false };
            connection::check(context, &manager, has_certificates);
        }
        message => {
            let kind = message.and_then(|name| name.strip_prefix("envoy.extensions.filters.network."));
            let kind = kind.and_then(|name| name.split('.').next());
            if !kind.is_some_and(|kind| HARMLESS.contains(&kind)) {
                let found =
                    format!("a filter of the type {} has the connection", Quoted::new(message.unwrap_or("no type")));
                typed.report(Code::NetworkFilter, found);
            }
            return false;
        }
    }
    true
}
