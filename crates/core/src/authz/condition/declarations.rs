//! The declarations for expressions: variables, their fields, functions, and size limits.

use super::networks;
use crate::authz::pattern::PathPattern;
use std::fmt::Write;
use std::ops::RangeInclusive;

/// The maximum size of an expression, in bytes. A longer one is rejected, because the parser's stack grows with it.
pub(super) const MAX_BYTES: usize = 4_096;
/// The maximum nesting depth of an expression; `a.b` has two levels. It bounds the stack of an evaluation, which is 40 KiB per
/// level without optimization. A deeper expression is rejected.
pub(super) const MAX_DEPTH: usize = 24;
/// The maximum nesting depth of loops. It bounds the time of an evaluation; deeper loops are rejected.
pub(super) const MAX_LOOPS: usize = 2;
/// The maximum number of elements that all loops of one evaluation visit together. Beyond it the evaluation fails.
pub(super) const MAX_STEPS: usize = 1_000;

/// The maximum factor by which successive loops can enlarge a list. It bounds the memory of an evaluation; an expression beyond it
/// is rejected.
pub(super) const MAX_GROWTH: usize = 64;

/// The environment of an expression, which determines the available names.
#[derive(Debug, Clone, Copy)]
pub enum Env<'p> {
    /// A rule's condition.
    Rule {
        /// The presence of a caller.
        callers: CallerPresence,
        /// The patterns of the rule. A path parameter must be in each of them. Empty without parameters.
        patterns: &'p [PathPattern],
    },
    /// A value for modules or Envoy, after any rule. It can use the rule's name, but neither path parameters nor data that a client
    /// controls: headers and the query.
    Value,
}

/// The presence of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerPresence {
    /// A caller is required or optional.
    Possible,
    /// The caller is not authenticated: `claims` and `principal` hold no data.
    Never,
}

/// A variable of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Request,
    Path,
    Query,
    Claims,
    Principal,
    Context,
    Source,
    Now,
    Rule,
}

impl Variable {
    /// The variables of a rule's condition.
    pub(super) const OF_RULES: [Self; 8] =
        [Self::Request, Self::Path, Self::Query, Self::Claims, Self::Principal, Self::Context, Self::Source, Self::Now];
    /// The variables of values for modules and Envoy.
    pub(super) const OF_VALUES: [Self; 7] =
        [Self::Request, Self::Claims, Self::Principal, Self::Context, Self::Source, Self::Now, Self::Rule];

    /// Returns the variable of a name, in any environment; `None` if there is none.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::OF_RULES.into_iter().chain([Self::Rule]).find(|variable| variable.name() == name)
    }

    /// Returns true if its value depends on the caller.
    pub(super) const fn is_of_callers(self) -> bool {
        match self {
            Self::Claims | Self::Principal => true,
            Self::Request | Self::Path | Self::Query | Self::Context | Self::Source | Self::Now | Self::Rule => false,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Path => "path",
            Self::Query => "query",
            Self::Claims => "claims",
            Self::Principal => "principal",
            Self::Context => "context",
            Self::Source => "source",
            Self::Now => "now",
            Self::Rule => "rule",
        }
    }

    /// Lists the names of these variables for a sentence.
    pub(super) fn names(these: &[Self]) -> String {
        listed(these.iter().map(|variable| variable.name()))
    }
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    /// A text, a number or a time.
    Scalar,
    /// A list of texts.
    List,
    /// The headers.
    Headers,
}

/// The fields of `request`.
pub(super) const REQUEST: [(&str, FieldType); 7] = [
    ("method", FieldType::Scalar),
    ("scheme", FieldType::Scalar),
    ("host", FieldType::Scalar),
    ("port", FieldType::Scalar),
    ("path", FieldType::Scalar),
    ("size", FieldType::Scalar),
    ("headers", FieldType::Headers),
];

/// The fields of `source`.
pub(super) const SOURCE: [(&str, FieldType); 1] = [("address", FieldType::Scalar)];

/// The fields of `principal`.
pub(super) const PRINCIPAL: [(&str, FieldType); 6] = [
    ("subject", FieldType::Scalar),
    ("organization", FieldType::Scalar),
    ("roles", FieldType::List),
    ("permissions", FieldType::List),
    ("scopes", FieldType::List),
    ("authenticator", FieldType::Scalar),
];

/// The names of types, as in `type(claims.x) == list`.
pub(super) const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// A function and its calling conventions.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The number of arguments as `f(x)`; `None` if it can't be called so.
    pub(super) alone: Option<RangeInclusive<usize>>,
    /// The number of arguments as `x.f()`; `None` if it can't be called so.
    pub(super) member: Option<RangeInclusive<usize>>,
    /// The calling conventions for people.
    pub(super) form: &'static str,
}

const fn alone(name: &'static str, form: &'static str) -> Function {
    Function { name, alone: Some(1..=1), member: None, form }
}

const fn of_text(name: &'static str, form: &'static str) -> Function {
    Function { name, alone: None, member: Some(1..=1), form }
}

const fn of_time(name: &'static str) -> Function {
    let form = "it as a member of a time or a duration, such as `now.getHours()` or `now.getHours('Europe/Berlin')`";
    Function { name, alone: None, member: Some(0..=1), form }
}

/// Creates the entry of a CEL macro. The parser expands correct macro calls, so only wrong ones are left when names are checked.
const fn of_list(name: &'static str, form: &'static str) -> Function {
    Function { name, alone: None, member: None, form }
}

/// The functions.
pub(super) static FUNCTIONS: [Function; 30] = [
    Function { name: "size", alone: Some(1..=1), member: Some(0..=0), form: "`size(x)` or `x.size()`" },
    of_text("contains", "`text.contains('part')`"),
    of_text("startsWith", "`text.startsWith('part')`"),
    of_text("endsWith", "`text.endsWith('part')`"),
    alone("int", "`int(x)`"),
    alone("uint", "`uint(x)`"),
    alone("double", "`double(x)`"),
    alone("string", "`string(x)`"),
    alone("bool", "`bool(x)`"),
    alone("bytes", "`bytes(x)`"),
    alone("type", "`type(x)`"),
    alone("dyn", "`dyn(x)`"),
    alone("timestamp", "`timestamp('2030-01-31T12:00:00Z')`, or `timestamp(seconds)`"),
    alone("duration", "`duration('90s')`"),
    of_time("getFullYear"),
    of_time("getMonth"),
    of_time("getDayOfYear"),
    of_time("getDayOfMonth"),
    of_time("getDate"),
    of_time("getDayOfWeek"),
    of_time("getHours"),
    of_time("getMinutes"),
    of_time("getSeconds"),
    of_time("getMilliseconds"),
    of_list("has", "`has(x.name)`"),
    of_list("all", "`list.all(x, condition on x)`"),
    of_list("exists", "`list.exists(x, condition on x)`"),
    of_list("exists_one", "`list.exists_one(x, condition on x)`"),
    of_list("map", "`list.map(x, value)` or `list.map(x, condition on x, value)`"),
    of_list("filter", "`list.filter(x, condition on x)`"),
];

/// Returns the function of a name; `None` if there is none.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().chain(&networks::FUNCTIONS).find(|function| function.name == name)
}

/// Lists all functions for a sentence.
pub(super) fn functions() -> String {
    listed(FUNCTIONS.iter().chain(&networks::FUNCTIONS).map(|function| function.name))
}

/// Lists names as `` `a`, `b`, `c` ``.
pub(super) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.enumerate().fold(String::new(), |mut text, (number, name)| {
        let separator = if number == 0 { "" } else { ", " };
        let written = write!(text, "{separator}`{name}`");
        debug_assert!(written.is_ok(), "a text takes any text");
        text
    })
}
