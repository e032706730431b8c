//! Envoy's counters: of its filter that asks modgud, and of modgud's cluster.

use super::code::Code;
use super::counters::{listed, notable};
use super::finding::Finding;
use super::samples::{Key, Readings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{BTreeMap, BTreeSet};

/// The statistics that are read, as an expression for Envoy's parameter `filter`.
const FILTER: &str = r"^(http\..+\.ext_authz\..+|runtime\.admin_overrides_active|server\.live|cluster\..+\.(membership_(healthy|total)|circuit_breakers\.default\.(cx|cx_pool|rq|rq_pending)_open|upstream_(cx_connect_fail|rq_timeout|rq_pending_overflow|rq_active_overflow)))$";

/// The cluster that `modgud envoy` writes.
const CLUSTER: &str = "modgud";

/// The counters of the filter, each with its code for a rise, and without one.
const COUNTERS: [(&[&str], Code, Code); 5] = [
    (&["error", "timeout"], Code::ErrorsRising, Code::Errors),
    (&["invalid"], Code::InvalidRising, Code::Invalid),
    (&["failure_mode_allowed"], Code::AllowedRising, Code::AllowedOnFailure),
    (&["disabled"], Code::DisabledRising, Code::DisabledChecks),
    (&["shadow_denied", "shadow_error"], Code::ShadowRising, Code::ShadowChecks),
];

/// Returns the path and query of the statistics.
pub(super) fn target() -> String {
    format!("/stats?filter={}", utf8_percent_encode(FILTER, NON_ALPHANUMERIC))
}

/// Returns the last part of a name of the filter's statistics: `error` of `http.gateway.ext_authz.modgud.error`.
fn counter(key: &Key) -> Option<&str> {
    let name = key.name.strip_prefix("http.")?;
    let (_, rest) = name.split_once(".ext_authz.")?;
    rest.rsplit('.').next()
}

/// Examines the statistics. `clusters` are those of modgud, if they are known.
pub(super) fn examine(readings: &Readings, clusters: Option<&BTreeSet<String>>, about: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let filters = readings.last.iter().filter(|(key, _)| counter(key).is_some()).count();
    for (names, rising, steady) in COUNTERS {
        let counts = readings.sums(|key| counter(key).filter(|name| names.contains(name)).map(|_| key.name.as_str()));
        let (counts, rises) = notable(counts);
        if !counts.is_empty() {
            findings.push(Finding::new(if rises { rising } else { steady }, about, listed(&counts)));
        }
    }
    if filters == 0 {
        let why = "it has no statistic `http.*.ext_authz.*`; see the findings about its configuration";
        findings.push(Finding::not_examined(format!("counters of {about}"), why));
    } else if findings.is_empty() {
        let sum = |wanted: &str| {
            let of = readings.last.iter().filter(|(key, _)| counter(key) == Some(wanted));
            of.map(|(_, count)| count).fold(0, u64::saturating_add)
        };
        let seen = format!("ok {}, denied {}, nothing else", sum("ok"), sum("denied"));
        findings.push(Finding::new(Code::ExtAuthz, about, seen));
    }
    let overridden = readings.last.one("runtime.admin_overrides_active").unwrap_or_default();
    if overridden > 0 {
        findings.push(Finding::new(Code::RuntimeOverridden, about, format!("changed values: {overridden}")));
    }
    let default = BTreeSet::from([CLUSTER.to_owned()]);
    for name in clusters.filter(|clusters| !clusters.is_empty()).unwrap_or(&default) {
        findings.extend(cluster(readings, name, about));
    }
    findings
}

/// Examines the cluster of this name.
fn cluster(readings: &Readings, name: &str, about: &str) -> Vec<Finding> {
    let about = format!("cluster {name} of {about}");
    let prefix = format!("cluster.{name}.");
    let value = |stat: &str| readings.last.one(&format!("{prefix}{stat}"));
    let Some((healthy, total)) = value("membership_healthy").zip(value("membership_total")) else {
        return vec![Finding::not_examined(about, "Envoy has no statistics of it")];
    };
    let mut findings = Vec::new();
    let members = format!("{healthy} of {total} healthy");
    if healthy == 0 {
        findings.push(Finding::new(Code::ClusterUnhealthy, &about, &members));
    } else if healthy < total {
        findings.push(Finding::new(Code::ClusterPartlyHealthy, &about, &members));
    }
    let chosen = |wanted: &'static [&'static str]| {
        let counts: BTreeMap<&str, _> =
            readings.sums(|key| key.name.strip_prefix(&prefix).filter(|stat| wanted.contains(stat)));
        notable(counts)
    };
    let open: Vec<&str> = readings
        .last
        .iter()
        .filter(|(_, value)| *value > 0)
        .filter_map(|(key, _)| key.name.strip_prefix(&prefix)?.strip_prefix("circuit_breakers."))
        .collect();
    let (overflows, rises) = chosen(&["upstream_rq_pending_overflow", "upstream_rq_active_overflow"]);
    if rises || !open.is_empty() {
        let seen = format!(
            "open: {}; {}",
            if open.is_empty() { "none".to_owned() } else { open.join(", ") },
            listed(&overflows)
        );
        findings.push(Finding::new(Code::CircuitBreaker, &about, seen.trim_end_matches("; ")));
    } else if !overflows.is_empty() {
        findings.push(Finding::new(Code::CircuitBreakerWasOpen, &about, listed(&overflows)));
    }
    if let (failures, true) = chosen(&["upstream_cx_connect_fail", "upstream_rq_timeout"]) {
        findings.push(Finding::new(Code::CallsFail, &about, listed(&failures)));
    }
    if findings.is_empty() {
        findings.push(Finding::new(Code::Cluster, about, members));
    }
    findings
}
