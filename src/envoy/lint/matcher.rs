//! Envoy's matchers of texts, evaluated on header names and paths. Envoy's expressions (RE2) match whole texts.

use super::view::At;
use regex::{Regex, RegexBuilder};

/// The maximum size of a compiled expression; a larger one is not evaluated.
const MAX_EXPRESSION_BYTES: usize = 4 * 1024 * 1024;

/// A matcher.
pub(super) enum TextMatcher<'n> {
    Exact(&'n str),
    Prefix(&'n str),
    Suffix(&'n str),
    Contains(&'n str),
    Expression(Regex),
    /// Another kind, or an expression that can't be evaluated.
    Unclear,
}

/// Compiles an expression that matches whole texts.
pub(super) fn expression(text: &str) -> Option<Regex> {
    RegexBuilder::new(&format!(r"\A(?:{text})\z")).size_limit(MAX_EXPRESSION_BYTES).build().ok()
}

impl<'n> TextMatcher<'n> {
    /// Reads a `StringMatcher`.
    pub(super) fn of(at: &At<'n>) -> Self {
        let kinds: [(&str, fn(&'n str) -> Self); 4] =
            [("exact", Self::Exact), ("prefix", Self::Prefix), ("suffix", Self::Suffix), ("contains", Self::Contains)];
        if let Some((text, kind)) = kinds.into_iter().find_map(|(name, kind)| Some((at.text(name)?, kind))) {
            return kind(text);
        }
        let regex = at.at(&["safe_regex"]).and_then(|regex| expression(regex.text("regex")?));
        regex.map_or(Self::Unclear, Self::Expression)
    }

    /// Returns true if it matches this name of a header, which is in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        // No more than `ignore_case` does: header names are in lower case in Envoy.
        match self {
            Self::Exact(text) => text.eq_ignore_ascii_case(name),
            Self::Prefix(text) => name.starts_with(&text.to_ascii_lowercase()),
            Self::Suffix(text) => name.ends_with(&text.to_ascii_lowercase()),
            Self::Contains(text) => name.contains(&text.to_ascii_lowercase()),
            Self::Expression(regex) => regex.is_match(name),
            Self::Unclear => false,
        }
    }
}

/// Reads the matchers of a list, such as `allowed_headers`.
pub(super) fn list<'n>(at: &At<'n>) -> Vec<TextMatcher<'n>> {
    at.items("patterns").iter().map(TextMatcher::of).collect()
}
