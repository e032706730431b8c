//! The routes of a proxy: one for each module, and one for the core service.

use super::check::plain;
use super::{ProxyError, id};
use crate::envoy::bootstrap::{CoreService, Module, Protocol, Service};
use crate::forward_auth::Proxy;
use minijinja::{Value, context};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The name in HAProxy for paths of no module. The template has it too.
const NO_MODULE: &str = "modgud_no_module";

/// The path of nginx's check. The template has it too.
const NGINX_CHECK: &str = "/_modgud";

/// A route.
struct Route {
    /// The name in the proxy's configuration.
    id: String,
    /// The name of the module, for a comment.
    name: String,
    /// The prefix; `None` for the core service, which has the reserved names.
    prefix: Option<String>,
    keep_prefix: bool,
    /// A regular expression for the prefix, or for the reserved names: without an anchor, and without what follows.
    regex: String,
    upstream: String,
    /// True if clients may open a WebSocket.
    websocket: bool,
    /// True if the service gets cookies.
    cookies: bool,
}

/// Returns the routes for the templates, those with more segments first.
pub(super) fn values(proxy: Proxy, modules: &[Module], core: &CoreService) -> Result<Value, ProxyError> {
    let mut sorted: Vec<&Module> = modules.iter().collect();
    sorted.sort_by_key(|module| Reverse(module.prefix.segments()));
    let mut taken = BTreeSet::from([NO_MODULE.to_owned()]);
    let mut routes = Vec::new();
    for Module { name, prefix, keep_prefix, upstream, service, .. } in sorted {
        check_service(proxy, name.as_str(), service)?;
        if proxy == Proxy::Nginx && prefix.as_str() == NGINX_CHECK {
            return Err(ProxyError::Prefix { name: name.as_str().to_owned(), prefix: NGINX_CHECK });
        }
        routes.push(Route {
            id: free_id(name.as_str(), &mut taken),
            name: name.as_str().to_owned(),
            prefix: Some(prefix.as_str().to_owned()),
            keep_prefix: *keep_prefix,
            regex: literal(prefix.as_str()),
            upstream: upstream.to_string(),
            websocket: service.has_websocket,
            cookies: service.keeps_cookies,
        });
    }
    if let CoreService { upstream: Some(upstream), service, reserved } = core
        && !reserved.is_empty()
    {
        check_service(proxy, "core", service)?;
        let names = reserved.iter().map(|name| plain(proxy, "the reserved name", name).map(literal));
        routes.push(Route {
            id: free_id("core", &mut taken),
            name: "core".to_owned(),
            prefix: None,
            keep_prefix: true,
            regex: format!("/(?:{})", names.collect::<Result<Vec<_>, _>>()?.join("|")),
            upstream: upstream.to_string(),
            websocket: service.has_websocket,
            cookies: service.keeps_cookies,
        });
    }
    let any_cookies = routes.iter().any(|route| route.cookies);
    let all_cookies = routes.iter().all(|route| route.cookies);
    Ok(context! {
        any_websocket => routes.iter().any(|route| route.websocket),
        all_cookies,
        mixed_cookies => any_cookies && !all_cookies,
        routes => routes.iter().map(Route::value).collect::<Value>(),
    })
}

/// Checks that the proxy would not send a service in plaintext, or in another version of HTTP, what the configuration forbids.
fn check_service(proxy: Proxy, name: &str, service: &Service) -> Result<(), ProxyError> {
    let key = match service {
        Service { tls: Some(_), .. } => "tls",
        Service { protocol: Protocol::Http2, .. } => "protocol: http2",
        Service { .. } => return Ok(()),
    };
    Err(ProxyError::Service { name: name.to_owned(), key, proxy: proxy.name() })
}

/// Returns the keys of services that only Envoy's configuration gets, each with the name of the service.
pub(super) fn for_envoy_only<'c>(modules: &'c [Module], core: &'c CoreService) -> Vec<(&'c str, &'static str)> {
    let of_modules = modules.iter().map(|module| (module.name.as_str(), &module.service));
    let of_core = core.upstream.iter().map(|_| ("core", &core.service));
    let keys = |(name, service): (&'c str, &'c Service)| {
        let set = [
            (service.timeout.is_some(), "timeout"),
            (service.idle_timeout.is_some(), "idle_timeout"),
            (service.retries.is_some(), "retries"),
        ];
        set.into_iter().filter(|(is_set, _)| *is_set).map(move |(_, key)| (name, key))
    };
    of_modules.chain(of_core).flat_map(keys).collect()
}

impl Route {
    fn value(&self) -> Value {
        let Self { id, name, prefix, keep_prefix, regex, upstream, websocket, cookies } = self;
        let locations = match prefix {
            Some(prefix) => vec![format!("= {prefix}"), format!("{prefix}/")],
            None => vec![format!("~ ^{regex}(/|$)")],
        };
        context! { id, name, prefix, keep_prefix, regex, upstream, websocket, cookies, locations }
    }
}

/// Returns a name for a route that no other one has.
fn free_id(name: &str, taken: &mut BTreeSet<String>) -> String {
    let wanted = format!("modgud_{}", id(name));
    let mut free = wanted.clone();
    let mut number = 2_u32;
    while !taken.insert(free.clone()) {
        free = format!("{wanted}_{number}");
        number = number.saturating_add(1);
    }
    free
}

/// Returns a regular expression for exactly this text, of whose characters only `.` has a meaning.
fn literal(text: &str) -> String {
    text.replace('.', "[.]")
}

#[cfg(test)]
mod tests {
    use super::{free_id, literal};
    use std::collections::BTreeSet;

    #[test]
    fn no_two_routes_have_one_name() {
        let mut taken = BTreeSet::new();
        let names = ["a.b", "a-b", "a_b", "core"].map(|name| free_id(name, &mut taken));
        assert_eq!(names, ["modgud_a_b", "modgud_a_b_2", "modgud_a_b_3", "modgud_core"]);
    }

    #[test]
    fn a_dot_is_no_wildcard() {
        assert_eq!(literal("/crm/v1.2"), "/crm/v1[.]2");
    }
}
