//! Routes and clusters for modules and the core service, in the form of `deploy/envoy.yaml`.

use super::scalar::host;
use super::{Core, Gateway, Module};
use crate::net::upstream_addr::HostPort;
use crate::yaml;
use std::fmt::Write as _;

/// The name of the core service's cluster. No module can have this name.
const CORE: &str = "core";

/// Returns the routes of modules. Envoy takes the first match, so routes with more segments come first.
pub(super) fn of_modules(gateway: &Gateway) -> String {
    let mut modules: Vec<&Module> = gateway.modules.iter().collect();
    modules.sort_by_key(|module| std::cmp::Reverse(module.prefix.segments()));
    let mut text = String::new();
    for Module { name, prefix, .. } in modules {
        let cluster = yaml::scalar(name.as_str());
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "                        - match: {{ path_separated_prefix: {prefix} }}\n                          \
             route: {{ cluster: {cluster}, prefix_rewrite: / }}\n                          \
             request_headers_to_remove: [cookie]\n"
        );
    }
    if text.is_empty() {
        text.push_str("                        # There is no module: `modules` of modgud's configuration is empty.\n");
    }
    text
}

/// Returns the routes of the reserved names.
pub(super) fn of_core(core: &Core) -> String {
    if core.upstream.is_none() {
        return "                        # They are nobody's: modgud's configuration says no `core.upstream`.\n"
            .to_owned();
    }
    let route = |name: &str| {
        format!(
            "                        - {{ match: {{ path_separated_prefix: /{name} }}, route: {{ cluster: {CORE} }} }}\n"
        )
    };
    core.reserved.iter().map(|name| route(name)).collect()
}

/// Returns the clusters of modules and of the core service, separated by an empty line.
pub(super) fn clusters(gateway: &Gateway) -> String {
    let of_modules = gateway.modules.iter().map(|module| cluster(module.name.as_str(), &module.upstream));
    let of_core = gateway.core.upstream.iter().map(|upstream| cluster(CORE, upstream));
    of_modules.chain(of_core).collect::<Vec<_>>().join("\n")
}

fn cluster(name: &str, upstream: &HostPort) -> String {
    let (name, host, port) = (yaml::scalar(name), host(upstream.host()), upstream.port());
    format!(
        "    - name: {name}
      type: STRICT_DNS
      dns_lookup_family: V4_PREFERRED
      connect_timeout: 1s
      load_assignment:
        cluster_name: {name}
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: {host}
                      port_value: {port}
"
    )
}
