//! What modgud's metrics show: checks, connections, the log, reloads, and the process.

use super::Args;
use super::code::Code;
use super::configuration::Configuration;
use super::finding::Finding;
use super::samples::{Count, Readings, Samples};
use modgud_core::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The share of a bound, in percent, from which on it is nearly reached.
const NEARLY: u64 = 80;

/// Returns counts as text: each with its name, its total and its rise.
pub(super) fn listed(counts: &BTreeMap<&str, Count>) -> String {
    let one = |(name, Count { total, rise }): (&&str, &Count)| format!("{name} {total} (+{rise})");
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Keeps the counters that rose, or else those that are not 0. Returns true for those that rose.
pub(super) fn notable(mut counts: BTreeMap<&str, Count>) -> (BTreeMap<&str, Count>, bool) {
    let rises = counts.values().any(|count| count.rise > 0);
    counts.retain(|_, count| if rises { count.rise > 0 } else { count.total > 0 });
    (counts, rises)
}

/// Reports the version and the age of the process, or that it was replaced between the readings.
pub(super) fn process(readings: &Readings, about: &str, version: &str, now: Timestamp) -> Finding {
    let start = |samples: &Samples| samples.one("process_start_time_seconds");
    let (first, last) = (start(&readings.first), start(&readings.last));
    let up = last.map(|start| {
        let up = Duration::from_secs(now.as_secs().saturating_sub(start));
        format!(", up {}", humantime::format_duration(up))
    });
    let seen = format!("version {version}{}", up.unwrap_or_default());
    let code = if first == last { Code::Modgud } else { Code::Restarted };
    Finding::new(code, about, seen)
}

/// Examines counters of checks, connections and the log, and bounds.
pub(super) fn examine(readings: &Readings, about: &str) -> Vec<Finding> {
    let mut findings = checks(readings, about);
    let closed = readings.sums(|key| {
        let counts = key.name == "modgud_connections_closed_total";
        counts.then(|| key.label("reason"))
    });
    if let (closed, true) = notable(closed) {
        findings.push(Finding::new(Code::ConnectionsClosed, about, format!("closed: {}", listed(&closed))));
    }
    let lost = readings.sums(|key| match key.name.as_str() {
        "modgud_log_lines_dropped_total" => Some("dropped"),
        "modgud_log_lines_failed_total" => Some("failed"),
        _ => None,
    });
    let (lost, _) = notable(lost);
    findings.push(if lost.is_empty() {
        Finding::new(Code::Log, about, "no line lost")
    } else {
        Finding::new(Code::LogLinesLost, about, format!("lines lost: {}", listed(&lost)))
    });
    let (open, limit) = (readings.last.one("process_open_fds"), readings.last.one("process_max_fds"));
    if let (Some(open), Some(limit)) = (open, limit)
        && is_nearly(open, limit)
    {
        findings.push(Finding::new(Code::FilesNearlyOut, about, format!("{open} of {limit} files are open")));
    }
    findings
}

/// Returns true if a value is near its bound.
const fn is_nearly(value: u64, bound: u64) -> bool {
    value.saturating_mul(100) >= bound.saturating_mul(NEARLY)
}

fn checks(readings: &Readings, about: &str) -> Vec<Finding> {
    let unavailable = readings.sums(|key| {
        let is_one = key.name == "modgud_checks_total" && key.label("decision") == "unavailable";
        is_one.then(|| key.label("reason"))
    });
    let mut findings = Vec::new();
    let (unavailable, rises) = notable(unavailable);
    if !unavailable.is_empty() {
        let code = if rises { Code::UnavailableRising } else { Code::Unavailable };
        findings.push(Finding::new(code, about, format!("503: {}", listed(&unavailable))));
    }
    let bound = readings.last.one("modgud_checks_in_flight_limit");
    let Some((waiting, bound)) = readings.last.one("modgud_checks_in_flight").zip(bound) else {
        findings.push(Finding::not_examined(about, "`modgud_checks_in_flight` is missing in its metrics"));
        return findings;
    };
    if is_nearly(waiting, bound) {
        findings.push(Finding::new(Code::NearlyFull, about, format!("{waiting} of {bound} checks wait")));
    } else if unavailable.is_empty() {
        let all: u64 = readings.last.of("modgud_checks_total").map(|(_, count)| count).fold(0, u64::saturating_add);
        findings.push(Finding::new(
            Code::Checks,
            about,
            format!("{all} checks, none got 503; {waiting} of {bound} wait"),
        ));
    }
    findings
}

/// Examines reloads, and compares the active configuration with the one given.
pub(super) fn configuration(
    samples: &Samples,
    args: &Args,
    configuration: &Configuration,
    about: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = |name: &str| samples.one(name).unwrap_or_default();
    let rejected = count("modgud_config_reload_failures_total");
    let loaded = Timestamp::from_secs(count("modgud_config_loaded_timestamp_seconds"));
    match samples.one("modgud_config_reload_last_success") {
        Some(0) => {
            let seen = format!("rejected reloads: {rejected}; the active configuration is of {loaded}");
            findings.push(Finding::new(Code::ReloadRejected, about, seen));
        }
        Some(_) => {
            let seen = format!("loaded at {loaded}; rejected reloads before: {rejected}");
            findings.push(Finding::new(Code::Reload, about, seen));
        }
        None => findings.push(Finding::not_examined(about, "`modgud_config_reload_last_success` is missing")),
    }
    match samples.one("modgud_config_hash") {
        Some(hash) => findings.extend(configuration.compare(args, hash)),
        None => findings.push(Finding::not_examined(about, "`modgud_config_hash` is missing in its metrics")),
    }
    let warnings = count("modgud_config_warnings");
    // With a configuration, each warning is listed.
    if warnings > 0 && configuration.config().is_none() {
        let seen = format!("warnings about the active configuration: {warnings}; `modgud check` prints them");
        findings.push(Finding::new(Code::ConfigurationWarning, about, seen));
    }
    let revocations = count("modgud_revocations_reload_failures_total");
    if revocations > 0 {
        let read = Timestamp::from_secs(count("modgud_revocations_loaded_timestamp_seconds"));
        let seen = format!("rejected lists: {revocations}; the active one was read at {read}");
        findings.push(Finding::new(Code::RevocationsRejected, about, seen));
    }
    findings
}
