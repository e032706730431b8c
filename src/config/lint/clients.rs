//! Warnings about rules that read the client's address where it is unknown.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::Document;
use crate::diagnostic::Issue;
use crate::forward_auth::Proxy;
use modgud_core::authz::Rules;
use modgud_core::http::client::ClientSource;

/// Warns about rules that deny every request over HTTP: no proxy reports the address of the connection there.
pub(super) fn find(document: &Document, rules: &Rules, diagnostics: &mut Diagnostics) {
    let Some(http) = &document.server.http else { return };
    if http.proxy == Proxy::Envoy && document.request.client == Some(ClientSource::External) {
        return;
    }
    for (number, rule) in document.rules.iter().enumerate().filter(|(_, rule)| rules.reads_client(&rule.name)) {
        let has_networks = rule.require.as_ref().is_some_and(|require| require.clients.is_some());
        let at = Path::root("rules").position(number);
        let at = if has_networks { at.key("require").key("clients") } else { at.key("when") };
        let message = format!(
            "over HTTP, {} reports no address of the client, and the rule denies every request",
            http.proxy.name()
        );
        let help = "restrict client addresses in the proxy";
        diagnostics.add(at, Issue::warning("clients-over-http", message, help));
    }
}
