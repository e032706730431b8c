//! A value of Envoy's configuration with its path. Fields have two spellings in `ProtoJSON`, `snake_case` and `lowerCamelCase`.

use super::code::Code;
use super::fields::Fields;
use super::finding::{Finding, Findings};
use crate::diagnostic::Quoted;
use crate::yaml::{Element, Member, Node, Value, is_format_char};
use std::rc::Rc;
use std::time::Duration;

/// A value, its path from the root of its document, and the names of the parts that it is in.
#[derive(Clone)]
pub(super) struct At<'n> {
    node: &'n Node,
    path: String,
    /// The type that a `TypedStruct` names: the node is its `value`.
    inner: Option<&'n str>,
    scope: Rc<str>,
    findings: &'n Findings,
}

impl<'n> At<'n> {
    /// Creates the root of a document.
    pub(super) fn root(node: &'n Node, findings: &'n Findings) -> Self {
        Self { node, path: String::new(), inner: None, scope: "".into(), findings }.unwrapped()
    }

    /// Returns the settings in a `TypedStruct`, which Envoy takes for the type that it names; any other value as it is.
    fn unwrapped(self) -> Self {
        const STRUCTS: [&str; 3] =
            ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct", "cncf.xds.type.v3.TypedStruct"];
        if !self.message().is_some_and(|message| STRUCTS.contains(&message)) {
            return self;
        }
        let url = self.text("type_url").or_else(|| self.text("typeUrl"));
        match (url, self.field("value")) {
            (Some(url), Some(value)) => Self { inner: Some(without_host(url)), ..value },
            (Some(_) | None, _) => self,
        }
    }

    /// Adds the name of a part to those that findings mention.
    pub(super) fn within(mut self, part: &str, name: Option<&str>) -> Self {
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let separator = if self.scope.is_empty() { "" } else { ", " };
            self.scope = format!("{}{separator}{part} {}", self.scope, Quoted::new(name)).into();
        }
        self
    }

    /// Returns a field; `None` if it is missing or null. Of two spellings Envoy uses the last.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let camel = camel(name);
        let mut found = self.node.members().iter().filter(|member| member.key == name || member.key == camel);
        let first = found.next()?;
        let member = match found.next() {
            None => first,
            Some(second) => {
                self.below(second).report(Code::FieldTwice, format!("`{camel}` and `{name}` are one field"));
                second
            }
        };
        (!matches!(member.node.value, Value::Null)).then(|| self.below(member))
    }

    /// Returns a field below fields.
    pub(super) fn at(&self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self.clone(), |at, name| at.field(name))
    }

    fn below(&self, member: &'n Member) -> Self {
        let path = if is_word(&member.key) {
            if self.path.is_empty() { member.key.clone() } else { format!("{}.{}", self.path, member.key) }
        } else {
            format!("{}[{}]", self.path, quoted(&member.key))
        };
        Self { node: &member.node, path, inner: None, scope: Rc::clone(&self.scope), findings: self.findings }
            .unwrapped()
    }

    /// Returns the members of a map, with their keys.
    pub(super) fn entries(&self) -> Vec<(&'n str, Self)> {
        if !matches!(self.node.value, Value::Map(_)) {
            self.unreadable::<()>("a map");
        }
        self.node.members().iter().map(|member| (member.key.as_str(), self.below(member))).collect()
    }

    /// Returns the elements of a list field; none if it is missing.
    pub(super) fn items(&self, name: &str) -> Vec<Self> {
        self.field(name).map_or_else(Vec::new, |list| list.elements())
    }

    /// Returns the elements of a list.
    pub(super) fn elements(&self) -> Vec<Self> {
        let Value::List(elements) = &self.node.value else {
            self.unreadable::<()>("a list");
            return Vec::new();
        };
        let element = |Element { index, node }: &'n Element| {
            let path = format!("{}[{index}]", self.path);
            Self { node, path, inner: None, scope: Rc::clone(&self.scope), findings: self.findings }.unwrapped()
        };
        elements.iter().map(element).collect()
    }

    /// Adds a cluster through which a filter calls modgud.
    pub(super) fn report_cluster(&self, name: &str) {
        self.findings.add_cluster(name);
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns true for a map.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Returns a field that is true or false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let field = self.field(name)?;
        let Value::Bool(flag) = &field.node.value else { return field.unreadable("`true` or `false`") };
        Some(*flag)
    }

    /// Returns true if the field is there and true.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }

    /// Returns a field that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&'n str> {
        let field = self.field(name)?;
        field.as_text().or_else(|| field.unreadable("a text"))
    }

    /// Returns the text; `None` for any other value.
    pub(super) fn as_text(&self) -> Option<&'n str> {
        self.node.text()
    }

    /// Returns a field that is a whole number. `ProtoJSON` also has them as texts.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name)?;
        field.as_number().or_else(|| field.unreadable("a whole number"))
    }

    /// Returns the whole number; `None` for any other value.
    pub(super) fn as_number(&self) -> Option<u64> {
        match &self.node.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns a field that is a duration, such as `0.25s`.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        let field = self.field(name)?;
        let seconds = field.as_text().and_then(|text| text.strip_suffix('s')?.parse::<f64>().ok());
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.or_else(|| field.unreadable("a duration such as `0.25s`"))
    }

    /// Returns a field that is one of these names, or its number, as an index.
    pub(super) fn choice(&self, name: &str, names: &[&str]) -> Option<usize> {
        let field = self.field(name)?;
        let index = match &field.node.value {
            Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
            Value::Text(text) => names.iter().position(|name| name == text),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        };
        index.filter(|index| *index < names.len()).or_else(|| field.unreadable("a name of this enumeration"))
    }

    /// Returns the name of the message's type, without the host of its URL.
    pub(super) fn message(&self) -> Option<&'n str> {
        self.inner.or_else(|| self.node.member("@type")?.node.text().map(without_host))
    }

    /// Reports each field that the checks neither examine nor take for harmless.
    pub(super) fn only_fields(&self, Fields { harmless, examined, unclear }: &Fields) {
        for name in *unclear {
            if let Some(field) = self.field(name) {
                field.report(Code::RouteUnclear, format!("the checks do not examine `{name}`"));
            }
        }
        self.only(&[*harmless, *examined, *unclear].concat());
    }

    /// Reports each field that is not one of these.
    pub(super) fn only(&self, known: &[&str]) {
        for member in self.node.members() {
            if member.key != "@type" && !known.contains(&snake(&member.key).as_str()) {
                let found = format!("{} is no known field", Quoted::new(&member.key));
                self.below(member).report(Code::UnknownField, found);
            }
        }
    }

    /// Adds a finding about this value.
    pub(super) fn report(&self, code: Code, found: impl Into<String>) {
        let Self { node, path, inner: _, scope, findings } = self;
        let (location, path, scope) = (node.place.clone(), path.clone(), scope.to_string());
        findings.add(Finding { code, location, path, scope, found: found.into() });
    }

    /// Adds a finding about a field, which may be missing.
    pub(super) fn report_field(&self, name: &str, code: Code, found: impl Into<String>) {
        let separator = if self.path.is_empty() { "" } else { "." };
        let missing = || Self { path: format!("{}{separator}{name}", self.path), ..self.clone() };
        self.field(name).unwrap_or_else(missing).report(code, found);
    }

    fn unreadable<T>(&self, expected: &str) -> Option<T> {
        self.report(Code::Unreadable, format!("it is not {expected}"));
        None
    }
}

/// Returns the name of a type without the host of its URL.
fn without_host(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns a key in quotes, with escapes for characters that affect a terminal.
fn quoted(key: &str) -> String {
    let text = serde_json::Value::from(key).to_string();
    let escape = |letter: char| {
        if is_format_char(letter) { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() }
    };
    text.chars().map(escape).collect()
}

/// Returns the other spelling of a field's name.
fn camel(name: &str) -> String {
    let mut upper = false;
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            text.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    text
}

fn snake(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
