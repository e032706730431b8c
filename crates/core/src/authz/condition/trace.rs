//! The values that an expression reads, for `explain` only.

use super::declarations::Variable;
use super::references::{Names, References};
use serde_json::{Map, Value};
use std::fmt::Write;

/// The maximum length of a displayed value, in characters. The rest is cut off.
const SHOWN: usize = 80;

/// Headers whose values are credentials.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "dpop"];

/// Lists each name that is read, with its value.
pub(super) fn shown(reads: &References, value: impl Fn(Variable) -> Option<Value>) -> Vec<String> {
    let References { request, headers, path, query, claims, principal, context, now, rule, never_a_bool: _ } = reads;
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
    if headers.is_something() {
        let mut request = value(Variable::Request);
        let mut found = request.as_mut().and_then(|request| request.get_mut("headers")).map(Value::take);
        for name in SECRET {
            if let Some(value) = found.as_mut().and_then(|headers| headers.get_mut(name)) {
                *value = "(not shown)".into();
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
    let Some(value) = value else { return format!("{path} is not there") };
    let mut text = format!("{path} = ");
    let value = value.to_string();
    text.extend(value.chars().take(SHOWN));
    if value.chars().nth(SHOWN).is_some() {
        let written = text.write_char('…');
        debug_assert!(written.is_ok(), "a text takes any text");
    }
    text
}
