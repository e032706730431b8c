//! How Envoy reaches modgud: the call of the filter, and its cluster.

use super::Context;
use super::code::Code;
use super::view::At;
use crate::diagnostic::Quoted;
use crate::envoy::bootstrap::Transport;
use std::time::Duration;

/// The time limit of the call if there is no `timeout`.
const DEFAULT: Duration = Duration::from_millis(200);

/// The maximum number of requests of a cluster without `circuit_breakers`.
const DEFAULT_REQUESTS: u64 = 1_024;

/// The settings of HTTP to a cluster.
pub(super) const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Checks the call. Returns the name of the cluster.
pub(super) fn check<'n>(context: &Context<'_, 'n>, filter: &At<'n>) -> Option<&'n str> {
    if let Some(http) = filter.field("http_service") {
        http.report(Code::ServiceUnclear, "the service is called by HTTP");
        return None;
    }
    let Some(grpc) = filter.field("grpc_service") else {
        filter.report_field("grpc_service", Code::NoService, "there is no service");
        return None;
    };
    check_timeout(context, &grpc);
    let Some(envoy) = grpc.field("envoy_grpc") else {
        grpc.report(Code::ServiceUnclear, "the service is not called by `envoy_grpc`");
        return None;
    };
    let name = envoy.text("cluster_name").unwrap_or_default();
    filter.report_cluster(name);
    match context.model.clusters.get(name) {
        Some(cluster) => check_cluster(context, &cluster.clone().within("cluster", Some(name))),
        None if context.model.has_all_clusters() => {
            envoy.report_field(
                "cluster_name",
                Code::ClusterMissing,
                format!("the cluster {} does not exist", Quoted::new(name)),
            );
        }
        None => {
            let found = format!("the cluster {} is not in these files", Quoted::new(name));
            envoy.report_field("cluster_name", Code::NotIncluded, found);
        }
    }
    Some(name)
}

/// Checks the time limit of the call.
pub(super) fn check_timeout(context: &Context<'_, '_>, grpc: &At<'_>) {
    let timeout = grpc.duration("timeout").or(grpc.field("timeout").is_none().then_some(DEFAULT));
    match (timeout, context.settings) {
        (Some(Duration::ZERO), _) => grpc.report_field("timeout", Code::NoTimeout, "`0s` is no limit"),
        (Some(timeout), Some(settings)) if timeout <= settings.deadline => {
            let found = format!(
                "it is {} ms, and `server.deadline` is {} ms",
                timeout.as_millis(),
                settings.deadline.as_millis()
            );
            grpc.report_field("timeout", Code::Timeout, found);
        }
        (Some(_) | None, _) => {}
    }
}

fn check_cluster(context: &Context<'_, '_>, cluster: &At<'_>) {
    let socket = cluster.field("transport_socket").and_then(|socket| socket.field("typed_config"));
    let has_tls = socket.is_some_and(|socket| !socket.message().is_some_and(|name| name.contains(".raw_buffer.")));
    if !uses_http2(cluster, has_tls) {
        let options = "typed_extension_protocol_options";
        cluster.report_field(options, Code::ClusterHttp1, "the cluster of modgud does not use HTTP/2");
    }
    let Some(settings) = context.settings else { return };
    let wants_tls = settings.transport != Transport::Plain;
    if wants_tls != has_tls && cluster.field("transport_socket_matches").is_none() {
        let found = if wants_tls { "modgud serves TLS (`server.tls`)" } else { "modgud serves no TLS" };
        cluster.report_field("transport_socket", Code::ClusterTls, found);
    }
    let thresholds = cluster.field("circuit_breakers").map(|all| all.items("thresholds")).unwrap_or_default();
    let is_default = |limits: &&At<'_>| limits.choice("priority", &["DEFAULT", "HIGH"]).is_none_or(|index| index == 0);
    let limits = thresholds.iter().find(is_default);
    for name in ["max_requests", "max_pending_requests"] {
        let most = limits.and_then(|limits| limits.number(name)).unwrap_or(DEFAULT_REQUESTS);
        if most < settings.max_in_flight {
            let found = format!("`{name}` is {most}, and `server.max_in_flight` is {}", settings.max_in_flight);
            match limits {
                Some(limits) => limits.report_field(name, Code::CircuitBreakers, found),
                None => cluster.report_field("circuit_breakers", Code::CircuitBreakers, found),
            }
        }
    }
}

/// Returns true if requests of the cluster use HTTP/2 or HTTP/3.
fn uses_http2(cluster: &At<'_>, has_tls: bool) -> bool {
    if cluster.field("http2_protocol_options").is_some() {
        return true;
    }
    let all = cluster.field("typed_extension_protocol_options").map(|all| all.entries()).unwrap_or_default();
    let options = all.into_iter().find(|(key, _)| *key == HTTP_OPTIONS).map(|(_, options)| options);
    let Some(options) = options else { return false };
    if options.message() != Some(HTTP_OPTIONS) {
        options.report(Code::Unreadable, "these are no HTTP options");
        return true;
    }
    let explicit = options.field("explicit_http_config");
    let is_explicit = ["http2_protocol_options", "http3_protocol_options"]
        .iter()
        .any(|name| explicit.as_ref().is_some_and(|explicit| explicit.field(name).is_some()));
    // `auto_config` uses HTTP/2 if TLS negotiates it.
    is_explicit || has_tls && options.field("auto_config").is_some()
}
