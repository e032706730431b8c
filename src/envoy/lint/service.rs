//! The clusters of services: what changes a request, or chooses its service, after modgud decided.

use super::Context;
use super::check_cluster::HTTP_OPTIONS;
use super::code::Code;
use super::filters;
use super::view::At;

/// Checks the cluster of a service.
pub(super) fn check(context: &Context<'_, '_>, cluster: &At<'_>) {
    let cluster = cluster.clone().within("cluster", cluster.text("name"));
    let original = cluster.choice("type", &["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"]) == Some(4);
    let by_header = cluster.field("original_dst_lb_config").filter(|config| config.is_true("use_http_header"));
    match by_header {
        Some(config) if original => {
            let found = "a header of the request is the address of the service";
            config.report_field("use_http_header", Code::ClusterByHeader, found);
        }
        Some(_) | None if original => {
            cluster.report_field(
                "type",
                Code::RouteUnclear,
                "the service is where the client's connection was sent to",
            );
        }
        Some(_) | None => {}
    }
    let is_dns = |own: &At<'_>| {
        own.field("typed_config").is_some_and(|typed| typed.message().is_some_and(|name| name.contains(".dns.")))
    };
    if let Some(own) = cluster.field("cluster_type").filter(|own| !is_dns(own)) {
        own.report(Code::RouteUnclear, "an extension chooses the address of the service");
    }
    for policy in cluster.field("load_balancing_policy").iter().flat_map(|all| all.items("policies")) {
        let typed = policy.at(&["typed_extension_config", "typed_config"]);
        if let Some(typed) = typed.filter(|typed| typed.message().is_some_and(|name| name.contains(".override_host.")))
        {
            typed.report(Code::RouteUnclear, "a header or metadata can choose the address of the service");
        }
    }
    let options = cluster.field("typed_extension_protocol_options").map(|all| all.entries()).unwrap_or_default();
    for (_, options) in options.iter().filter(|(key, _)| *key == HTTP_OPTIONS) {
        filters::check_upstream(context, &options.items("http_filters"));
    }
}
