//! The HTTP filters of a connection manager, in order: where `ext_authz` is, on which routes it is disabled, and which filters can get
//! around it.

use super::Context;
use super::code::Code;
use super::owner::Owner;
use super::routes::Route;
use super::view::At;
use super::{fields, headers};
use crate::diagnostic::Quoted;

pub(super) const EXT_AUTHZ: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
const PER_ROUTE: &str = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute";
const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";

/// Filters that change no decision, wherever they are: they observe, reject or answer by themselves, or add facts about the request.
const HARMLESS: [&str; 26] = [
    "adaptive_concurrency",
    "admission_control",
    "bandwidth_limit",
    "buffer",
    "cdn_loop",
    "compressor",
    "cors",
    "csrf",
    "custom_response",
    "decompressor",
    "ext_authz",
    "fault",
    "grpc_http1_bridge",
    "grpc_stats",
    "grpc_web",
    "health_check",
    "ip_tagging",
    "local_ratelimit",
    "on_demand",
    "original_src",
    "ratelimit",
    "rbac",
    "router",
    "stateful_session",
    "tap",
    "upstream_codec",
];

/// Filters that change headers by themselves: before `ext_authz` modgud sees the result, after it modgud does not.
const HARMLESS_BEFORE: [&str; 5] = ["api_key_auth", "basic_auth", "header_mutation", "jwt_authn", "oauth2"];

/// A filter that calls modgud, or that may.
pub(super) struct ExtAuthz<'n> {
    name: &'n str,
    /// Its `disabled: true`.
    off: Option<At<'n>>,
    pub(super) config: At<'n>,
}

/// The filters of a connection manager or of an upgrade.
pub(super) struct Chain<'n> {
    pub(super) checks: Vec<ExtAuthz<'n>>,
    /// True if a filter that is not examined may be `ext_authz`.
    pub(super) may_hide_checks: bool,
    /// True if no address says which of the filters calls modgud.
    is_unsure: bool,
    /// The names of filters after `ext_authz` that change headers. Routes can have settings for them.
    mutators: Vec<&'n str>,
}

/// The outcome for a route.
pub(super) enum Coverage<'n> {
    /// modgud decides.
    Checked,
    /// The filter is disabled here.
    Disabled(At<'n>),
    /// There is no filter that calls modgud.
    Missing,
}

impl<'n> Chain<'n> {
    pub(super) fn of(context: &Context<'_, 'n>, filters: &[At<'n>]) -> Self {
        let mut known: Vec<(usize, &At<'n>, At<'n>)> = Vec::new();
        let mut may_hide_checks = false;
        for (index, filter) in filters.iter().enumerate() {
            filter.only_fields(&fields::HTTP_FILTER);
            let (all, is_whole) = typed(context, filter);
            may_hide_checks |= !is_whole;
            known.extend(all.into_iter().map(|typed| (index, filter, typed)));
        }
        let (own, is_unsure) = own(context, &known);
        let mut chain = Self { checks: Vec::new(), may_hide_checks, is_unsure, mutators: Vec::new() };
        let first = own.first().copied();
        let mut routed = false;
        for (index, filter, typed) in known {
            let name = filter.text("name").unwrap_or_default();
            match typed.message() {
                Some(EXT_AUTHZ) if !own.contains(&index) => match first {
                    // modgud decides on what this filter makes of the request.
                    Some(first) if index < first => {}
                    Some(_) => typed.report(Code::OtherService, "after modgud, another service can change headers"),
                    None => {
                        chain.may_hide_checks = true;
                        let found = "the cluster of the filter has another address than modgud";
                        typed.report_field("grpc_service", Code::OtherService, found);
                    }
                },
                Some(EXT_AUTHZ) => {
                    if routed {
                        filter.report(Code::AfterRouter, "`ext_authz` is after the router");
                    }
                    let off = filter.field("disabled").filter(|_| filter.is_true("disabled"));
                    chain.checks.push(ExtAuthz { name, off, config: typed });
                }
                message => {
                    let kind = message.and_then(kind);
                    routed |= kind == Some("router");
                    let is_before = first.is_none_or(|first| index < first);
                    if matches!(kind, Some("header_mutation" | "local_ratelimit")) && !is_before {
                        chain.mutators.push(name);
                    }
                    chain.may_hide_checks |= !examine(context, &typed, kind, is_before);
                }
            }
        }
        chain
    }

    /// Checks what a level of a route adds to the filters that change headers after modgud.
    pub(super) fn check_mutations(&self, context: &Context<'_, 'n>, level: &At<'n>) {
        let Some(all) = level.field("typed_per_filter_config") else { return };
        for entry in self.mutators.iter().filter_map(|name| entry(&all, name)) {
            let inner = if entry.message() == Some(FILTER_CONFIG) { entry.field("config") } else { Some(entry) };
            if let Some(inner) = inner {
                check_mutations(context, &inner);
            }
        }
    }

    /// Finds out if modgud decides on a route.
    pub(super) fn coverage(&self, route: &Route<'n>) -> Coverage<'n> {
        let off: Vec<Option<At<'n>>> = self.checks.iter().map(|check| check.off_for(route)).collect();
        let is_checked = off.iter().any(Option::is_none);
        let disabled = off.into_iter().flatten().next();
        if !is_checked {
            return disabled.map_or(Coverage::Missing, Coverage::Disabled);
        }
        if let Some(at) = disabled.filter(|_| self.is_unsure) {
            at.report(Code::OtherService, "the filter that is disabled here may be modgud's");
        }
        Coverage::Checked
    }
}

impl<'n> ExtAuthz<'n> {
    /// Returns what disables it for a route. Of several levels the most specific one counts.
    fn off_for(&self, route: &Route<'n>) -> Option<At<'n>> {
        let disabled = |at: &At<'n>| at.field("disabled").filter(|_| at.is_true("disabled"));
        let entries =
            route.levels.iter().filter_map(|level| entry(&level.field("typed_per_filter_config")?, self.name));
        // The settings of any filter, and those of this one, which may be in them.
        let parts = entries.map(|entry| match entry.message() {
            Some(FILTER_CONFIG) => (disabled(&entry), entry.field("config")),
            _ => (None, Some(entry)),
        });
        let parts: Vec<(Option<At<'n>>, Option<At<'n>>)> = parts.collect();
        let off = parts.first().map_or_else(|| self.off.clone(), |(off, _)| off.clone());
        let own = parts.into_iter().filter_map(|(_, own)| own).find(|own| {
            let is_own = own.message() == Some(PER_ROUTE);
            if !is_own {
                own.report(Code::Unreadable, "these are no settings of `ext_authz`");
            }
            is_own
        });
        off.or_else(|| disabled(&own?))
    }

    /// Returns its settings on a route, the most specific first.
    pub(super) fn settings_on(&self, route: &Route<'n>) -> Vec<At<'n>> {
        let entries =
            route.levels.iter().filter_map(|level| entry(&level.field("typed_per_filter_config")?, self.name));
        let inner = entries.filter_map(|entry| match entry.message() {
            Some(FILTER_CONFIG) => entry.field("config"),
            _ => Some(entry),
        });
        let own = inner.filter(|inner| inner.message() == Some(PER_ROUTE));
        own.inspect(|own| own.only_fields(&fields::PER_ROUTE)).filter_map(|own| own.field("check_settings")).collect()
    }
}

/// Returns the places of the filters that call modgud: those with its address, else those that may have it. Then it is true.
fn own<'n>(context: &Context<'_, 'n>, known: &[(usize, &At<'n>, At<'n>)]) -> (Vec<usize>, bool) {
    let checks = known.iter().filter(|(_, _, typed)| typed.message() == Some(EXT_AUTHZ));
    let owners: Vec<(usize, Owner)> = checks.map(|(index, _, typed)| (*index, Owner::of(context, typed))).collect();
    let of = |wanted: Owner| owners.iter().filter(move |(_, owner)| *owner == wanted).map(|(index, _)| *index);
    let sure: Vec<usize> = of(Owner::Modgud).collect();
    if sure.is_empty() { (of(Owner::Unclear).collect(), true) } else { (sure, false) }
}

/// Returns the settings for the filter of this name. They are found by the filter's name, whatever it is.
fn entry<'n>(all: &At<'n>, name: &str) -> Option<At<'n>> {
    all.entries().into_iter().find(|(key, _)| *key == name).map(|(_, entry)| entry)
}

/// Returns the settings that a filter can have, and true if they are all: they may be in another part (ECDS), which a default replaces
/// while it can't be had.
fn typed<'n>(context: &Context<'_, 'n>, filter: &At<'n>) -> (Vec<At<'n>>, bool) {
    if let Some(typed) = filter.field("typed_config") {
        return (vec![typed], true);
    }
    let Some(discovery) = filter.field("config_discovery") else {
        filter.report(Code::Unreadable, "the filter has no `typed_config`");
        return (Vec::new(), false);
    };
    let name = filter.text("name").unwrap_or_default();
    let found = context.model.extension(name).and_then(|extension| extension.field("typed_config"));
    if found.is_none() {
        discovery.report(Code::NotIncluded, format!("the filter {} is not in these files", Quoted::new(name)));
    }
    let is_whole = found.is_some();
    let all: Vec<At<'n>> = found.into_iter().chain(discovery.field("default_config")).collect();
    let is_named =
        discovery.items("type_urls").iter().any(|url| url.as_text().is_some_and(|url| url.ends_with(EXT_AUTHZ)));
    let is_check = |typed: &&At<'n>| typed.message() == Some(EXT_AUTHZ);
    if all.iter().any(|typed| is_check(&typed)) || is_named {
        for other in all.iter().filter(|typed| !is_check(typed)) {
            other.report(Code::NoExtAuthz, "this filter can take the place of `ext_authz`");
        }
    }
    (all, is_whole)
}

/// Returns the name of a filter's package.
fn kind(message: &str) -> Option<&str> {
    message.strip_prefix("envoy.extensions.filters.http.")?.split('.').next()
}

/// Reports a filter that can get around modgud. Returns true if its kind is known.
fn examine<'n>(context: &Context<'_, 'n>, typed: &At<'n>, kind: Option<&str>, is_before: bool) -> bool {
    let place = if is_before { "before" } else { "after" };
    let message = typed.message().unwrap_or("no type");
    match kind {
        Some("cache" | "cache_v2") if is_before => typed.report(Code::CacheBefore, "the cache is before `ext_authz`"),
        Some("header_mutation" | "local_ratelimit") if !is_before => check_mutations(context, typed),
        Some("router") => check_upstream(context, &typed.items("upstream_http_filters")),
        Some("ip_tagging") if !is_before && typed.field("ip_tag_header").is_some() => {
            typed.report_field(
                "ip_tag_header",
                Code::FilterUndecided,
                "the filter writes this header after `ext_authz`",
            );
        }
        Some(kind) if HARMLESS.contains(&kind) || is_before && HARMLESS_BEFORE.contains(&kind) => {}
        kind => {
            typed.report(
                Code::FilterUndecided,
                format!("a filter of the type {} is {place} `ext_authz`", Quoted::new(message)),
            );
            let is_known = ["lua", "wasm", "ext_proc", "golang", "dynamic_modules"];
            return kind.is_some_and(|kind| is_known.contains(&kind));
        }
    }
    true
}

/// Checks the filters that Envoy applies to a request on its way to a service: they are all after modgud.
pub(super) fn check_upstream(context: &Context<'_, '_>, filters: &[At<'_>]) {
    for typed in filters.iter().flat_map(|filter| typed(context, filter).0) {
        examine(context, &typed, typed.message().and_then(kind), false);
    }
}

/// Checks the settings of a filter that changes headers after modgud.
fn check_mutations(context: &Context<'_, '_>, settings: &At<'_>) {
    let mutations = settings.field("mutations").map(|all| all.items("request_mutations")).unwrap_or_default();
    for mutation in &mutations {
        mutation.field("append").iter().for_each(|added| headers::check_added(context, added));
        mutation.field("remove").iter().for_each(|removed| headers::check_removed(context, removed));
    }
    let limited = settings.items("request_headers_to_add_when_not_enforced");
    for added in &limited {
        headers::check_added(context, added);
    }
}
