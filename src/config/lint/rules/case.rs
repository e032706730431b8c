//! Warnings about rules that fold case and open more than they seem to.
//!
//! They open every spelling of an open path, and every other spelling of what a more specific rule closes without folding case.

use super::parsed;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Document, Rule};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::{Access, Case, ModulePrefix, PathPattern, Segment};

pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    compared_in_capitals(document, diagnostics);
    let folding: Vec<(&Rule, PathPattern)> =
        patterns(document).filter(|(_, _, rule, _)| folds(rule)).map(|(_, _, rule, pattern)| (rule, pattern)).collect();
    if folding.is_empty() {
        return;
    }
    for (number, rule) in
        document.rules.iter().enumerate().filter(|(_, rule)| folds(rule) && is_open(rule) && !rule.shadow)
    {
        let at = Path::root("rules").position(number).key("match").key("case");
        let message = format!(
            "rule {} admits callers without a credential and folds case, which opens every other spelling of its paths",
            Quoted::new(&rule.name)
        );
        let help =
            "leave `case` out; if the service behind Envoy folds case, write that in its module (`modules[].case`)";
        diagnostics.add(at, Issue::warning("rule-open-in-any-case", message, help));
    }
    for (number, index, rule, pattern) in patterns(document).filter(|(_, _, rule, _)| !folds(rule) && !is_open(rule)) {
        if is_below_a_module_that_folds(document, &pattern) {
            continue;
        }
        let Some((other, _)) = folding.iter().find(|(_, other)| decides_other_spellings(other, &pattern)) else {
            continue;
        };
        let at = Path::root("rules").position(number).key("match").key("paths").position(index);
        let text = rule.matches.paths.get(index).map(String::as_str).unwrap_or_default();
        let message = format!(
            "{} is compared exactly, and rule {}, which folds case, decides every other spelling",
            Quoted::new(text),
            Quoted::new(&other.name)
        );
        diagnostics.add(at, Issue::warning("rule-closed-in-one-case", message, "write `case: fold` here, too"));
    }
}

/// Warns about conditions that compare the path with capitals: where case is folded, the path is in small letters, so they are never equal.
fn compared_in_capitals(document: &Document, diagnostics: &mut Diagnostics) {
    for (number, rule) in document.rules.iter().enumerate() {
        let at = Path::root("rules").position(number).key("when");
        let of_template = rule.template_in(&document.templates).and_then(|template| template.when.as_ref());
        let at_template = rule.template.iter().map(|name| Path::root("templates").key(name).key("when"));
        let conditions: Vec<(Path, &String)> =
            rule.when.iter().map(|when| (at.clone(), when)).chain(at_template.zip(of_template)).collect();
        if conditions.is_empty() {
            continue;
        }
        let patterns: Vec<PathPattern> =
            rule.matches.paths.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
        let in_a_module = match patterns.as_slice() {
            // A rule that only its name selects applies to every path.
            [] => document.modules.iter().any(|module| module.case == Case::Fold),
            patterns => patterns.iter().any(|pattern| is_below_a_module_that_folds(document, pattern)),
        };
        if !(folds(rule) || in_a_module) {
            continue;
        }
        for (at, when) in conditions {
            let in_capitals = |text: &&str| text.bytes().any(|byte| byte.is_ascii_uppercase());
            let Some(text) = texts_after_the_path(when).find(in_capitals) else { continue };
            let message = format!(
                "compares `request.path` with {}, but a folded path is in small letters, so the two are never equal",
                Quoted::new(text)
            );
            diagnostics.add(at, Issue::warning("condition-in-capitals", message, "write the text in small letters"));
        }
    }
}

/// Returns the texts that a condition compares `request.path` with, if they directly follow it.
fn texts_after_the_path(when: &str) -> impl Iterator<Item = &str> {
    let behind = when.match_indices(PATH).filter_map(|(at, _)| when.get(at.saturating_add(PATH.len())..));
    behind.filter_map(|behind| {
        let quote = behind.find(['\'', '"'])?;
        let (between, text) = behind.split_at_checked(quote)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'(' | b'=' | b'!' | b'[');
        if !between.bytes().all(plain) {
            return None;
        }
        let mut pieces = text.chars();
        let closing = pieces.next()?;
        pieces.as_str().split(closing).next()
    })
}

const PATH: &str = "request.path";

fn patterns(document: &Document) -> impl Iterator<Item = (usize, usize, &Rule, PathPattern)> {
    document.rules.iter().enumerate().filter(|(_, rule)| !rule.shadow).flat_map(|(number, rule)| {
        let texts = rule.matches.paths.iter().enumerate();
        texts.filter_map(move |(index, text)| Some((number, index, rule, parsed(text, &rule.matches)?)))
    })
}

/// Returns true if the module of all paths of a pattern folds case.
fn is_below_a_module_that_folds(document: &Document, pattern: &PathPattern) -> bool {
    let folding = document.modules.iter().filter(|module| module.case == Case::Fold);
    folding
        .filter_map(|module| ModulePrefix::parse(&module.prefix).ok())
        .any(|prefix| pattern.segments().starts_with(prefix.pattern().segments()))
}

fn folds(rule: &Rule) -> bool {
    rule.matches.case == Case::Fold
}

const fn is_open(rule: &Rule) -> bool {
    match rule.access {
        Access::Public | Access::Optional => true,
        Access::Authenticated | Access::Preflight | Access::Denied => false,
    }
}

/// Returns true if a folding pattern matches other spellings of what an exact pattern matches more specifically.
fn decides_other_spellings(folding: &PathPattern, exact: &PathPattern) -> bool {
    let (own, others) = (folding.segments(), exact.segments());
    let reaches = own.len() <= others.len() && (folding.rest().is_some() || own.len() == others.len());
    let meets = own.iter().zip(others).all(|(own, other)| match (own, other) {
        (Segment::Literal(one), Segment::Literal(other)) => folding.same_literal(one, exact, other),
        (Segment::Literal(_), Segment::Parameter(_)) => false,
        (Segment::Parameter(_), _) => true,
    });
    let has_letters = others.iter().any(|segment| match segment {
        Segment::Literal(text) => text.chars().any(char::is_alphabetic),
        Segment::Parameter(_) => false,
    });
    reaches && meets && has_letters
}
