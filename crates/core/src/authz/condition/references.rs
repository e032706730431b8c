//! The names that an expression reads, and their values for `explain`. The names are determined when it is compiled, so that an
//! evaluation prepares only these.

use super::declarations::Variable;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The names that an expression reads.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) request: Names,
    pub(super) headers: Names,
    pub(super) path: Names,
    pub(super) query: Names,
    pub(super) claims: Names,
    pub(super) principal: Names,
    pub(super) context: Names,
    pub(super) source: Names,
    /// The time; it has no members.
    pub(super) now: Names,
    /// The name of the deciding rule; it has no members.
    pub(super) rule: Names,
    /// A name for the result if it can't be true or false; `None` if it can be.
    pub(super) never_bool: Option<&'static str>,
}

/// The members of a variable that are read.
#[derive(Debug, Default)]
pub(super) enum Names {
    /// None: the variable is not used.
    #[default]
    Nothing,
    /// Only these members.
    These(BTreeSet<Box<str>>),
    /// Any member: the expression iterates over them, or the request determines the name.
    All,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        match self {
            Self::Nothing => *self = Self::These(BTreeSet::from([name.into()])),
            Self::These(names) => {
                names.insert(name.into());
            }
            Self::All => {}
        }
    }

    /// Returns true if the member of this name is read.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Returns true if the member of this name is read by its name.
    pub(super) fn names(&self, name: &str) -> bool {
        match self {
            Self::Nothing | Self::All => false,
            Self::These(names) => names.contains(name),
        }
    }

    /// Returns true if a member may be read that is not known.
    pub(super) fn reach_beyond(&self, is_known: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => !names.iter().all(|name| is_known(name)),
            Self::All => true,
        }
    }

    /// Returns the members that are read by name; none if any member may be read.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Nothing | Self::All => None,
            Self::These(names) => Some(names),
        };
        names.into_iter().flatten().map(|name| &**name)
    }

    /// Returns true if the variable is used.
    pub(super) const fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(_) | Self::All => true,
        }
    }
}

/// The maximum length of a displayed value, in characters. The rest is cut off.
const MAX_VALUE_CHARS: usize = 80;

/// Headers whose values are credentials.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "dpop"];

impl References {
    /// Lists each name that is read, with its value, for people.
    pub(super) fn values(&self, value: impl Fn(Variable) -> Option<Value>) -> Vec<String> {
        let Self { request, headers, path, query, claims, principal, context, source, now, rule, never_bool: _ } = self;
        let mut list = Vec::new();
        let mut add = |variable: Variable, names: &Names| {
            if names.is_something() {
                members(variable.name(), names, value(variable).as_ref(), &mut list);
            }
        };
        add(Variable::Request, request);
        add(Variable::Path, path);
        add(Variable::Query, query);
        add(Variable::Claims, claims);
        add(Variable::Principal, principal);
        add(Variable::Context, context);
        add(Variable::Source, source);
        if headers.is_something() {
            let mut request = value(Variable::Request);
            let mut found = request.as_mut().and_then(|request| request.get_mut("headers")).map(Value::take);
            for name in SECRET {
                if let Some(value) = found.as_mut().and_then(|headers| headers.get_mut(name)) {
                    *value = "(hidden)".into();
                }
            }
            members("request.headers", headers, found.as_ref(), &mut list);
        }
        if now.is_something() {
            list.push(line("now", value(Variable::Now).as_ref()));
        }
        if rule.is_something() {
            list.push(line("rule", value(Variable::Rule).as_ref()));
        }
        list
    }
}

fn members(of: &str, names: &Names, value: Option<&Value>, list: &mut Vec<String>) {
    match names {
        Names::Nothing => {}
        Names::These(names) => {
            for name in names {
                let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let path = if is_word { format!("{of}.{name}") } else { format!("{of}['{}']", name.escape_debug()) };
                list.push(line(&path, value.and_then(|value| value.get(&**name))));
            }
        }
        Names::All => {
            let members = value.and_then(Value::as_object).map_or(0, Map::len);
            list.push(format!("{of} with its {members} members"));
        }
    }
}

fn line(path: &str, value: Option<&Value>) -> String {
    let Some(value) = value else { return format!("{path} is missing") };
    let mut text = format!("{path} = ");
    let value = value.to_string();
    text.extend(value.chars().take(MAX_VALUE_CHARS));
    if value.chars().nth(MAX_VALUE_CHARS).is_some() {
        let written = text.write_char('…');
        debug_assert!(written.is_ok(), "a text takes any text");
    }
    text
}
