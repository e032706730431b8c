//! The metrics of introspection.

use super::gauge;
use crate::introspection::{AskedCounts, Introspection, ServerStatus};
use modgud_core::authn::{Authenticator, CachedResponses};
use modgud_core::decide::Snapshot;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The labels of an introspection: the authenticator, and the outcome for the token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    authenticator: String,
    outcome: &'static str,
}

/// The label of an authorization server: its authenticator.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    authenticator: String,
}

/// The label of a cached response.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    answer: &'static str,
}

/// The authorization servers at one point in time.
#[derive(Debug)]
pub struct IntrospectionMetrics {
    outcomes: Family<Outcome, Counter>,
    paused: Family<Server, Gauge>,
    entries: Family<Answer, Gauge>,
    seconds: Histogram,
}

/// Metrics without a server.
impl Default for IntrospectionMetrics {
    fn default() -> Self {
        let (outcomes, paused, entries) = (Family::default(), Family::default(), Family::default());
        Self { outcomes, paused, entries, seconds: Histogram::new([]) }
    }
}

impl IntrospectionMetrics {
    /// Collects the metrics of the servers that a snapshot's authenticators use.
    #[must_use]
    pub fn of(snapshot: &Snapshot, introspection: &Introspection) -> Self {
        let metrics = Self { seconds: introspection.seconds().clone(), ..Self::default() };
        for authenticator in snapshot.authenticators.list().iter().filter_map(Authenticator::as_introspection) {
            let Some(ServerStatus { asked, paused }) = introspection.status(authenticator) else { continue };
            let name = || authenticator.name.as_str().to_owned();
            let AskedCounts { active, inactive, failed, busy, paused: left_alone } = asked;
            for (outcome, count) in [
                ("active", active),
                ("inactive", inactive),
                ("failed", failed),
                ("not_asked_busy", busy),
                ("not_asked_paused", left_alone),
            ] {
                metrics.outcomes.get_or_create(&Outcome { authenticator: name(), outcome }).inc_by(count);
            }
            metrics.paused.get_or_create(&Server { authenticator: name() }).set(i64::from(paused));
        }
        let CachedResponses { active, inactive } = introspection.known();
        for (answer, count) in [("active", active), ("inactive", inactive)] {
            metrics.entries.get_or_create(&Answer { answer }).set(gauge(count));
        }
        metrics
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { outcomes, paused, entries, seconds } = self;
        let help = "Tokens that an authorization server was to be asked about, by what became of it";
        registry.register("introspections", help, outcomes.clone());
        let help = "Time until an authorization server had answered, or failed to";
        registry.register("introspection_duration_seconds", help, seconds.clone());
        let help = "1: the authorization server does not answer, and is left alone but for a trial now and then";
        registry.register("introspection_paused", help, paused.clone());
        let help = "Answers of authorization servers that are held";
        registry.register("introspection_cache_entries", help, entries.clone());
    }
}
