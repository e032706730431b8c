//! Validates `server.http`: its address, and that the proxy can carry out what the rest of the configuration decides.

use crate::config::HttpListener;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Document, Sender};
use crate::diagnostic::{Issue, Quoted};
use crate::forward_auth::Proxy;
use crate::net::listen_addr::ListenAddr;

/// Validates the address. A listener beyond this machine is an error, and not the warning that it is for `server.grpc`: the proxy's
/// headers say which request is decided, and a client of this address can write them.
pub(super) fn listener(
    at: &Path,
    section: &raw::Http,
    insecure_plaintext: bool,
    diagnostics: &mut Diagnostics,
) -> Option<HttpListener> {
    let raw::Http { listen, proxy } = section;
    let at = at.key("listen");
    let read = listen.parse().map_err(|error| {
        Issue::parse("address-invalid", format!("{} is not an address; {error}", Quoted::new(listen)))
    });
    let listen: ListenAddr = diagnostics.ok_or_report(&at, read)?;
    if !listen.is_local() && !insecure_plaintext {
        let message = "other machines can connect here, choose the request that is decided, and read tokens, which are sent in plaintext";
        let help = "write `127.0.0.1` or a socket, such as `unix:/run/modgud/http.sock`; if something else restricts access, write \
                    `server.insecure_plaintext: true`";
        diagnostics.add(at, Issue::error("http-plaintext", message, help));
        return None;
    }
    Some(HttpListener { listen, proxy: *proxy })
}

/// Checks that no other listener has the address.
pub(super) fn other_listeners(
    at: &Path,
    listen: &ListenAddr,
    others: &[(&str, Option<ListenAddr>)],
    diagnostics: &mut Diagnostics,
) {
    for (key, _) in
        others.iter().filter(|(_, address)| address.as_ref().is_some_and(|other| listen.collides_with(other)))
    {
        let message = format!("is the address of `{key}` too");
        diagnostics.add(at.clone(), Issue::error("address-taken", message, "write another port or socket"));
    }
}

/// Checks that the proxy can carry out what the configuration decides: it can't change the query, and sends neither bodies nor certificates.
pub(super) fn check(document: &Document, diagnostics: &mut Diagnostics) {
    let Some(raw::Http { listen: _, proxy }) = &document.server.http else { return };
    let proxy = *proxy;
    for header in document.denials.headers.keys().filter(|header| proxy.obeys(header)) {
        let message = format!("{} is an order to {}, which no client receives", Quoted::new(header), proxy.name());
        let at = Path::root("denials").key("headers").key(header);
        diagnostics.add(at, Issue::error("header-of-proxy", message, "leave it out"));
    }
    for (number, rule) in document.rules.iter().enumerate() {
        let at = Path::root("rules").position(number);
        let headers = rule.deny.iter().flat_map(|deny| deny.headers.keys());
        for header in headers.filter(|header| proxy.obeys(header)) {
            let message = format!("{} is an order to {}, which no client receives", Quoted::new(header), proxy.name());
            let at = at.key("deny").key("headers").key(header);
            diagnostics.add(at, Issue::error("header-of-proxy", message, "leave it out"));
        }
        if rule.respond.is_some() {
            let message = not_over_http(proxy, "can't add headers to the module's response");
            let help = "let the proxy add them, or let Envoy ask over gRPC, without `server.http`";
            diagnostics.add(at.key("respond"), Issue::error("respond-over-http", message, help));
        }
    }
    for (number, one) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number);
        for (number, from) in one.from.iter().enumerate() {
            let at = at.key("from").position(number);
            if from.query.is_some() {
                let message =
                    not_over_http(proxy, "can't remove a credential from the query, and the module would receive it");
                let help = "write `{ header: authorization, schemes: [Bearer] }` or `{ cookie: session }`";
                diagnostics.add(at.key("query"), Issue::error("query-over-http", message, help));
            }
            if let Some(header) = &from.header {
                own_header(&at.key("header"), header, proxy, diagnostics);
            }
        }
        if one.mtls.is_some() {
            let message = not_over_http(proxy, "sends no client certificate");
            let help = "leave the authenticator out, or let Envoy ask over gRPC, without `server.http`";
            diagnostics.add(at.key("mtls"), Issue::error("certificate-over-http", message, help));
        }
        let jwt = one.jwt.as_ref().and_then(|jwt| Some(("jwt", jwt.sender_constraint?)));
        let introspection = one.introspection.as_ref().and_then(|one| Some(("introspection", one.sender_constraint?)));
        for (kind, sender) in jwt.into_iter().chain(introspection) {
            match sender {
                Sender::Certificate => {
                    let message = not_over_http(proxy, "sends no client certificate");
                    let help = "write `dpop`, or let Envoy ask over gRPC, without `server.http`";
                    let at = at.key(kind).key("sender_constraint");
                    diagnostics.add(at, Issue::error("certificate-over-http", message, help));
                }
                Sender::Dpop => {}
            }
        }
    }
    for name in document.upstream.headers.keys() {
        own_header(&Path::root("upstream").key("headers").key(name), name, proxy, diagnostics);
    }
    for (number, name) in document.upstream.keep.iter().enumerate().filter(|(_, name)| Proxy::is_for_proxies(name)) {
        own_header(&Path::root("upstream").key("keep").position(number), name, proxy, diagnostics);
    }
    if let Some(raw::Correlation { header, impersonation, process_instance, .. }) = &document.correlation {
        let at = Path::root("correlation");
        own_header(&at.key("header"), header, proxy, diagnostics);
        if let Some(header) = &process_instance.header {
            own_header(&at.key("process_instance").key("header"), header, proxy, diagnostics);
        }
        if let Some(raw::Impersonation { header, body, permission: _ }) = impersonation {
            let at = at.key("impersonation");
            if body.is_some() {
                let message = not_over_http(proxy, "sends no body, so the impersonated person is unknown");
                let help = "write `header`, or let Envoy ask over gRPC, without `server.http`";
                diagnostics.add(at.key("body"), Issue::error("body-over-http", message, help));
            }
            if let Some(header) = header {
                own_header(&at.key("header"), header, proxy, diagnostics);
            }
        }
    }
}

/// Reports a header of a service that the proxy and modgud use between them.
fn own_header(at: &Path, header: &str, proxy: Proxy, diagnostics: &mut Diagnostics) {
    if proxy.uses(header) {
        let message = format!(
            "{} is a header of the proxy's own: with `server.http.proxy: {}`, no service receives it",
            Quoted::new(header),
            proxy.name()
        );
        diagnostics
            .add(at.clone(), Issue::error("header-of-proxy", message, "write another header, such as `x-user-id`"));
    }
}

/// Returns a message about what a proxy can't do.
fn not_over_http(proxy: Proxy, fault: &str) -> String {
    format!("with `server.http.proxy: {}`, the proxy {fault}", proxy.name())
}
