use super::super::slots::OTHER;
use super::{CELLS, CheckCounters, MAX_SERIES, NamedSeries};

const MAX_RULES: u8 = NamedSeries::MAX_RULES;
use modgud_core::authz::RuleName;
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::{CounterSlots, Decision, DecisionError};
use modgud_core::reason::Reason;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

/// The counters as they are scraped: without those that are 0, by rule and reason.
fn scraped(counters: &Arc<CheckCounters>) -> BTreeMap<(String, String), u64> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(counters)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).unwrap();
    let label = |line: &str, name: &str| {
        line.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines.map(|line| {
        let count = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        ((label(line, "rule"), label(line, "reason")), count)
    });
    let values: Vec<_> = values.collect();
    let count = values.len();
    let shown: BTreeMap<_, _> = values.into_iter().collect();
    assert_eq!(shown.len(), count, "two series have the same labels");
    shown.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// The names of a configuration, and a decision by one of them.
struct Names(Vec<RuleName>);

impl Names {
    fn new(names: &[String]) -> Self {
        let mut rules = modgud_core::authz::Rules::new(modgud_core::authz::Fallback::Denied);
        for name in names {
            rules.add_named(rule(name));
        }
        Self(rules.names().into_iter().cloned().collect())
    }

    fn assign(&self, counters: &CheckCounters) -> CounterSlots {
        counters.assign(self.0.iter().map(RuleName::as_str), ["bifrost"].into_iter(), MAX_RULES)
    }

    fn decision(&self, rule: usize) -> Decision {
        let rule = Some(self.0[rule].clone());
        Decision { rule, credential_for: Some(AuthenticatorId(0)), ..Decision::denied(DecisionError::Internal) }
    }
}

fn rule(name: &str) -> modgud_core::authz::Rule {
    modgud_core::authz::Rule {
        name: RuleName::new(name),
        access: modgud_core::authz::Access::Authenticated,
        require: modgud_core::authz::Requirement::default(),
        constraints: None,
        pattern: "".into(),
        enforcement: modgud_core::authz::Enforcement::Enforced,
        by_name: modgud_core::authz::RouteReference::Require,
    }
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("rule-{number}")).collect()
}

#[test]
fn the_first_rules_have_series_and_a_reload_keeps_them() {
    let counters = Arc::new(CheckCounters::default());
    let most = usize::from(MAX_RULES);
    let names = Names::new(&texts(0..most + 50));
    let slots = names.assign(&counters);
    for number in 0..most + 50 {
        counters.count(&names.decision(number), Some(Reason::Internal), &slots);
    }
    let internal = |rule: &str| (rule.to_owned(), "internal".to_owned());
    let shown = scraped(&counters);
    assert_eq!(shown.len(), most + 1);
    assert_eq!(shown[&internal(OTHER)], 50);
    assert_eq!((shown[&internal("rule-0")], shown[&internal("rule-199")]), (1, 1));

    // Another order and other names: the first ones keep what they had, and nothing is added for the new ones.
    let mut reversed = texts(100..most + 150);
    reversed.reverse();
    let names = Names::new(&reversed);
    let slots = names.assign(&counters);
    for number in 0..reversed.len() {
        counters.count(&names.decision(number), Some(Reason::Internal), &slots);
    }
    let shown = scraped(&counters);
    assert_eq!(shown.len(), most + 1);
    assert_eq!((shown[&internal("rule-0")], shown[&internal("rule-199")]), (1, 2));
    assert_eq!(shown[&internal(OTHER)], 50 + 150);
}

#[test]
fn a_rule_that_is_called_other_makes_no_second_series() {
    let counters = Arc::new(CheckCounters::default());
    let names = Names::new(&[OTHER.to_owned(), "a".to_owned()]);
    let slots = names.assign(&counters);
    counters.count(&names.decision(0), None, &slots);
    assert_eq!(scraped(&counters), BTreeMap::from([((OTHER.to_owned(), String::new()), 1)]));
}

#[test]
fn no_check_is_lost_when_there_are_too_many_series() {
    let counters = Arc::new(CheckCounters::default());
    let names = Names::new(&texts(0..usize::from(MAX_RULES)));
    let slots = names.assign(&counters);
    // Every reason on every rule, from two threads that meet in each series.
    let all: usize = Reason::ALL.len() * usize::from(MAX_RULES);
    assert!(all > CELLS, "the table would hold all of them");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for number in 0..usize::from(MAX_RULES) {
                    for reason in Reason::ALL {
                        counters.count(&names.decision(number), Some(*reason), &slots);
                    }
                }
            });
        }
    });
    let shown = scraped(&counters);
    assert_eq!(shown.values().sum::<u64>(), 2 * u64::try_from(all).unwrap());
    assert!(shown.len() <= MAX_SERIES + 2, "{}", shown.len());
    let other: Vec<_> = shown.keys().filter(|(rule, _)| rule == OTHER).collect();
    assert_eq!(other.len(), Reason::ALL.len());
}
