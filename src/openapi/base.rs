//! Base paths of an API: `basePath` in 2.0, the paths of `servers` in 3.x.

use super::finding::Finding;
use super::resolver::{Form, NodeRef, RefResolver};
use crate::diagnostic::Quoted;
use crate::yaml::Value;
use std::collections::HashSet;

/// Maximum number of bases of one operation, since each multiplies its patterns. More are an error.
const MAX_BASES: usize = 16;

/// Maximum length of a URL with its variables filled in; it bounds memory. A longer one is an error.
const MAX_URL_BYTES: usize = 4096;

/// Maximum number of URLs in total, because many paths can refer to one that has many servers. More are an error.
const MAX_URLS: usize = 1_000_000;

/// Maximum number of variable combinations of one URL, because many can yield the same path. More are an error.
const MAX_FILLED: usize = 1024;

/// Returns the base of a 2.0 document, `""` if there is none.
pub(super) fn of_swagger(resolver: &mut RefResolver<'_>) -> Vec<String> {
    let Some(base) = resolver.root.member("basePath") else { return vec![String::new()] };
    resolver.check_form(&base, Form::Text);
    let written = base.node.text().unwrap_or_default();
    let path = trimmed(written);
    note_relative(resolver, &base, written, &path);
    vec![path]
}

/// Reports a base such as `v1`: its meaning depends on the address of the description, which a rule does not know.
fn note_relative(resolver: &mut RefResolver<'_>, at: &NodeRef<'_>, written: &str, base: &str) {
    let is_relative = !written.starts_with('/') && !written.split('/').next().is_some_and(|first| first.contains(':'));
    if is_relative && !base.is_empty() {
        resolver.add(at, Finding::RelativeServer { found: Quoted::new(written), base: Quoted::new(base) });
    }
}

/// Returns the bases from the servers of a document, path or operation; `None` if it names no server.
pub(super) fn of_servers<'d>(resolver: &mut RefResolver<'d>, of: &NodeRef<'d>) -> Option<Vec<String>> {
    let servers = of.member("servers").filter(|_| resolver.urls <= MAX_URLS)?;
    resolver.check_form(&servers, Form::List);
    let mut bases = Vec::new();
    for server in servers.elements() {
        let Some(url) = server.member("url") else {
            resolver.add(&server, Finding::Form("a map with a `url`"));
            continue;
        };
        resolver.check_form(&url, Form::Text);
        let urls = filled(resolver, &server, &url);
        let long = url.node.text().map_or(0, |text| text.len().div_euclid(MAX_URL_BYTES));
        resolver.urls = resolver.urls.saturating_add(urls.len()).saturating_add(long);
        if resolver.urls > MAX_URLS {
            resolver.add(
                &servers,
                Finding::Form(
                    "shorter: a description has at most a million server URLs, counted once for each reference",
                ),
            );
            break;
        }
        for filled in urls {
            match path_of(&filled) {
                Some(base) => {
                    note_relative(resolver, &url, &filled, &base);
                    if !bases.contains(&base) {
                        bases.push(base);
                    }
                }
                None => resolver.add(&url, Finding::Form("a URL with a host, or a path")),
            }
        }
        if bases.len() > MAX_BASES {
            resolver.add(&servers, Finding::Form("servers with at most 16 different paths"));
            break;
        }
    }
    // Without servers, the default is `/`.
    if bases.is_empty() { None } else { Some(bases) }
}

/// Returns the URL with every combination of its variables' values.
fn filled<'d>(resolver: &mut RefResolver<'d>, server: &NodeRef<'d>, url: &NodeRef<'d>) -> Vec<String> {
    let text = url.node.text().unwrap_or_default();
    let mut urls = vec![text.to_owned()];
    let mut known = HashSet::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        rest = after;
        if !known.insert(name) {
            continue;
        }
        let values = values(resolver, server, url, name);
        if urls.len().saturating_mul(values.len()) > MAX_FILLED {
            resolver.add(url, Finding::Form("a URL with at most 1024 combinations of its variables' values"));
            return Vec::new();
        }
        let written = format!("{{{name}}}");
        let with = |url: &String, value: &String| {
            let occurrences = url.matches(&written).count();
            let length = occurrences.saturating_mul(value.len()).saturating_add(url.len());
            (length <= MAX_URL_BYTES).then(|| url.replace(&written, value))
        };
        let with = &with;
        let more = urls.iter().flat_map(|url| values.iter().map(move |value| with(url, value)));
        let Some(more) = more.collect() else {
            resolver.add(url, Finding::Form("a URL of at most 4096 bytes with its variables' values"));
            return Vec::new();
        };
        urls = more;
    }
    urls
}

/// Returns the values of a variable: its default, and those of its `enum`.
fn values<'d>(resolver: &mut RefResolver<'d>, server: &NodeRef<'d>, url: &NodeRef<'d>, name: &str) -> Vec<String> {
    let variable = server.member("variables").and_then(|variables| variables.member(name));
    let Some(default) = variable.as_ref().and_then(|variable| variable.member("default")) else {
        resolver.add(url, Finding::Variable(Quoted::new(name)));
        return vec![String::new()];
    };
    let listed = variable.and_then(|variable| variable.member("enum"));
    if let Some(listed) = &listed {
        resolver.check_form(listed, Form::List);
    }
    let mut values = Vec::new();
    for one in std::iter::once(default).chain(listed.iter().flat_map(NodeRef::elements)) {
        let value = match &one.node.value {
            Value::Text(text) => text.clone(),
            // An unquoted port or version.
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                resolver.add(&one, Finding::Form("a text"));
                continue;
            }
        };
        // A value is not expanded again.
        if value.contains(['{', '}']) {
            resolver.add(&one, Finding::Form("a text without braces"));
        } else if !values.contains(&value) {
            values.push(value);
        }
        // The caller reports it for the URL.
        if values.len() > MAX_FILLED {
            break;
        }
    }
    values
}

/// Returns the path of a URL, which may be relative; `None` if parsers disagree on the URL.
fn path_of(url: &str) -> Option<String> {
    if url.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
        return None;
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // The part before the first slash is a scheme if it has a colon.
    let scheme = url.split('/').next().filter(|first| first.contains(':'));
    let host = match scheme {
        Some(scheme) => Some(url.strip_prefix(scheme)?.strip_prefix("//")?),
        None => url.strip_prefix("//"),
    };
    let path = match host.map(|host| host.split_once('/').unwrap_or((host, ""))) {
        Some(("", _)) => return None,
        Some((_, path)) => path,
        None => url.strip_prefix("./").unwrap_or(url),
    };
    Some(trimmed(path))
}

/// Normalizes a base: a leading slash and no trailing one, or an empty text.
fn trimmed(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.strip_prefix('/').unwrap_or(path) {
        "" | "." => String::new(),
        path => format!("/{path}"),
    }
}
