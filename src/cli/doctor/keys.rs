//! What modgud's metrics show of providers, authorization servers, certificates and API keys.

use super::code::Code;
use super::configuration::Configuration;
use super::counters::{listed, notable};
use super::finding::Finding;
use super::samples::{Key, Readings};
use crate::config::Config;
use modgud_core::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// The time before the end of a certificate or a key from which on it is a finding, as in the alerts.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// The age of a JWKS from which on it is stale, if no configuration says how often it is fetched; as in the alerts.
const STALE: Duration = Duration::from_secs(3_600);
/// The number of missed refreshes after which a JWKS is stale.
const MISSED: u32 = 3;

pub(super) fn examine(readings: &Readings, configuration: &Configuration, now: Timestamp) -> Vec<Finding> {
    let mut findings = providers(readings, configuration.config(), now);
    findings.extend(introspection(readings));
    findings.extend(ends(readings, now));
    findings
}

/// Returns a provider of an authenticator, in words.
fn about(key: &Key) -> String {
    format!("keys of {} in modgud, from {}", key.label("authenticator"), key.label("source"))
}

fn providers(readings: &Readings, config: Option<&Config>, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, usable) in readings.last.of("modgud_keys") {
        let same = |other: &Key| ["authenticator", "source"].iter().all(|label| other.label(label) == key.label(label));
        let mut fetched = readings.last.of("modgud_keys_last_success_timestamp_seconds");
        let fetched = fetched.find(|(other, _)| same(other)).map_or(0, |(_, time)| time);
        let failures = readings.sums(|other| {
            let is_one = other.name == "modgud_key_fetches_total" && other.label("outcome") == "failure" && same(other);
            is_one.then_some("failed fetches")
        });
        let age = Duration::from_secs(now.as_secs().saturating_sub(fetched));
        let last = match fetched {
            0 => "never fetched".to_owned(),
            _ => format!("fetched {} ago", humantime::format_duration(age)),
        };
        let failed = failures.get("failed fetches").copied().unwrap_or_default();
        let seen = format!("{usable} usable, {last}, failed fetches {} (+{})", failed.total, failed.rise);
        let code = if usable == 0 {
            Code::KeysNone
        } else if fetched == 0 || age > stale(config, key.label("source")) {
            Code::KeysStale
        } else if failed.total > 0 {
            Code::KeyFetchesFail
        } else {
            Code::Keys
        };
        findings.push(Finding::new(code, about(key), seen));
    }
    findings
}

/// Returns the age from which on the keys of a provider are stale.
fn stale(config: Option<&Config>, source: &str) -> Duration {
    let sources = config.iter().flat_map(|config| &config.key_sources);
    let mut named = sources.filter(|one| one.provider.location.to_string() == source);
    named.next().map_or(STALE, |one| one.provider.refresh.saturating_mul(MISSED))
}

fn introspection(readings: &Readings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, paused) in readings.last.of("modgud_introspection_paused") {
        let name = key.label("authenticator");
        let failures = readings.sums(|other| {
            let outcome = other.label("outcome");
            let is_one = other.name == "modgud_introspections_total"
                && other.label("authenticator") == name
                && matches!(outcome, "failed" | "not_asked_busy" | "not_asked_paused");
            is_one.then_some(outcome)
        });
        let (failures, _) = notable(failures);
        let about = format!("introspection of {name} in modgud");
        let counts = if failures.is_empty() { "no failure".to_owned() } else { listed(&failures) };
        let (code, seen) = match (paused, failures.is_empty()) {
            (0, true) => (Code::Introspection, counts),
            (0, false) => (Code::IntrospectionsFail, counts),
            _ => (Code::IntrospectionPaused, format!("the circuit breaker is open; {counts}")),
        };
        findings.push(Finding::new(code, about, seen));
    }
    findings
}

/// Examines the ends of certificates and API keys.
fn ends(readings: &Readings, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut number = 0_usize;
    for (key, end) in readings.last.of("modgud_certificate_expiry_timestamp_seconds") {
        number = number.saturating_add(1);
        let (about, end) = (format!("certificate at {}", key.label("path")), Timestamp::from_secs(end));
        if end <= now {
            findings.push(Finding::new(Code::CertificateExpired, about, format!("ended at {end}")));
        } else if end <= now.plus(SOON) {
            findings.push(Finding::new(Code::CertificateExpires, about, format!("ends at {end}")));
        }
    }
    for (key, end) in readings.last.of("modgud_api_key_expiry_timestamp_seconds") {
        number = number.saturating_add(1);
        let end = Timestamp::from_secs(end);
        // One that has ended is rejected, as it is meant to be.
        if now < end && end <= now.plus(SOON) {
            let about = format!("API key {} of {}", key.label("key"), key.label("authenticator"));
            findings.push(Finding::new(Code::ApiKeyExpires, about, format!("ends at {end}")));
        }
    }
    if findings.is_empty() && number > 0 {
        let kinds: BTreeSet<&str> = [
            ("modgud_certificate_expiry_timestamp_seconds", "certificates"),
            ("modgud_api_key_expiry_timestamp_seconds", "API keys"),
        ]
        .into_iter()
        .filter(|(name, _)| readings.last.of(name).next().is_some())
        .map(|(_, kind)| kind)
        .collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        findings.push(Finding::new(Code::Certificates, kinds.join(" and "), format!("{number} with an end")));
    }
    findings
}
