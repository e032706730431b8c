//! The listeners in the summary of `modgud check`.

use crate::cli::{counted, print_line};
use crate::config::{Config, HttpListener};
use crate::forward_auth::governed_headers;
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::SocketAccess;

/// Prints the addresses of the listeners, who can connect to them, and how many connections they have.
pub(super) fn print(config: &Config) {
    print_line(format_args!("  checks on {}, probes and metrics on {}", config.server.grpc, config.server.admin));
    let ui = config.server.ui.as_ref();
    if let Some(ui) = ui {
        print_line(format_args!("  the page on {ui}, for this machine only, without a login"));
    }
    let http = config.server.http.as_ref();
    if let Some(HttpListener { listen, proxy }) = http {
        print_line(format_args!("  checks of {} over HTTP on {listen}", proxy.name()));
        print_line(format_args!(
            "    headers of each allowed response: {}",
            governed_headers(&config.snapshot, *proxy).join(", ")
        ));
    }
    let has_file = |address: &ListenAddr| matches!(address, ListenAddr::Unix(_));
    if has_file(&config.server.grpc) || http.is_some_and(|http| has_file(&http.listen)) || ui.is_some_and(has_file) {
        let SocketAccess { mode, group } = &config.server.socket;
        let group = group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
        print_line(format_args!("    with mode {mode:04o}{group}"));
    }
    let connections = counted(config.server.max_connections(), "connection", "connections");
    let each = if http.is_some() { " on each address" } else { "" };
    print_line(format_args!("  at most {connections} for checks{each}"));
    if let Some((wanted, files)) = config.server.lacking_files() {
        print_line(format_args!(
            "    instead of {wanted} (server.max_connections): the process may open {files} files, and {}, less 256, are for other uses",
            if http.is_some() { "a third of them" } else { "half of them" }
        ));
    }
}
