//! A table as it is written, and an answer held against what a case expects.

use super::answer::Answer;
use super::text;
use super::token::TokenSpec;
use crate::support::Encoding;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// The configuration of cases that name none.
const PROFILE: &str = "bifrost";

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[serde(default)]
    pub(super) configurations: BTreeMap<String, String>,
    /// Files in the folder of every configuration, by name.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    #[serde(default)]
    answers: BTreeMap<String, Allow>,
    pub(super) cases: Vec<Case>,
}

/// One request and the answer that is owed to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default = "profile")]
    pub(super) configuration: String,
    pub(super) at: Option<u64>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) headers: Option<Vec<(String, String)>>,
    pub(super) body: Option<String>,
    pub(super) peer: Option<PeerSpec>,
    #[serde(default)]
    pub(super) context: Vec<(String, String)>,
    only: Option<Only>,
    pub(super) token: Option<TokenSpec>,
    /// What a rule that is tried out would have come to: its name, the decision and the reason.
    pub(super) shadow: Option<[String; 3]>,
    allow: Option<AllowOrName>,
    deny: Option<Deny>,
}

/// What Envoy says of the connection: its certificate, and the address of the client, or the path of a socket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerSpec {
    #[serde(default)]
    pub(super) principal: String,
    #[serde(default)]
    pub(super) certificate: String,
    pub(super) address: Option<String>,
    pub(super) pipe: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Only {
    Joined,
    Raw,
}

/// All that Envoy is to change about a request that is let through.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Allow {
    set: BTreeMap<String, String>,
    remove: BTreeSet<String>,
    #[serde(default)]
    remove_query: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum AllowOrName {
    Name(String),
    Allow(Allow),
}

/// The response to a client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Deny {
    status: u16,
    reason: String,
    /// JSON, or a text as it is.
    body: Option<String>,
    www_authenticate: Option<String>,
    /// All headers but those that every denial of its form has.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// What a case expects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    Allow(&'a Allow),
    Deny(&'a Deny),
}

fn profile() -> String {
    PROFILE.to_owned()
}

impl Table {
    /// Reads a table, and checks of it what its form leaves open.
    pub(super) fn read(folder: &Path, topic: &str) -> Self {
        let text = std::fs::read_to_string(folder.join(format!("{topic}.yaml"))).unwrap();
        let table: Self = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{topic}: {error}"));
        let mut names = HashSet::new();
        for case in &table.cases {
            assert!(names.insert(&case.name), "{topic}: two cases are called `{}`", case.name);
            table.expected(case);
        }
        table
    }

    /// The configuration of a case, as YAML.
    pub(super) fn configuration(&self, case: &Case) -> String {
        match self.configurations.get(&case.configuration) {
            Some(yaml) => yaml.clone(),
            None if case.configuration == PROFILE => String::new(),
            None => panic!("{}: there is no configuration `{}`", case.name, case.configuration),
        }
    }

    /// What a case expects.
    pub(super) fn expected<'a>(&'a self, case: &'a Case) -> Expected<'a> {
        match (&case.allow, &case.deny) {
            (Some(AllowOrName::Allow(allow)), None) => Expected::Allow(allow),
            (Some(AllowOrName::Name(name)), None) => {
                let named = self.answers.get(name);
                Expected::Allow(named.unwrap_or_else(|| panic!("{}: there is no answer `{name}`", case.name)))
            }
            (None, Some(deny)) => Expected::Deny(deny),
            (None, None) | (Some(_), Some(_)) => panic!("{}: expects neither or both of allow and deny", case.name),
        }
    }

    /// The reasons that cases name.
    pub(super) fn reasons(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().filter_map(|case| case.deny.as_ref()).map(|deny| deny.reason.as_str())
    }
}

impl Case {
    /// The encodings of headers in which the case makes sense.
    pub(super) fn encodings(&self) -> Vec<Encoding> {
        match self.only {
            None => Encoding::ALL.into(),
            Some(Only::Joined) => vec![Encoding::Joined],
            Some(Only::Raw) => vec![Encoding::Raw],
        }
    }
}

fn same_body(expected: &str, found: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    expected == found || json(expected).is_some_and(|expected| json(found) == Some(expected))
}

/// Holds an answer, and the reason that was counted for it (none when it was let through), against what is expected. An answer that
/// allows has to set or remove each of `own` headers, so that tables say of these only which are set.
pub(super) fn compare(
    expected: Expected<'_>,
    answer: &Answer,
    counted: &str,
    token: &str,
    own: &BTreeSet<String>,
) -> Result<(), String> {
    let same = match (expected, answer) {
        (Expected::Allow(allow), Answer::Allow { set: found_set, remove: found_remove, remove_query: found_query }) => {
            let Allow { set, remove, remove_query } = allow;
            let value = |text: &String| String::from_utf8(text::bytes(text, token)).unwrap();
            let set: BTreeMap<String, String> = set.iter().map(|(name, text)| (name.clone(), value(text))).collect();
            if let Some(name) = own.iter().find(|name| !found_set.contains_key(*name) && !found_remove.contains(*name))
            {
                return Err(format!("`{name}` is neither set nor removed: {answer:?}"));
            }
            let others = |names: &BTreeSet<String>| names.difference(own).cloned().collect::<BTreeSet<_>>();
            counted.is_empty()
                && set == *found_set
                && others(remove) == others(found_remove)
                && remove_query == found_query
        }
        (Expected::Deny(deny), Answer::Deny { status, body, challenge, headers }) => {
            let Deny { status: expected_status, reason, body: expected_body, www_authenticate, headers: others } = deny;
            counted == reason
                && status == expected_status
                && headers == others
                && expected_body.as_ref().is_none_or(|expected| same_body(expected, body))
                && www_authenticate.as_ref().is_none_or(|expected| Some(expected) == challenge.as_ref())
        }
        (Expected::Allow(_), Answer::Deny { .. }) | (Expected::Deny(_), Answer::Allow { .. }) => false,
    };
    if same { Ok(()) } else { Err(format!("reason `{counted}`, {answer:?}\n    expected {expected:?}")) }
}
