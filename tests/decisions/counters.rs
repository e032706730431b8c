//! What a sidecar has counted, read where operators read it: `/metrics` on the admin listener.

use crate::support::Sidecar;
use modgud_testbed::http::Exchange;
use std::collections::BTreeMap;
use std::net::SocketAddr;

const CHECKS: &str = "modgud_checks_total{";

/// Every line of `/metrics` with a whole number, by name and labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// The counters now.
    pub(crate) async fn read(sidecar: &Sidecar) -> Self {
        Self::at(sidecar.addresses.admin).await
    }

    /// The counters at this admin listener.
    pub(crate) async fn at(admin: SocketAddr) -> Self {
        let answer = Exchange::get(admin, "/metrics").await.unwrap();
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        let line = |line: &str| {
            let (name, number) = line.rsplit_once(' ')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect())
    }

    /// One of them; or the sum of all that have these labels first, and others.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let start = name.strip_suffix('}').map_or_else(|| format!("{name}{{"), |labels| format!("{labels},"));
        let found: Vec<u64> = self
            .0
            .iter()
            .filter(|(line, _)| *line == name || line.starts_with(&start))
            .map(|(_, count)| *count)
            .collect();
        assert!(!found.is_empty(), "there is no metric {name}: {self:?}");
        found.iter().sum()
    }

    /// The reason of each check that was counted since; it is empty when the check was let through.
    pub(crate) fn reasons_since(&self, before: &Self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, count) in self.0.iter().filter(|(name, _)| name.starts_with(CHECKS)) {
            let reason = name.split_once("reason=\"").and_then(|(_, rest)| rest.split_once('"')).unwrap().0;
            for _ in before.0.get(name).copied().unwrap_or_default()..*count {
                reasons.push(reason.to_owned());
            }
        }
        reasons
    }

    /// What rules that are tried out were counted with since: rule, decision, reason.
    pub(crate) fn tried_since(&self, before: &Self) -> Vec<[String; 3]> {
        let of = |counters: &Self| counters.labelled("modgud_shadow_checks_total", ["rule", "decision", "reason"]);
        let (before, mut tried) = (of(before), Vec::new());
        for (labels, count) in of(self) {
            for _ in before.get(&labels).copied().unwrap_or_default()..count {
                tried.push(labels.clone());
            }
        }
        tried
    }

    /// A counter by its labels.
    pub(crate) fn labelled<const N: usize>(&self, name: &str, labels: [&str; N]) -> BTreeMap<[String; N], u64> {
        let start = format!("{name}{{");
        let of = |line: &str| {
            labels.map(|label| {
                let (_, rest) = line.split_once(&format!("{label}=\"")).unwrap();
                rest.split_once('"').unwrap().0.to_owned()
            })
        };
        self.0.iter().filter(|(line, _)| line.starts_with(&start)).map(|(line, count)| (of(line), *count)).collect()
    }

    /// Whether a check that was let through, denied or not decided was counted as that.
    pub(crate) fn decided(&self, decision: &str) -> u64 {
        let label = format!("decision=\"{decision}\"");
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with(CHECKS) && name.contains(&label))
            .map(|(_, count)| count)
            .sum()
    }
}
