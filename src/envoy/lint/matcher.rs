//! Envoy's matchers of texts, evaluated on header names and paths. Envoy's expressions (RE2) match whole texts.

use super::view::At;
use regex::{Regex, RegexBuilder};

/// The maximum size of a compiled expression; a larger one is not evaluated.
const MAX_EXPRESSION_BYTES: usize = 4 * 1024 * 1024;

/// A matcher.
pub(super) enum TextMatcher {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Expression(Regex),
    /// Another kind, or an expression that can't be evaluated.
    Unclear,
}

/// Compiles an expression that matches whole texts.
pub(super) fn expression(text: &str) -> Option<Regex> {
    RegexBuilder::new(&format!(r"\A(?:{text})\z")).size_limit(MAX_EXPRESSION_BYTES).build().ok()
}

impl TextMatcher {
    /// Reads a `StringMatcher`.
    pub(super) fn of(at: &At<'_>) -> Self {
        // The names of headers are in lower case in Envoy, so that a text with capitals matches none without `ignore_case`.
        let ignores_case = at.is_true("ignore_case");
        let text = |name: &str| {
            let text = at.text(name)?;
            Some(if ignores_case { text.to_ascii_lowercase() } else { text.to_owned() })
        };
        let by_text = text("exact").map(Self::Exact).or_else(|| text("prefix").map(Self::Prefix));
        let by_text = by_text.or_else(|| text("suffix").map(Self::Suffix));
        if let Some(matcher) = by_text.or_else(|| text("contains").map(Self::Contains)) {
            return matcher;
        }
        let regex = at.at(&["safe_regex"]).and_then(|regex| expression(regex.text("regex")?));
        regex.map_or(Self::Unclear, Self::Expression)
    }

    /// Returns true if it matches this name of a header, which is in lower case.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => text == name,
            Self::Prefix(text) => name.starts_with(text.as_str()),
            Self::Suffix(text) => name.ends_with(text.as_str()),
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Expression(regex) => regex.is_match(name),
            Self::Unclear => false,
        }
    }
}

/// Reads the matchers of a list, such as `allowed_headers`.
pub(super) fn list(at: &At<'_>) -> Vec<TextMatcher> {
    at.items("patterns").iter().map(TextMatcher::of).collect()
}
