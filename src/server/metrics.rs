//! The metrics that are read at each scrape: those of the active snapshot, and of the providers and authorization servers that it uses.

mod key_use;
mod spans;

use super::CheckHandler;
use super::exposition::Exposition;
use super::limits::Limits;
use crate::introspection::{IntrospectionCounts, ServerStatus};
use crate::jwks::FetchCounts;
use crate::telemetry::metrics::{encode, register_process};
use modgud_core::authn::{Authenticator, CacheStats, CachedResponses};
use modgud_core::decide::Snapshot;
use modgud_core::upstream::OnEncodeError;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

/// Creates the registry of all metrics of a process.
pub(super) fn registry(checks: &Arc<CheckHandler>, limits: Arc<Limits>) -> Registry {
    let mut all = Registry::default();
    let registry = all.sub_registry_with_prefix("modgud");
    checks.metrics.register(registry);
    let help = "Time until a response of an authorization server or a failure";
    let durations = checks.authorizer.introspection().durations().clone();
    registry.register("introspection_duration_seconds", help, durations);
    registry.register_collector(Box::new(SnapshotMetrics(Arc::clone(checks))));
    registry.register_collector(Box::new(LimitMetrics(limits)));
    registry.register_collector(Box::new(spans::SpanMetrics(Arc::clone(checks.traces.counts()))));
    register_process(&mut all);
    all
}

/// Encodes all metrics as text.
///
/// # Errors
/// `fmt::Error` never occurs: writing to a string does not fail.
pub(super) fn text(registry: &Registry, checks: &CheckHandler, format: Exposition) -> Result<String, fmt::Error> {
    // Counts of headers that were never dropped: so the first one is visible as a change.
    let snapshot = checks.authorizer.snapshot();
    let headers = snapshot.upstream.identity.headers().iter();
    let may_be_dropped = headers.filter(|header| header.on_error == OnEncodeError::Drop);
    checks.metrics.headers_may_be_dropped(may_be_dropped.map(|header| &header.name));
    format.encode(registry)
}

/// The collector of what uses the limits that all connections share.
#[derive(Debug)]
struct LimitMetrics(Arc<Limits>);

impl Collector for LimitMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (now, limit) = self.0.in_flight();
        let help = "Checks that wait for the network, and hold one of the slots of server.max_in_flight";
        encode(&mut encoder, "checks_in_flight", help, Gauge, [([], size(now))])?;
        encode(&mut encoder, "checks_in_flight_limit", "server.max_in_flight", Gauge, [([], size(limit))])
    }
}

/// The collector of the metrics of the active snapshot.
#[derive(Debug)]
struct SnapshotMetrics(Arc<CheckHandler>);

impl Collector for SnapshotMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.authorizer.snapshot();
        let CacheStats { hits, misses, entries, bytes } = snapshot.authenticators.token_cache().stats();
        let revoked = snapshot.authenticators.revocations().map_or(0, |revocations| size(revocations.now().len()));
        for (name, help, kind, value) in [
            ("token_cache_hits", "Lookups that found a usable verified token", Counter, hits),
            ("token_cache_misses", "Lookups that found no usable verified token", Counter, misses),
            ("token_cache_entries", "Verified tokens in the cache", Gauge, entries),
            ("token_cache_bytes", "Size of the cache of verified tokens, in bytes", Gauge, bytes),
            ("revocations_entries", "Entries of the active revocation list", Gauge, revoked),
        ] {
            encode(&mut encoder, name, help, kind, [([], value)])?;
        }
        self.keys(&snapshot, &mut encoder)?;
        key_use::encode_keys(&snapshot, &mut encoder)?;
        self.introspection(&snapshot, &mut encoder)
    }
}

impl SnapshotMetrics {
    /// Encodes the metrics of the providers whose JWKS the snapshot uses.
    fn keys(&self, snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (providers, now) = (self.0.authorizer.keys(), self.0.authorizer.now());
        let (mut usable, mut last, mut fetches) = (Vec::new(), Vec::new(), Vec::new());
        let authenticators = snapshot.authenticators.list().iter();
        let of_jwt = authenticators.filter_map(|one| Some((one.name().as_str(), one.as_jwt()?)));
        let remote = of_jwt.flat_map(|(name, jwt)| jwt.keys.remote.iter().map(move |keys| (name, keys)));
        let sources: Vec<_> = remote.filter_map(|(name, keys)| Some((name, keys, providers.status(keys)?))).collect();
        for (authenticator, keys, status) in &sources {
            let source = [("authenticator", *authenticator), ("source", status.name.as_str())];
            let [name, provider] = source;
            usable.push((source, keys.at(now).map_or(0, |published| size(published.keys.keys().len()))));
            last.push((source, keys.last().map_or(0, |published| published.fetched_at.as_secs())));
            let FetchCounts { successes, failures } = status.fetches;
            fetches.push(([name, provider, ("outcome", "success")], successes));
            fetches.push(([name, provider, ("outcome", "failure")], failures));
        }
        encode(encoder, "keys", "Keys of a JWKS that may be used now", Gauge, usable)?;
        let help = "Time of the last successful JWKS fetch, in seconds since 1970; 0 means never";
        encode(encoder, "keys_last_success_timestamp_seconds", help, Gauge, last)?;
        encode(encoder, "key_fetches", "JWKS fetches, by outcome", Counter, fetches)
    }

    /// Encodes the metrics of the authorization servers that the snapshot's authenticators use.
    fn introspection(&self, snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let introspection = self.0.authorizer.introspection();
        let (mut outcomes, mut paused) = (Vec::new(), Vec::new());
        for authenticator in snapshot.authenticators.list().iter().filter_map(Authenticator::as_introspection) {
            let Some(ServerStatus { counts, is_open }) = introspection.status(authenticator) else { continue };
            let name = ("authenticator", authenticator.name.as_str());
            let IntrospectionCounts { active, inactive, failed, busy, open } = counts;
            for (outcome, count) in [
                ("active", active),
                ("inactive", inactive),
                ("failed", failed),
                ("not_asked_busy", busy),
                ("not_asked_paused", open),
            ] {
                outcomes.push(([name, ("outcome", outcome)], count));
            }
            paused.push(([name], u64::from(is_open)));
        }
        encode(encoder, "introspections", "Opaque tokens to introspect, by outcome", Counter, outcomes)?;
        encode(encoder, "introspection_paused", "1 while the circuit breaker is open", Gauge, paused)?;
        let CachedResponses { active, inactive } = introspection.cache_counts();
        let entries = [([("answer", "active")], active), ([("answer", "inactive")], inactive)];
        encode(encoder, "introspection_cache_entries", "Cached introspection responses", Gauge, entries)
    }
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
