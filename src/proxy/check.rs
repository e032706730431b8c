//! Texts for the templates: those with characters that a proxy's configuration would interpret are errors.

use super::ProxyError;
use crate::envoy::bootstrap::CheckCluster;
use crate::forward_auth::Proxy;
use minijinja::{Value, context};
use std::net::IpAddr;

/// Returns the text if no proxy interprets it: letters, digits and some punctuation. A header's name becomes a variable in nginx.
pub(super) fn plain<'t>(proxy: Proxy, what: &'static str, text: &'t str) -> Result<&'t str, ProxyError> {
    let is_name = !text.contains('/');
    let allowed = match proxy {
        Proxy::Nginx if is_name => "letters, digits, `-` and `_`",
        Proxy::Nginx | Proxy::Caddy | Proxy::Haproxy | Proxy::Traefik | Proxy::Envoy => {
            "letters, digits, `-`, `_`, `.` and `/`"
        }
    };
    let is_plain = |character: char| match character {
        '-' | '_' => true,
        '.' => proxy != Proxy::Nginx || !is_name,
        '/' => true,
        other => other.is_ascii_alphanumeric(),
    };
    if text.chars().all(is_plain) {
        return Ok(text);
    }
    Err(ProxyError::Character { what, text: text.to_owned(), proxy: proxy.name(), allowed })
}

/// Returns the expression for headers to remove, which stands between single quotes. It names the headers that modgud reads, too.
pub(super) fn expression(proxy: Proxy, text: &str) -> Result<&str, ProxyError> {
    let ends = |character: char| matches!(character, '\'' | '"' | '\\') || character.is_whitespace();
    if !text.contains(ends) {
        return Ok(text);
    }
    let (what, allowed) = ("a header that modgud reads, in", "letters, digits, `-`, `_` and `.`");
    Err(ProxyError::Character { what, text: text.to_owned(), proxy: proxy.name(), allowed })
}

/// Returns the address of modgud, as the proxy writes it.
pub(super) fn address(proxy: Proxy, modgud: &CheckCluster) -> Result<Value, ProxyError> {
    const SOCKET: &str = "the path of the socket";
    let refused = |socket, instead| Err(ProxyError::Socket { proxy: proxy.name(), socket, instead });
    let path = match modgud {
        CheckCluster::Network(address) if proxy == Proxy::Envoy => {
            let is_name = address.host().parse::<IpAddr>().is_err();
            return Ok(context! { is_name, socket => (), host => address.host(), port => address.port() });
        }
        CheckCluster::Network(address) => return Ok(address.to_string().into()),
        CheckCluster::Abstract(name) if proxy == Proxy::Envoy => {
            return Ok(context! { is_name => false, socket => name.with_at() });
        }
        CheckCluster::Abstract(_) => {
            return refused("an abstract socket", "a loopback address, such as `127.0.0.1:9193`,");
        }
        CheckCluster::Socket(path) => path.as_path().display().to_string(),
    };
    let path = plain(proxy, SOCKET, &path)?;
    match proxy {
        Proxy::Nginx => Ok(format!("unix:{path}").into()),
        Proxy::Caddy => Ok(format!("unix/{path}").into()),
        Proxy::Haproxy => Ok(format!("unix@{path}").into()),
        Proxy::Envoy => Ok(context! { is_name => false, socket => path }),
        Proxy::Traefik => refused("a Unix socket", "a loopback address, such as `127.0.0.1:9193`,"),
    }
}
