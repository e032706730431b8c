//! Validates the networks of clients, and that their addresses are known.

use super::principal::list;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::Document;
use crate::diagnostic::{Issue, Quoted};
use crate::forward_auth::Proxy;
use modgud_core::authz::Access;
use modgud_core::http::client::ClientSource;
use modgud_core::http::network::Network;

/// Returns the networks of a rule.
pub(super) fn networks(
    at: &Path,
    written: Option<&[String]>,
    access: Access,
    diagnostics: &mut Diagnostics,
) -> Vec<Network> {
    if written.is_some() && access == Access::Denied {
        let message = "is not compared with access `denied`, which denies every client";
        diagnostics.add(at.clone(), Issue::error("clients-unused", message, "leave it out"));
    }
    let texts = list(at, written, diagnostics);
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        networks.extend(diagnostics.ok_or_report(&at.position(index), network(text)));
    }
    networks
}

/// Parses a network. One with bits after its prefix is an error, because it may be meant as one address.
fn network(text: &str) -> Result<Network, Issue> {
    let network: Network =
        text.parse().map_err(|error| Issue::parse("network-invalid", format!("{} {error}", Quoted::new(text))))?;
    let masked = network.masked();
    if network == masked {
        return Ok(network);
    }
    let most = if network.address().is_ipv4() { 32 } else { 128 };
    let message = format!("{} has bits after the first {}", Quoted::new(text), network.prefix());
    let help = format!("write `{masked}` for the network, or `{}/{most}` for the address", network.address());
    Err(Issue::error("network-host-bits", message, help))
}

/// Checks that no client can write the address that is believed of it: only Envoy overwrites the header.
pub(super) fn check(document: &Document, diagnostics: &mut Diagnostics) {
    let external = document.request.client == Some(ClientSource::External);
    let Some(http) = document.server.http.as_ref().filter(|http| external && http.proxy != Proxy::Envoy) else {
        return;
    };
    let message = format!(
        "clients can write `x-envoy-external-address` themselves: with `server.http.proxy: {}`, the proxy does not overwrite it",
        http.proxy.name()
    );
    let help = "write `peer`, or leave `server.http` out";
    diagnostics.add(Path::root("request").key("client"), Issue::error("external-over-http", message, help));
}
