//! The rules with their counters, for the page.

use crate::server::CheckHandler;
use crate::telemetry::metrics::Hits;
use bytes::Bytes;
use modgud_core::authz::{Enforcement, ListedMatch, ListedRule};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of rules that are shown, in the order of the file. Beyond it the others are left out, and counted.
const MAX_SHOWN_RULES: usize = 2_000;
/// Maximum number of matches that are shown of a rule. Beyond it the others are left out.
const MAX_SHOWN_MATCHES: usize = 50;

/// All rules.
#[derive(Debug, Serialize)]
struct Shown {
    rules: Vec<ShownRule>,
    left_out: usize,
    fallback: &'static str,
    /// The checks that the shadow configuration decided again; `None` without one.
    compared: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ShownRule {
    name: String,
    access: &'static str,
    shadow: bool,
    matches: Vec<ShownMatch>,
    /// The checks of an enforced rule since the start; `None` beyond the rules with counters of their own.
    hits: Option<ShownHits>,
    /// The requests that a shadow rule would have allowed and denied.
    would: Option<ShownHits>,
    /// The checks of the rule that the shadow configuration would answer differently.
    differences: u64,
}

#[derive(Debug, Serialize)]
struct ShownMatch {
    path: String,
    host: Option<String>,
    methods: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownHits {
    allowed: u64,
    denied: u64,
}

impl From<ListedMatch> for ShownMatch {
    fn from(ListedMatch { path, host, methods }: ListedMatch) -> Self {
        Self { path: path.into(), host, methods }
    }
}

/// Time for which the rules are not read again: their hits change with each check.
const CACHE_TIME: Duration = Duration::from_millis(900);

/// The last response, which all that ask in the same second share.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Instant, Bytes)>>);

impl Cache {
    /// Returns the rules as JSON.
    pub(super) fn shown(&self, checks: &CheckHandler) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((made, json)) if made.elapsed() < CACHE_TIME => json.clone(),
            Some(_) | None => {
                let json = Bytes::from(serde_json::to_vec(&shown(checks)).unwrap_or_default());
                *last = Some((Instant::now(), json.clone()));
                json
            }
        }
    }
}

fn shown(checks: &CheckHandler) -> Shown {
    let (metrics, snapshot) = (&checks.metrics, checks.authorizer.snapshot());
    let listing = snapshot.rules.listing();
    let left_out = listing.len().saturating_sub(MAX_SHOWN_RULES);
    let hits = metrics.rule_hits();
    let uncounted = metrics.uncounted_rules(listing.iter().map(|rule| rule.name.as_str()));
    let uncounted: std::collections::HashSet<&str> = uncounted.into_iter().collect();
    let (differences, compared) = metrics.shadow_config.differences_by_rule();
    let rules = listing.iter().take(MAX_SHOWN_RULES).map(|ListedRule { name, access, enforcement, matches }| {
        let name = name.as_str();
        let shadow = *enforcement == Enforcement::Shadow;
        let of_rule = hits.get(name).copied().unwrap_or_default();
        let Hits { allowed, denied } = of_rule;
        let is_counted = !shadow && !uncounted.contains(name);
        let would = shadow.then(|| metrics.shadow_rules.counts(name));
        ShownRule {
            name: name.to_owned(),
            access: access.name(),
            shadow,
            matches: matches.iter().take(MAX_SHOWN_MATCHES).cloned().map(ShownMatch::from).collect(),
            hits: is_counted.then_some(ShownHits { allowed, denied }),
            would: would.map(|(allowed, denied)| ShownHits { allowed, denied }),
            differences: differences.get(name).copied().unwrap_or_default(),
        }
    });
    Shown {
        rules: rules.collect(),
        left_out,
        fallback: snapshot.rules.fallback().name(),
        compared: checks.has_shadow().then_some(compared),
    }
}
