//! The metrics of JWKS providers.

use super::gauge;
use crate::jwks::{FetchCounts, JwksRegistry};
use modgud_core::decide::Snapshot;
use modgud_core::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The labels of a JWKS: the authenticator, and the provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    authenticator: String,
    source: String,
}

/// The labels of its fetches: the same, and the outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fetch {
    authenticator: String,
    source: String,
    outcome: &'static str,
}

/// The JWKS providers at one point in time.
#[derive(Debug, Default)]
pub struct KeyMetrics {
    keys: Family<Source, Gauge>,
    last: Family<Source, Gauge>,
    fetches: Family<Fetch, Counter>,
}

impl KeyMetrics {
    /// Collects the metrics of the providers whose keys a snapshot uses.
    #[must_use]
    pub fn of(snapshot: &Snapshot, providers: &JwksRegistry, now: Timestamp) -> Self {
        let metrics = Self::default();
        for authenticator in snapshot.authenticators.list() {
            let name = authenticator.name().as_str();
            for keys in authenticator.as_jwt().map(|jwt| jwt.keys.remote.as_slice()).unwrap_or_default() {
                let Some(status) = providers.status(keys) else { continue };
                let source = Source { authenticator: name.to_owned(), source: status.name.clone() };
                let usable = keys.at(now).map_or(0, |published| published.keys.keys().len());
                metrics.keys.get_or_create(&source).set(i64::try_from(usable).unwrap_or(i64::MAX));
                let last = keys.last().map_or(0, |published| published.fetched_at.as_secs());
                metrics.last.get_or_create(&source).set(gauge(last));
                let FetchCounts { successes, failures } = status.fetches;
                for (outcome, count) in [("success", successes), ("failure", failures)] {
                    let fetch = Fetch { authenticator: name.to_owned(), source: status.name.clone(), outcome };
                    metrics.fetches.get_or_create(&fetch).inc_by(count);
                }
            }
        }
        metrics
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { keys, last, fetches } = self;
        registry.register("keys", "Published keys that may be used now, by authenticator and source", keys.clone());
        let help = "When the published keys were last had, in seconds since 1970; 0 is never";
        registry.register("keys_last_success_timestamp_seconds", help, last.clone());
        registry.register("key_fetches", "Fetches of published keys, by outcome", fetches.clone());
    }
}
