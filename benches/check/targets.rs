//! The targets, with what this run reached of each.

use super::case::{RIVAL, Response, TREE, Transport, VERIFICATION, cost};
use super::gateway::Gateway;
use super::growth::{MANY, ONE, RELOADING, RULES, Tokens};
use super::idle::Idle;
use super::report::{Report, p99, ratio};
use super::requests::Kind;
use super::stats::{Spread, thousands};

/// A figure and its limit. The median decides.
pub(crate) struct Target {
    pub(crate) text: String,
    pub(crate) limit: f64,
    pub(crate) figure: Spread,
    pub(crate) unit: &'static str,
    pub(crate) digits: usize,
}

impl Target {
    pub(crate) fn is_reached(&self) -> bool {
        self.figure.median <= self.limit
    }

    fn ratio(text: String, limit: f64, figure: Spread) -> Self {
        Self { text, limit, figure, unit: " ×", digits: 2 }
    }
}

/// The limit of a known token with BiFrost's response, as a multiple of the empty server.
const KNOWN: f64 = 1.1;
/// The limit of an unknown token: this multiple of one verification, besides the limit of a known one.
const VERIFIED: f64 = 1.1;

/// Returns every target that this run measured.
pub(crate) fn of(report: &Report) -> Vec<Target> {
    let Report { idle, cases, latency, decisions: _, rules, tokens, reloads, gateway } = report;
    let mut targets = Vec::new();
    for super::case::Result { case, series, .. } in cases {
        if case.connections != 1 || case.transport != Transport::Plaintext {
            continue;
        }
        let name = format!("{}, {} response, {}", case.kind, case.response_name(), case.pace);
        let to_empty = || ratio(series, TREE, RIVAL, cost);
        let against = |text| format!("{name}: modgud ÷ empty server{text}");
        targets.extend(match (case.kind, case.response) {
            (Kind::Known, Response::BiFrost) => Some(Target::ratio(against(""), KNOWN, to_empty())),
            (Kind::Known, Response::Small) => Some(Target::ratio(against(""), 1.0, to_empty())),
            (Kind::NoToken, _) => Some(Target::ratio(against(""), 1.3, to_empty())),
            (Kind::Unknown, _) => {
                let more = |samples: &[super::load::Sample]| {
                    (cost(&samples[TREE]) - KNOWN * cost(&samples[RIVAL])) / cost(&samples[VERIFICATION])
                };
                let text = format!("{name}: (modgud − {KNOWN} × empty server) ÷ one verification");
                Some(Target::ratio(text, VERIFIED, series.of_round(more)))
            }
            (Kind::Uncached | Kind::BadSignature, _) => None,
        });
        if case.kind == Kind::Known && case.response == Response::BiFrost && case.pace.is_concurrent() {
            let reads = series.spread(TREE, |sample| sample.reads as f64 / sample.checks as f64);
            let text = format!("{name}: reads of the load for one response, which bound modgud's sends");
            targets.push(Target { text, limit: 0.15, figure: reads, unit: "", digits: 2 });
        }
    }
    if let Some(Gateway { cpu, .. }) = gateway {
        let text = "Through Envoy: Envoy and modgud ÷ Envoy and the empty server".to_owned();
        targets.push(Target::ratio(text, 0.92, ratio(cpu, TREE, RIVAL, cost)));
    }
    let p99_target = |text: String, figure| Target { text, limit: 1000.0, figure, unit: " µs", digits: 0 };
    for super::case::Result { case, series, .. } in latency {
        let text = format!("p99 at half of its own capacity: {}, {}", case.kind, case.pace);
        targets.push(p99_target(text, series.spread(TREE, p99)));
    }
    let many_rules = thousands(RULES);
    let text = format!("p99 while {many_rules} rules reload, {}", reloads.case.pace);
    targets.push(p99_target(text, reloads.series.spread(RELOADING, p99)));
    let Tokens { count, series, resident_mib } = tokens;
    let count = thousands(*count);
    targets.push(Target::ratio(format!("{many_rules} rules ÷ one rule"), 1.1, ratio(rules, MANY, ONE, cost)));
    targets.push(Target::ratio(format!("{count} tokens ÷ one token"), 1.1, ratio(series, MANY, ONE, cost)));
    let size = |text: &str, limit, figure| Target { text: text.to_owned(), limit, figure, unit: " MiB", digits: 1 };
    let Idle { start_millis, resident_mib: idle_mib, binary_mib } = idle;
    let start = "From the start to the health status `SERVING`".to_owned();
    targets.push(Target { text: start, limit: 50.0, figure: *start_millis, unit: " ms", digits: 1 });
    targets.push(size("Resident memory when idle", 25.0, *idle_mib));
    targets.push(size(&format!("Resident memory with {count} cached tokens"), 600.0, Spread::of([*resident_mib])));
    targets.push(size("Size of the program", 20.0, Spread::of([*binary_mib])));
    targets
}
