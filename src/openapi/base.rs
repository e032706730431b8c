//! Where an API's paths begin: `basePath` of 2.0, the paths of `servers` of 3.x.

use super::finding::Finding;
use super::walk::{At, Form, Walk};
use crate::config::Quoted;

/// The most bases that one operation has rules for.
const MOST_BASES: usize = 16;

/// The base of a document of version 2.0. `""` when there is none.
pub(super) fn of_swagger(walk: &mut Walk<'_>) -> Vec<String> {
    let Some(base) = walk.root.member("basePath") else { return vec![String::new()] };
    walk.expect(&base, Form::Text);
    vec![trimmed(base.node.text().unwrap_or_default())]
}

/// The bases that the servers of something (the document, a path, an operation) say; `None` when it names no server.
pub(super) fn of_servers<'d>(walk: &mut Walk<'d>, of: &At<'d>) -> Option<Vec<String>> {
    let servers = of.member("servers")?;
    walk.expect(&servers, Form::List);
    let mut bases = Vec::new();
    for server in servers.elements() {
        let Some(url) = server.member("url") else {
            walk.add(&server, Finding::Form("a map with a `url`"));
            continue;
        };
        walk.expect(&url, Form::Text);
        let base = path_of(&filled(walk, &server, &url));
        if !bases.contains(&base) {
            if bases.len() >= MOST_BASES {
                walk.add(&servers, Finding::Form("servers with at most 16 different paths"));
                break;
            }
            bases.push(base);
        }
    }
    // No server is the server `/`.
    if bases.is_empty() { None } else { Some(bases) }
}

/// The URL with the defaults of its variables.
fn filled<'d>(walk: &mut Walk<'d>, server: &At<'d>, url: &At<'d>) -> String {
    let mut filled = String::new();
    let mut rest = url.node.text().unwrap_or_default();
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            continue;
        };
        let variable = server.member("variables").and_then(|variables| variables.member(name));
        let default = variable.and_then(|variable| variable.member("default"));
        match default.as_ref().and_then(|default| default.node.text()) {
            Some(value) => filled.push_str(value),
            None => walk.add(url, Finding::Variable(Quoted::new(name))),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The path of a URL, which may be a relative one.
fn path_of(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => match url.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => url.strip_prefix("./").unwrap_or(url),
        },
    };
    trimmed(path)
}

/// A slash before it and none behind it, or nothing at all.
fn trimmed(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.strip_prefix('/').unwrap_or(path) {
        "" | "." => String::new(),
        path => format!("/{path}"),
    }
}
