//! HTTP connection managers: whether modgud decides on what they forward, and what they believe of clients.

use super::Context;
use super::code::Code;
use super::early::EarlyRemoval;
use super::filters::{Chain, Coverage};
use super::routes::{Route, Routes, Target};
use super::view::At;
use super::{clients, ext_authz, fields, service};
use crate::diagnostic::Quoted;
use modgud_core::http::request::SchemeSource;

/// Checks a connection manager. `has_certificates` is true if its clients can have a certificate.
pub(super) fn check<'n>(context: &Context<'_, 'n>, manager: &At<'n>, has_certificates: bool) {
    let chain = Chain::of(context, &manager.items("http_filters"));
    let routes = Routes::of(context, manager);
    let is_covered = check_routes(context, manager, &chain, &routes);
    let forwards =
        routes.is_partial || routes.forwarding.iter().any(|route| route.target(context) != Target::AdminFigures);
    let mut checks = chain.checks;
    let mut is_bypassed = !is_covered;
    for upgrade in manager.items("upgrade_configs") {
        let Some(filters) = upgrade.field("filters").filter(|_| upgrade.flag("enabled") != Some(false)) else {
            continue;
        };
        let filters_of = filters.elements();
        if filters_of.is_empty() {
            continue;
        }
        let own = Chain::of(context, &filters_of);
        for route in routes.forwarding.iter().filter(|route| route.target(context) != Target::AdminFigures) {
            match own.coverage(route) {
                Coverage::Checked => route.check(context, &own),
                Coverage::Disabled(at) => {
                    is_bypassed = true;
                    report_disabled(&at, route);
                }
                Coverage::Missing => {}
            }
        }
        if own.checks.is_empty() && !own.may_hide_checks && forwards {
            let kind = upgrade.text("upgrade_type").unwrap_or_default();
            is_bypassed = true;
            filters.report(
                Code::UpgradeWithoutExtAuthz,
                format!("the filters for {} have no `ext_authz`", Quoted::new(kind)),
            );
        }
        checks.extend(own.checks);
    }
    if checks.is_empty() {
        return;
    }
    manager.only_fields(&fields::MANAGER);
    for cluster in routes.clusters().into_iter().filter_map(|name| context.model.clusters.get(name)) {
        service::check(context, cluster);
    }
    check_requests(context, manager, has_certificates);
    let early = EarlyRemoval::of(manager, check_underscores(manager));
    clients::check(context, manager, &early);
    for check in &checks {
        is_bypassed |= ext_authz::check(context, check, &early, &routes.forwarding);
    }
    if is_bypassed {
        early.check(context, manager);
    }
}

/// Checks the routes. Returns true if modgud decides on all of them.
fn check_routes<'n>(context: &Context<'_, 'n>, manager: &At<'n>, chain: &Chain<'n>, routes: &Routes<'n>) -> bool {
    let mut missing: Vec<String> = Vec::new();
    let mut is_covered = true;
    for route in &routes.forwarding {
        let target = route.target(context);
        match chain.coverage(route) {
            Coverage::Checked => route.check(context, chain),
            Coverage::Disabled(_) | Coverage::Missing if target == Target::AdminFigures => {}
            Coverage::Disabled(_) | Coverage::Missing if target == Target::Admin => {
                route.at().report(Code::AdminExposed, "the route leads to Envoy's admin interface");
            }
            Coverage::Disabled(at) => {
                is_covered = false;
                report_disabled(&at, route);
            }
            Coverage::Missing => missing.push(route.destination()),
        }
    }
    missing.sort_unstable();
    missing.dedup();
    if chain.checks.is_empty() && !chain.may_hide_checks && (routes.is_partial || !missing.is_empty()) {
        let to = if missing.is_empty() { "services".to_owned() } else { missing.join(", ") };
        manager.report_field(
            "http_filters",
            Code::NoExtAuthz,
            format!("there is no `ext_authz` before routes to {to}"),
        );
    }
    is_covered
}

fn report_disabled(at: &At<'_>, route: &Route<'_>) {
    at.report(Code::ExtAuthzDisabled, format!("`ext_authz` is disabled on a route to {}", route.destination()));
}

/// Checks what Envoy makes of a request before any filter.
fn check_requests(context: &Context<'_, '_>, manager: &At<'_>, has_certificates: bool) {
    if !manager.is_true("normalize_path") {
        manager.report_field("normalize_path", Code::NormalizePath, "it is not `true`");
    }
    if !manager.is_true("merge_slashes") {
        manager.report_field("merge_slashes", Code::MergeSlashes, "it is not `true`");
    }
    let details = ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];
    let forwards = match manager.choice("forward_client_cert_details", &details) {
        Some(4) => true,
        // These forward the header only of clients with a certificate.
        Some(1 | 2) => has_certificates,
        Some(_) | None => false,
    };
    if forwards {
        let found = "Envoy forwards the header of clients";
        manager.report_field("forward_client_cert_details", Code::ClientCertificateHeader, found);
    }
    if context.settings.is_some_and(|settings| settings.request.scheme != SchemeSource::Forwarded) {
        return;
    }
    if !manager.is_true("use_remote_address") {
        manager.report_field("use_remote_address", Code::ForwardedProto, "it is not `true`");
    } else if manager.number("xff_num_trusted_hops").is_some_and(|hops| hops > 0) {
        let found = "Envoy keeps `x-forwarded-proto` of the proxy in front";
        manager.report_field("xff_num_trusted_hops", Code::TrustedHops, found);
    }
}

/// Checks names with `_`. Returns true if they don't reach modgud.
fn check_underscores(manager: &At<'_>) -> bool {
    let name = "headers_with_underscores_action";
    let options = manager.field("common_http_protocol_options");
    let action = options.as_ref().and_then(|options| options.choice(name, &["ALLOW", "REJECT_REQUEST", "DROP_HEADER"]));
    let refuses = action.is_some_and(|action| action > 0);
    if !refuses {
        let found = "Envoy admits header names with `_`";
        match &options {
            Some(options) => options.report_field(name, Code::Underscores, found),
            None => manager.report_field("common_http_protocol_options", Code::Underscores, found),
        }
    }
    refuses
}
