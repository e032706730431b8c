//! Rules as YAML to review and paste. A comment before each rule names what needs review.

use super::draft::{self, Draft};
use super::finding::{Finding, Severity, Unreadable};
use super::mount::Mount;
use super::overlap::{Resolved, resolve_overlaps};
use super::path_set::PrefixInterpretation;
use super::read::Api;
use super::requirement::{AccessRequirement, Entitlement, Entitlements};
use super::template::MatchPrecision;
use crate::diagnostic::Located;
use crate::yaml;
use crate::yaml::is_format_char;
use modgud_core::authz::Case;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Generated rules and their warnings.
#[derive(Debug)]
pub struct Rules {
    /// YAML that loads as a configuration.
    pub text: String,
    /// The warnings, in document order.
    pub warnings: Vec<Located<Finding>>,
}

/// Generates rules for a module with this name and mount.
///
/// # Errors
/// [`Unreadable::Findings`] if the description has errors: without its rule, an operation would fall under a less
/// specific one.
pub fn rules(api: &Api, origin: &str, module: &str, mount: &Mount) -> Result<Rules, Unreadable> {
    let drafts = draft::drafts(api, module, mount).and_then(resolve_overlaps);
    let blocked = api.found.iter().any(|found| found.what().blocks_rules());
    let mut errors: Vec<Located<Finding>> =
        api.found.iter().filter(|found| found.what().severity() == Severity::Error).cloned().collect();
    let Resolved { rules: drafts, mut warnings } = match drafts {
        Ok(drafts) if !blocked => drafts,
        Ok(_) => return Err(Unreadable::Findings(errors)),
        Err(more) => {
            errors.extend(more);
            errors.sort_by(|one, other| one.order().cmp(&other.order()));
            return Err(Unreadable::Findings(errors));
        }
    };
    warnings.extend(api.found.iter().cloned());
    warnings.sort_by(|one, other| one.order().cmp(&other.order()));
    let mut text = head(api, origin, module, mount);
    if mount.reading.case == Case::Fold {
        text.push_str("# The module ignores letter case: load these rules together with its entry (`case: fold`).\n");
    }
    if drafts.is_empty() {
        text.push_str("rules: []\n");
        return Ok(Rules { text, warnings });
    }
    text.push_str("rules:\n");
    for draft in &drafts {
        rule(draft, &mut text);
    }
    Ok(Rules { text, warnings })
}

fn head(api: &Api, origin: &str, module: &str, Mount { prefix, .. }: &Mount) -> String {
    let (origin, operations) = (comment(origin), api.operations());
    let noun = if operations == 1 { "operation" } else { "operations" };
    format!(
        "# Rules for the module `{module}` at `{prefix}`, made from {origin} ({}, {operations} {noun}). Review them:
# look for OPEN first. All other requests to the module fall under its own rule, which requires a valid credential only;
# to deny them, add {{ name: {module}, match: {{ paths: [\"{}\"] }}, access: denied }}.
# A list of rules replaces that of the profile: repeat those of its rules that you want to keep (`modgud config` prints them).
# Security schemes are not distinguished: add `authenticators: [NAME]` under `require` where the issuer matters.
",
        api.version,
        prefix.pattern(),
    )
}

fn rule(draft: &Draft, text: &mut String) {
    let Draft { name, method, patterns, access, rationale, reach, reading, made_from, related, here: _, template: _ } =
        draft;
    // Writing to a string does not fail.
    let _ = writeln!(text, "  # {}", comment(&made_from.join(", ")));
    if *reach == MatchPrecision::Wider {
        text.push_str("  # - matches more: a rule can't match a part of a segment\n");
    }
    text.push_str(match reading {
        PrefixInterpretation::Unprefixed => "",
        PrefixInterpretation::External | PrefixInterpretation::Internal | PrefixInterpretation::Mixed => {
            "  # - the path begins with the module's prefix: this covers the path with that prefix and below it\n"
        }
        PrefixInterpretation::Assumed => {
            "  # - the path is without the module's prefix, which the module receives: this covers the path below it\n"
        }
    });
    if !related.is_empty() {
        let others = comment(&related.join(", "));
        let _ = writeln!(
            text,
            "  # - AMBIGUOUS: some of these requests also match other operations, and the module's choice is unknown: {others}"
        );
    }
    for rationale in rationale {
        let _ = writeln!(text, "  # - {}", rationale.text());
    }
    if patterns.is_empty() {
        text.push_str("  # - omitted: rules for more specific paths decide all of its requests\n");
        return;
    }
    let patterns: Vec<String> = patterns.iter().map(|pattern| yaml::quoted(pattern)).collect();
    let (name, method, patterns) = (yaml::scalar(name), yaml::scalar(method), patterns.join(", "));
    let _ = writeln!(text, "  - name: {name}\n    match: {{ methods: [{method}], paths: [{patterns}] }}");
    match access {
        AccessRequirement::Public => text.push_str("    access: public\n"),
        AccessRequirement::Optional => text.push_str("    access: optional\n"),
        AccessRequirement::Denied => text.push_str("    access: denied\n"),
        AccessRequirement::Caller(Entitlements { all, any }) => {
            let mut parts = lists(all);
            if !any.is_empty() {
                parts.push(format!("any: {{ {} }}", lists(any).join(", ")));
            }
            if !parts.is_empty() {
                let _ = writeln!(text, "    require: {{ {} }}", parts.join(", "));
            }
        }
    }
}

/// Formats `scopes: […]` and `roles: […]`, each only if it has entries.
fn lists(entitlements: &BTreeSet<Entitlement>) -> Vec<String> {
    let (mut scopes, mut roles) = (Vec::new(), Vec::new());
    for entitlement in entitlements {
        match entitlement {
            Entitlement::Scope(name) => scopes.push(yaml::quoted(name)),
            Entitlement::Role(name) => roles.push(yaml::quoted(name)),
        }
    }
    let list = |key: &str, names: &[String]| (!names.is_empty()).then(|| format!("{key}: [{}]", names.join(", ")));
    [list("scopes", &scopes), list("roles", &roles)].into_iter().flatten().collect()
}

/// Makes a text safe for a comment: without any kind of line end, and without invisible characters.
fn comment(text: &str) -> String {
    const MAX_COMMENT_CHARS: usize = 400;
    let shown = |character: char| match character {
        other if other.is_control() || is_format_char(other) => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    let cut: String = text.chars().take(MAX_COMMENT_CHARS).map(shown).collect();
    if text.chars().nth(MAX_COMMENT_CHARS).is_some() { format!("{cut}…") } else { cut }
}
