//! Warnings about the listeners for checks: who can connect to them besides Envoy or the proxy.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Document, Server};
use crate::config::{HttpListener, ServerConfig};
use crate::diagnostic::{Issue, Quoted};
use crate::net::listen_addr::ListenAddr;
use modgud_core::authz::Rules;
use std::collections::HashSet;

/// The setting that answers the warnings about plaintext.
const MEANT: &str = "if something else restricts access, write `server.insecure_plaintext: true`";

pub(super) fn find(server: &Server, config: &ServerConfig, diagnostics: &mut Diagnostics) {
    let at = Path::root("server");
    match (&server.tls, server.insecure_plaintext) {
        (None, false) => open(&at, config, diagnostics),
        // `server.http` has no TLS.
        (Some(_), true) if config.http.as_ref().is_none_or(|http| http.listen.is_local()) => {
            let issue = Issue::warning("insecure-plaintext-unused", "has no effect with `tls`", "leave it out");
            diagnostics.add(at.key("insecure_plaintext"), issue);
        }
        (None | Some(_), _) => {}
    }
    if let Some(HttpListener { listen: ListenAddr::Abstract(_), proxy: _ }) = &config.http
        && !server.insecure_plaintext
    {
        let message = "an abstract socket has no file mode: every process in the same network namespace can connect and request \
                       decisions, or take the name before modgud and receive tokens";
        let help = format!("write `unix:/PATH`; {MEANT}");
        diagnostics.add(at.key("http").key("listen"), Issue::warning("http-abstract", message, help));
    }
    if !server.insecure_plaintext {
        open_to_all(&at, server, config, diagnostics);
    }
    let group = server.socket.as_ref().and_then(|socket| socket.group.as_ref());
    if group.is_some() && !config.socket.admits_group() {
        let message = format!(
            "has no effect, because the mode {} lets the group not write, and connecting requires that",
            Quoted::new(&format!("{:04o}", config.socket.mode))
        );
        let help = "write `mode: \"0660\"`, or leave the group out";
        diagnostics.add(at.key("socket").key("group"), Issue::warning("socket-group-unused", message, help));
    }
}

/// Warns about conditions on what only Envoy sends over gRPC.
pub(super) fn over_http(document: &Document, rules: &Rules, diagnostics: &mut Diagnostics) {
    let Some(http) = &document.server.http else { return };
    let reading: HashSet<&str> = rules.reading_context().collect();
    for (number, _) in document.rules.iter().enumerate().filter(|(_, rule)| reading.contains(rule.name.as_str())) {
        let message = format!(
            "with `server.http.proxy: {}`, `context` is empty: only Envoy over gRPC sends the `context_extensions` of a route",
            http.proxy.name()
        );
        let help = "write a condition without `context`, or let Envoy ask over gRPC, without `server.http`";
        let at = Path::root("rules").position(number).key("when");
        diagnostics.add(at, Issue::warning("context-over-http", message, help));
    }
}

/// Warns about a plaintext listener for gRPC that others than Envoy can reach.
fn open(at: &Path, config: &ServerConfig, diagnostics: &mut Diagnostics) {
    match &config.grpc {
        ListenAddr::Tcp(_) if !config.grpc.is_local() => {
            let message =
                "other machines can connect here, request decisions, and read tokens, which are sent in plaintext";
            let help = format!(
                "write `127.0.0.1` or a socket, such as `unix:/run/modgud/check.sock`, or add `server.tls`; {MEANT}"
            );
            diagnostics.add(at.key("grpc"), Issue::warning("grpc-plaintext", message, help));
        }
        ListenAddr::Abstract(_) => {
            let message = "an abstract socket has no file mode: every process in the same network namespace can connect and request \
                           decisions, or take the name before modgud and receive tokens";
            let help = format!("write `unix:/PATH`, or add `server.tls`; {MEANT}");
            diagnostics.add(at.key("grpc"), Issue::warning("grpc-abstract", message, help));
        }
        ListenAddr::Tcp(_) | ListenAddr::Unix(_) => {}
    }
}

/// Warns about a socket without TLS that every user can reach.
fn open_to_all(at: &Path, server: &Server, config: &ServerConfig, diagnostics: &mut Diagnostics) {
    let grpc = Some(&config.grpc).filter(|_| server.tls.is_none());
    let http = config.http.as_ref().map(|http| &http.listen);
    let has_file = grpc.into_iter().chain(http).any(|address| matches!(address, ListenAddr::Unix(_)));
    if has_file && config.socket.is_open_to_all() && server.socket.is_some() {
        let message = format!(
            "with {}, every user of this machine who can reach the folder can connect and request decisions",
            Quoted::new(&format!("{:04o}", config.socket.mode))
        );
        let help = format!("write `\"0660\"` and Envoy's group, such as `group: envoy`; {MEANT}");
        diagnostics.add(at.key("socket").key("mode"), Issue::warning("socket-open-to-all", message, help));
    }
}
