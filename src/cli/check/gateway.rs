//! The modules and the core service, and how Envoy connects to them.

use crate::cli::print_line;
use crate::envoy::bootstrap::{CoreService, GatewayConfig, Module, Protocol, Retries, Service, ServiceTls};
use modgud_core::protected_resource::ProtectedResource;
use std::time::Duration;

pub(super) fn print(gateway: &GatewayConfig) {
    let GatewayConfig { modules, core: CoreService { upstream, service, reserved }, protected_resource, .. } = gateway;
    for path in protected_resource.iter().flat_map(ProtectedResource::paths) {
        print_line(format_args!("  metadata of the protected resource: {path}, open without a credential"));
    }
    for Module { name, prefix, keep_prefix, reading: _, upstream, service, has_access_list, openapi: _ } in modules {
        let paths = if *keep_prefix { ", with the prefix" } else { "" };
        let access = if *has_access_list { ", restricted by an access list" } else { "" };
        let connection = connection(service, false);
        print_line(format_args!("  module {name}: {prefix} to {upstream}{connection}{paths}{access}"));
    }
    if let Some(upstream) = upstream {
        print_line(format_args!("  core: {} to {upstream}{}", reserved.join(", "), connection(service, true)));
    }
}

/// Returns Envoy's connection to a service, where it is not the default: HTTP/1.1 in plaintext, and cookies as for this kind of service.
fn connection(service: &Service, has_cookies: bool) -> String {
    let Service { protocol, tls, has_websocket, timeout, idle_timeout, retries, keeps_cookies } = service;
    let mut parts = Vec::new();
    match protocol {
        Protocol::Http1 => {}
        Protocol::Http2 => parts.push("HTTP/2".to_owned()),
    }
    parts.extend(tls.as_ref().map(|ServiceTls { name, client, .. }| {
        let kind = if client.is_some() { "mutual TLS" } else { "TLS" };
        format!("{kind} with {name}")
    }));
    parts.extend(has_websocket.then(|| "WebSocket".to_owned()));
    parts.extend(timeout.map(|timeout| match timeout {
        Duration::ZERO => "no timeout".to_owned(),
        timeout => format!("timeout {} s", timeout.as_secs_f64()),
    }));
    parts.extend(idle_timeout.map(|timeout| format!("idle timeout {} s", timeout.as_secs_f64())));
    parts.extend(retries.as_ref().map(|Retries { attempts, .. }| format!("retries {attempts}")));
    parts.extend((*keeps_cookies != has_cookies).then(|| {
        let word = if *keeps_cookies { "with" } else { "without" };
        format!("{word} cookies")
    }));
    parts.into_iter().flat_map(|part| [", ".to_owned(), part]).collect()
}
