//! Configurations of other proxies, which ask modgud over HTTP (`server.http`): [`ProxyConfig`] fills the template of the proxy that the
//! configuration names. No template escapes text, so `check` accepts only text that is plain in each of these languages. The samples
//! in `deploy/proxies` are the output.

mod check;
mod routes;

use crate::envoy::bootstrap::{CheckCluster, Filter, GatewayConfig, timeout as check_timeout};
use crate::forward_auth::{BETWEEN, Proxy, governed_headers};
use check::plain;
use minijinja::syntax::SyntaxConfig;
use minijinja::{UndefinedBehavior, Value, context};
use modgud_core::decide::Snapshot;
use modgud_core::http::header::fold_byte;
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The script that HAProxy loads. It is the same for every configuration.
pub const LUA: &str = include_str!("proxy/templates/modgud.lua");

/// The headers of a denial that nginx hands on, apart from an operator's own.
const DENIAL_HEADERS: [&str; 6] =
    ["cache-control", "content-type", "location", "retry-after", "www-authenticate", "x-content-type-options"];

/// The inputs of a proxy's configuration.
#[derive(Debug, Clone)]
pub struct ProxyConfig<'c> {
    /// The proxy.
    pub proxy: Proxy,
    /// Modules, core service, and the client headers that never reach them.
    pub gateway: &'c GatewayConfig,
    /// The state that decides: it has the headers that modgud writes, the statuses of denials, and the deadline.
    pub snapshot: &'c Snapshot,
    /// The proxy's listener for clients.
    pub listener: SocketAddr,
    /// The address of `server.http`, as the proxy reaches it.
    pub modgud: CheckCluster,
    /// The path of the script, on HAProxy's machine.
    pub lua: &'c str,
}

/// Errors of writing a proxy's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither a module nor a core service.
    #[error("the configuration has no `modules` and no `core.upstream`; write one of them, to have a route")]
    Nothing,
    /// The proxy can't connect to this kind of socket.
    #[error(
        "{proxy} can't connect to {socket}; use {instead} for `server.http.listen`, or name another address with --modgud"
    )]
    Socket {
        /// The proxy's name.
        proxy: &'static str,
        /// The kind of socket, with an article.
        socket: &'static str,
        /// The address to use.
        instead: &'static str,
    },
    /// A text with characters that mean something in the proxy's configuration.
    #[error("{what} `{text}` has a character that {proxy}'s configuration would interpret; use {allowed}")]
    Character {
        /// The text's meaning, with an article.
        what: &'static str,
        /// The text.
        text: String,
        /// The proxy's name.
        proxy: &'static str,
        /// The allowed characters.
        allowed: &'static str,
    },
    /// A module whose prefix is the path of nginx's check.
    #[error("`{name}` has the prefix `{prefix}`, which nginx's check has; write another prefix")]
    Prefix {
        /// The name of the module.
        name: String,
        /// The prefix.
        prefix: &'static str,
    },
    /// A service to which the proxy can't connect as configured.
    #[error(
        "`{name}` has `{key}`, which `modgud proxy` does not write for {proxy}; leave it out and add it to the configuration of {proxy}, or use Envoy"
    )]
    Service {
        /// The name of the module, or `core`.
        name: String,
        /// The key and its value.
        key: &'static str,
        /// The proxy's name.
        proxy: &'static str,
    },
    /// The template could not be filled.
    #[error("the template of the proxy's configuration is invalid: {0}")]
    Template(String),
}

impl ProxyConfig<'_> {
    /// Returns the proxy's configuration.
    ///
    /// # Errors
    /// [`ProxyError`] if an input is missing, or the proxy can't have it.
    pub fn text(&self) -> Result<String, ProxyError> {
        let template = match self.proxy {
            Proxy::Nginx => include_str!("proxy/templates/nginx.conf.jinja"),
            Proxy::Caddy => include_str!("proxy/templates/Caddyfile.jinja"),
            Proxy::Haproxy => include_str!("proxy/templates/haproxy.cfg.jinja"),
            Proxy::Traefik => include_str!("proxy/templates/traefik.yaml.jinja"),
            Proxy::Envoy => include_str!("proxy/templates/envoy.yaml.jinja"),
        };
        fill(template, self.values()?).map_err(|error| ProxyError::Template(error.to_string()))
    }

    /// Returns the keys of `modules` and `core` that only Envoy's configuration gets, each with the name of its service.
    #[must_use]
    pub fn for_envoy_only(&self) -> Vec<(&str, &'static str)> {
        match self.proxy {
            // Its routes come from `modgud envoy`.
            Proxy::Envoy => Vec::new(),
            Proxy::Nginx | Proxy::Caddy | Proxy::Haproxy | Proxy::Traefik => {
                routes::for_envoy_only(&self.gateway.modules, &self.gateway.core)
            }
        }
    }

    /// Returns the values for the template.
    fn values(&self) -> Result<Value, ProxyError> {
        const MARGIN: Duration = Duration::from_millis(100);
        let Self { proxy, gateway, snapshot, listener, modgud, lua } = self;
        let proxy = *proxy;
        let GatewayConfig { modules, core, filter, .. } = gateway;
        // Envoy has its routes from `modgud envoy`.
        if modules.is_empty() && core.upstream.is_none() && proxy != Proxy::Envoy {
            return Err(ProxyError::Nothing);
        }
        let governed = self.governed()?;
        let cookie =
            if governed.iter().any(|(name, _)| name == "cookie") { "$modgud_request_cookie" } else { "$http_cookie" };
        let cleared = self.cleared()?;
        let Removals { prefixes, names, spares_underscores } = removals(filter, &cleared, proxy)?;
        let denials = &snapshot.denials;
        let extra = denials.style().extra.iter().map(|header| header.name().as_str());
        let denial_headers: Vec<String> = DENIAL_HEADERS
            .into_iter()
            .chain(extra)
            .map(|name| plain(proxy, "the header", name).map(str::to_owned))
            .collect::<Result<_, _>>()?;
        let timeout = snapshot.deadline.saturating_add(MARGIN);
        let all_removed = with_descriptions(filter, proxy);
        Ok(context! {
            modgud => check::address(proxy, modgud)?,
            listen => listen(*listener),
            lua => plain(proxy, "the path of the script", lua)?,
            deadline_ms => snapshot.deadline.as_millis(),
            timeout_ms => timeout.as_millis(),
            script_timeout_ms => timeout.saturating_mul(3).as_millis(),
            timeout => check_timeout(snapshot.deadline),
            governed => governed.iter().map(|(name, is_style)| context! { name, id => id(name), go => in_go(name), is_style }).collect::<Value>(),
            cookie,
            cleared => cleared.iter().collect::<Value>(),
            prefixes => prefixes.into_iter().collect::<Value>(),
            removed => names.into_iter().collect::<Value>(),
            spares_underscores,
            early => check::expression(proxy, &all_removed.early_expression())?,
            denial_headers => denial_headers.iter().map(|name| context! { name, id => id(name) }).collect::<Value>(),
            statuses => denials.statuses().into_iter().collect::<Value>(),
            ..match proxy {
                Proxy::Envoy => context! {},
                Proxy::Nginx | Proxy::Caddy | Proxy::Haproxy | Proxy::Traefik => routes::values(proxy, modules, core)?,
            }
        })
    }

    /// Returns the governed headers, each with true if it describes the request to modgud.
    fn governed(&self) -> Result<Vec<(String, bool)>, ProxyError> {
        let named = |name: &str| {
            let name = plain(self.proxy, "the header", name)?;
            Ok((name.to_owned(), self.proxy.hidden().contains(&name)))
        };
        governed_headers(self.snapshot, self.proxy).into_iter().map(named).collect()
    }

    /// Returns the client headers that the proxy removes before the check: override headers, those of modgud's answers, and those that
    /// describe a request to modgud through another proxy. Others that modgud reads, or that `upstream.keep` names, stay.
    fn cleared(&self) -> Result<BTreeSet<String>, ProxyError> {
        let Filter { spared, .. } = &self.gateway.filter;
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let hidden = self.proxy.hidden();
        let all = overrides.chain(self.proxy.foreign()).chain(BETWEEN);
        let cleared = all.filter(|name| !spared.contains(*name) && !hidden.contains(name));
        cleared.map(|name| plain(self.proxy, "the header", name).map(str::to_owned)).collect()
    }
}

/// The client headers that Caddy removes before the check. nginx drops those with a `_`.
struct Removals {
    /// Prefixes such as `x-core-*`.
    prefixes: BTreeSet<String>,
    names: BTreeSet<String>,
    /// True if modgud reads a header whose name has a `_`.
    spares_underscores: bool,
}

/// Returns the removals. A prefix of a header that modgud reads is none of them: modgud then denies the other headers with that prefix.
fn removals(filter: &Filter, cleared: &BTreeSet<String>, proxy: Proxy) -> Result<Removals, ProxyError> {
    let Filter { removed_early, spared, .. } = filter;
    let mut removals = Removals {
        prefixes: BTreeSet::new(),
        names: cleared.iter().cloned().chain(proxy.hidden().iter().map(|name| (*name).to_owned())).collect(),
        spares_underscores: spared.iter().any(|name| name.contains('_')),
    };
    for pattern in removed_early {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_suffix('*') {
            None if !spared.contains(&pattern) => {
                removals.names.insert(plain(proxy, "the header", &pattern)?.to_owned());
            }
            Some(stem) if !spared.iter().any(|name| begins_with(name, stem)) => {
                plain(proxy, "the prefix", stem)?;
                removals.prefixes.insert(pattern);
            }
            None | Some(_) => {}
        }
    }
    Ok(removals)
}

/// Returns true if some server takes the beginning of the name for this text.
fn begins_with(name: &str, stem: &str) -> bool {
    let fold = |text: &str| -> Vec<u8> { text.bytes().map(fold_byte).collect() };
    fold(name).starts_with(&fold(stem))
}

/// Returns the filter, with the headers that describe a request to modgud, through this proxy or another one.
fn with_descriptions(filter: &Filter, proxy: Proxy) -> Filter {
    let mut filter = filter.clone();
    filter
        .removed_early
        .extend(proxy.foreign().chain(BETWEEN).chain(proxy.hidden().iter().copied()).map(str::to_owned));
    filter
}

/// Returns a listener's address for the templates. `bind` is empty for every address of the machine.
fn listen(address: SocketAddr) -> Value {
    let compat = address.ip() == Ipv6Addr::UNSPECIFIED;
    let bind = if address.ip().is_unspecified() && (compat || address.is_ipv4()) {
        // Caddy serves both families then.
        String::new()
    } else {
        match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        }
    };
    context! { address => address.to_string(), port => address.port(), compat, bind }
}

/// Returns a name as a part of a variable.
fn id(name: &str) -> String {
    name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect()
}

/// Returns a header's name as Go's `textproto.CanonicalMIMEHeaderKey` writes it: Caddy finds a response's header by that alone.
fn in_go(name: &str) -> String {
    let mut is_first = true;
    let letters = name.chars().map(|character| {
        let letter = if is_first { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() };
        is_first = character == '-';
        letter
    });
    letters.collect()
}

/// Fills a template. An undefined variable is an error.
fn fill(template: &str, values: Value) -> Result<String, minijinja::Error> {
    let mut environment = minijinja::Environment::empty();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(template, values)
}

#[cfg(test)]
mod tests {
    use super::{begins_with, id, in_go};

    #[test]
    fn names_are_those_of_go_and_of_variables() {
        for (name, go, variable) in [
            ("x-core-user-uuid", "X-Core-User-Uuid", "x_core_user_uuid"),
            ("dpop", "Dpop", "dpop"),
            ("x_key", "X_key", "x_key"),
            ("a.b-c", "A.b-C", "a_b_c"),
        ] {
            assert_eq!((in_go(name).as_str(), id(name).as_str()), (go, variable));
        }
    }

    #[test]
    fn a_prefix_is_compared_as_servers_fold_it() {
        for (name, stem, expected) in [
            ("x-core-token", "x-core-", true),
            ("x_core.token", "x-core-", true),
            ("x-corex", "x-core-", false),
            ("x-core", "x-core-", false),
        ] {
            assert_eq!(begins_with(name, stem), expected, "{name}");
        }
    }
}
