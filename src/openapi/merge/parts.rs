//! Small parts of the merged document: security requirements, titles and the tags of modules.

use super::ModuleApi;
use super::security::Optional;
use super::tree::{Object, list, of_json, text};
use crate::yaml::{Location, Node, Value};
use serde_json::json;

/// Returns a security requirement: one of the schemes, or none.
pub(super) fn requirement(here: &Location, schemes: &[&str], optional: Optional) -> Node {
    let mut alternatives: Vec<Node> = schemes.iter().map(|name| of_json(here, json!({ *name: [] }))).collect();
    if optional == Optional::Yes {
        alternatives.push(Object::new(here).done());
    }
    list(here, alternatives)
}

/// Returns the title and version of a description.
pub(super) fn title(root: &Node) -> String {
    let info = root.member("info").map(|entry| &entry.node);
    let of = |key: &str| info.and_then(|info| info.member(key)).map(|entry| shown(&entry.node)).unwrap_or_default();
    one_line(&format!("{} {}", of("title"), of("version")))
}

/// Returns the words of a text on one line, without Markdown and HTML: the whole document's description is not the modules' to shape.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            match character {
                '<' => line.push_str("&lt;"),
                '>' => line.push_str("&gt;"),
                '&' => line.push_str("&amp;"),
                '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '#' | '|' => line.extend(['\\', character]),
                other => line.push(other),
            }
        }
    }
    line
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Returns the tag of a module, with the description of its API.
pub(super) fn module_tag(module: &ModuleApi<'_>, here: &Location) -> Node {
    let root = &module.source.root;
    let description = root.member("info").and_then(|info| info.node.member("description"));
    let description = description.and_then(|entry| entry.node.text()).unwrap_or_default();
    let about = format!("{}\n\n{description}", title(root));
    let mut tag = Object::new(here);
    tag.text("name", module.name);
    tag.put("description", text(here, about.trim()));
    tag.done()
}
