//! The rules for what modgud may change (`decoder_header_mutation_rules`). Without rules Envoy does what modgud asks for.

use super::Context;
use super::code::Code;
use super::early::EarlyRemoval;
use super::matcher::expression;
use super::view::At;
use regex::Regex;

/// Headers of routing, which Envoy's rules forbid by default.
const ROUTING: [&str; 4] = ["host", ":authority", ":scheme", ":method"];

/// An expression of the rules.
enum Expression {
    Absent,
    Usable(Regex),
    Unclear,
}

impl Expression {
    fn of(rules: &At<'_>, name: &str) -> Self {
        let Some(regex) = rules.at(&[name, "regex"]) else { return Self::Absent };
        let usable = regex.as_text().and_then(expression);
        if usable.is_none() {
            regex.report(Code::Unreadable, "this expression can't be evaluated");
        }
        usable.map_or(Self::Unclear, Self::Usable)
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Absent | Self::Unclear => false,
            Self::Usable(regex) => regex.is_match(name),
        }
    }
}

/// Checks the rules. Returns true if a client's header stays although modgud removes it.
pub(super) fn check(context: &Context<'_, '_>, filter: &At<'_>, early: &EarlyRemoval) -> bool {
    let Some(rules) = filter.field("decoder_header_mutation_rules") else { return false };
    rules.only(&[
        "allow_all_routing",
        "allow_envoy",
        "disallow_system",
        "disallow_all",
        "allow_expression",
        "disallow_expression",
        "disallow_is_error",
    ]);
    let (allow, disallow) = (Expression::of(&rules, "allow_expression"), Expression::of(&rules, "disallow_expression"));
    if matches!((&allow, &disallow), (Expression::Unclear, _) | (_, Expression::Unclear)) {
        return false;
    }
    let (none, envoy, routing) =
        (rules.is_true("disallow_all"), rules.is_true("allow_envoy"), rules.is_true("allow_all_routing"));
    let admits = |name: &str| {
        if disallow.matches(name) || allow.matches(name) {
            return !disallow.matches(name);
        }
        !none && (envoy || !name.starts_with("x-envoy-")) && (routing || !ROUTING.contains(&name))
    };
    let written = context.names.written.iter().map(String::as_str).chain(["authorization"]);
    let refused: Vec<&str> = written.filter(|name| !admits(name)).collect();
    let Some(first) = refused.first() else { return false };
    if rules.is_true("disallow_is_error") {
        rules.report(Code::MutationsRefused, format!("they forbid changes of `{first}`"));
        return false;
    }
    match refused.iter().find(|name| **name != "authorization" && !early.removes(name)) {
        Some(name) => rules.report(Code::MutationsSkipped, format!("they forbid changes of `{name}`")),
        None => rules.report(Code::MutationsLost, format!("they forbid changes of `{first}`")),
    }
    refused.iter().any(|name| !early.removes(name))
}
