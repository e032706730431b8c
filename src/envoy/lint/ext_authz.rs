//! The settings of the filter that calls modgud.

use super::Context;
use super::code::Code;
use super::early::EarlyRemoval;
use super::filters::ExtAuthz;
use super::matcher::list;
use super::routes::Route;
use super::view::At;
use super::{check_cluster, fields, mutations};

/// The headers of a request in one check: the most that Envoy admits by default.
const HEADERS_BYTES: u64 = 60 * 1024;

/// The statuses that say that there was no decision.
const SERVER_ERRORS: [&str; 11] = [
    "BadGateway",
    "GatewayTimeout",
    "HTTPVersionNotSupported",
    "InsufficientStorage",
    "InternalServerError",
    "LoopDetected",
    "NetworkAuthenticationRequired",
    "NotExtended",
    "NotImplemented",
    "ServiceUnavailable",
    "VariantAlsoNegotiates",
];

/// Checks the filter. Returns true if modgud does not decide on every request, or a client's header stays although modgud removes it.
pub(super) fn check<'n>(
    context: &Context<'_, 'n>,
    check: &ExtAuthz<'n>,
    early: &EarlyRemoval,
    routes: &[Route<'n>],
) -> bool {
    let filter = &check.config;
    filter.only_fields(&fields::EXT_AUTHZ);
    if filter.choice("transport_api_version", &["AUTO", "V2", "V3"]) == Some(1) {
        filter.report_field("transport_api_version", Code::TransportVersion, "`transport_api_version` is `V2`");
    }
    if filter.is_true("clear_route_cache") {
        filter.report_field("clear_route_cache", Code::ClearRouteCache, "`clear_route_cache` is `true`");
    }
    check_status(filter);
    check_bodies(context, filter);
    if context.settings.is_some_and(|settings| settings.binds_to_certificates)
        && !filter.is_true("include_peer_certificate")
    {
        filter.report_field("include_peer_certificate", Code::PeerCertificate, "it is not `true`");
    }
    let cluster = check_cluster::check(context, filter);
    for settings in routes.iter().flat_map(|route| check.settings_on(route)) {
        check_route_settings(context, &settings, cluster);
    }
    let bypasses = [
        check_fail_open(filter),
        check_enabled(context, filter),
        check_headers(context, filter),
        mutations::check(context, filter, early),
    ];
    bypasses.contains(&true)
}

fn check_fail_open(filter: &At<'_>) -> bool {
    let is_open = filter.is_true("failure_mode_allow");
    if is_open {
        filter.report_field("failure_mode_allow", Code::FailOpen, "`failure_mode_allow` is `true`");
    }
    let is_shadow = filter.is_true("shadow_mode");
    if is_shadow {
        filter.report_field("shadow_mode", Code::ShadowMode, "`shadow_mode` is `true`");
    }
    is_open || is_shadow
}

/// Checks on how many requests the filter is enabled.
fn check_enabled(context: &Context<'_, '_>, filter: &At<'_>) -> bool {
    let denies = filter.field("deny_at_disable").is_some_and(|flag| flag.is_true("default_value"));
    let report = |at: &At<'_>, code: Code, found: String| {
        if denies {
            filter.report_field("deny_at_disable", Code::DenyAtDisable, format!("{found}, and the others are denied"));
        } else {
            at.report(code, found);
        }
        !denies
    };
    let mut bypassed = false;
    if let Some(enabled) = filter.field("filter_enabled") {
        let (part, whole) = enabled.field("default_value").map_or((0, 100), |value| fraction(&value));
        if part < whole {
            bypassed |=
                report(&enabled, Code::FilterEnabled, format!("modgud is asked for {part} of {whole} requests"));
        } else if let Some(key) = enabled.field("runtime_key").filter(|key| key.as_text() != Some("")) {
            let value = key.as_text().and_then(|key| context.model.runtime(key));
            let percent =
                |value: &At<'_>| if value.is_map() { Some(fraction(value)) } else { Some((value.as_number()?, 100)) };
            match value.as_ref().and_then(|value| Some((value, percent(value)?))) {
                Some((value, (part, whole))) if part < whole => {
                    let found = format!("the runtime asks modgud for {part} of {whole} requests");
                    bypassed |= report(value, Code::FilterEnabled, found);
                }
                Some(_) | None => key.report(Code::RuntimeKey, "a runtime key can disable the filter"),
            }
        }
    }
    if let Some(metadata) = filter.field("filter_enabled_metadata") {
        let found = "modgud is asked only for requests with this metadata".to_owned();
        bypassed |= report(&metadata, Code::FilterEnabledMetadata, found);
    }
    bypassed
}

/// Returns the numerator and the denominator of a `FractionalPercent`.
fn fraction(value: &At<'_>) -> (u64, u64) {
    let scale = value.choice("denominator", &["HUNDRED", "TEN_THOUSAND", "MILLION"]).unwrap_or_default();
    let whole = [100, 10_000, 1_000_000].get(scale).copied().unwrap_or(100);
    (value.number("numerator").unwrap_or_default(), whole)
}

/// Checks which headers modgud sees.
fn check_headers(context: &Context<'_, '_>, filter: &At<'_>) -> bool {
    let names = context.names.written.iter().chain(&context.names.read).map(String::as_str);
    if let Some(allowed) = filter.field("allowed_headers") {
        let matchers = list(&allowed);
        let hidden = names.clone().chain(["x-any"]).find(|name| !matchers.iter().any(|matcher| matcher.matches(name)));
        if let Some(name) = hidden {
            allowed.report(Code::HeadersWithheld, format!("modgud does not see every header, such as `{name}`"));
            return true;
        }
    }
    let Some(disallowed) = filter.field("disallowed_headers") else { return false };
    let sends_cookies = context.settings.is_some_and(|settings| settings.filter.sends_cookies);
    let matchers = list(&disallowed);
    let hidden = names.chain(sends_cookies.then_some("cookie")).find(|name| {
        let may_be_hidden = *name == "cookie" && !sends_cookies;
        !may_be_hidden && matchers.iter().any(|matcher| matcher.matches(name))
    });
    if let Some(name) = hidden {
        disallowed.report(Code::HeadersWithheld, format!("modgud does not see `{name}`"));
    }
    hidden.is_some()
}

fn check_status(filter: &At<'_>) {
    let Some(status) = filter.field("status_on_error") else {
        filter.report_field("status_on_error", Code::StatusOnError, "it is missing, and the default is 403");
        return;
    };
    let code = status.field("code");
    let is_server_error = code.as_ref().is_some_and(|code| match code.as_text() {
        Some(name) => SERVER_ERRORS.contains(&name),
        None => status.number("code").is_some_and(|number| (500..600).contains(&number)),
    });
    if !is_server_error {
        status.report_field("code", Code::StatusOnError, "the status is below 500");
    }
}

/// Checks what is sent of bodies.
fn check_bodies(context: &Context<'_, '_>, filter: &At<'_>) {
    let Some(settings) = context.settings else { return };
    let sent = filter.field("with_request_body");
    if settings.filter.sends_bodies {
        match &sent {
            None => filter.report_field("with_request_body", Code::BodyWithheld, "it is missing"),
            Some(sent) if sent.is_true("allow_partial_message") => {
                sent.report_field("allow_partial_message", Code::BodyWithheld, "it is `true`");
            }
            Some(sent) if !sent.is_true("pack_as_bytes") => {
                sent.report_field("pack_as_bytes", Code::BodyWithheld, "it is not `true`");
            }
            Some(_) => {}
        }
    }
    if let Some(sent) = sent {
        check_body_size(context, &sent);
    }
}

fn check_body_size(context: &Context<'_, '_>, sent: &At<'_>) {
    let Some(settings) = context.settings else { return };
    let bytes = sent.number("max_request_bytes").unwrap_or_default();
    if bytes.saturating_add(HEADERS_BYTES) > settings.max_message {
        let found = format!(
            "{bytes} bytes and headers of {HEADERS_BYTES} exceed `server.max_message` ({} bytes)",
            settings.max_message
        );
        sent.report_field("max_request_bytes", Code::BodyTooLarge, found);
    }
}

/// Checks what a route changes.
fn check_route_settings(context: &Context<'_, '_>, settings: &At<'_>, cluster: Option<&str>) {
    settings.only_fields(&fields::CHECK_SETTINGS);
    let reads_bodies = context.settings.is_some_and(|settings| settings.filter.sends_bodies);
    if reads_bodies && settings.is_true("disable_request_body_buffering") {
        settings.report_field("disable_request_body_buffering", Code::BodyWithheld, "it is `true`");
    }
    if let Some(sent) = settings.field("with_request_body") {
        check_body_size(context, &sent);
    }
    if let Some(http) = settings.field("http_service") {
        http.report(Code::OtherService, "the route has an authorization service of its own");
    }
    if let Some(grpc) = settings.field("grpc_service") {
        let own = grpc.field("envoy_grpc").and_then(|grpc| grpc.text("cluster_name"));
        if own.is_none() || own != cluster {
            grpc.report(Code::OtherService, "the route has an authorization service of its own");
        }
        check_cluster::check_timeout(context, &grpc);
    }
}
