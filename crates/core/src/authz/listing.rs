//! The rules as a list, for operators: each with its matches, in the order of the configuration.

use super::router::{Layer, RouterEntry, Served};
use super::rule::{Access, Enforcement, Rule, RuleName};
use super::rules::Rules;
use std::collections::HashMap;
use std::sync::Arc;

/// A rule of the list.
#[derive(Debug)]
pub struct ListedRule<'r> {
    /// The name.
    pub name: &'r RuleName,
    /// The access for callers.
    pub access: Access,
    /// The enforcement mode.
    pub enforcement: Enforcement,
    /// What the rule matches; empty if only its name leads to it.
    pub matches: Vec<ListedMatch>,
}

/// One combination of host, methods and path of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedMatch {
    /// The path pattern, as the operator wrote it.
    pub path: Box<str>,
    /// The host; `None` for every host.
    pub host: Option<String>,
    /// The methods; empty for every method.
    pub methods: Vec<String>,
}

impl Rules {
    /// Returns all rules, in the order in which they were added.
    #[must_use]
    pub fn listing(&self) -> Vec<ListedRule<'_>> {
        let mut matches: HashMap<&RuleName, Vec<ListedMatch>> = HashMap::new();
        for (host, router) in self.hosts().patterns() {
            let host = host.map(|host| host.to_string());
            for layer in [Layer::Enforced, Layer::Shadow] {
                for entry in router.entries(layer) {
                    matches.entry(&entry.value.name).or_default().push(listed(&entry, host.clone()));
                }
            }
        }
        let rules = self.first_of_each().into_iter().map(|rule| {
            let Rule { name, access, enforcement, .. } = &**rule;
            let mut matches = matches.remove(name).unwrap_or_default();
            // A router has no order, and the readings of a module repeat a pattern.
            matches.sort();
            matches.dedup();
            ListedRule { name, access: *access, enforcement: *enforcement, matches }
        });
        rules.collect()
    }
}

fn listed(entry: &RouterEntry<'_, Arc<Rule>>, host: Option<String>) -> ListedMatch {
    let methods = match &entry.served {
        Served::Any => Vec::new(),
        Served::Methods(methods) => methods.iter().map(|method| (*method).to_owned()).collect(),
        Served::Preflights => vec!["OPTIONS (preflight)".to_owned()],
    };
    ListedMatch { path: entry.value.pattern.clone(), host, methods }
}
