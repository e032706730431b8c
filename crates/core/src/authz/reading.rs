//! The readings of paths by services behind Envoy that treat several spellings as equal. Some ignore the case of letters (Express,
//! IIS). Others ignore a suffix that names a format of the resource (`/admin.json` in Rails, Spring and Django REST framework).
//! Rules are compared with the path that the service reads; `router` selects the rule.
//!
//! The sure reading folds ASCII letters and cuts one suffix off the last segment. Services differ about the rest: letters beyond
//! ASCII, some of which fold to ASCII (`K` U+212A, `ı` U+0131), and suffixes within a path. So there is also a widest reading.
//!
//! A path that leads to different rules in the two readings is denied. A wider reading alone would open more than the service
//! serves, and a narrower one would close less.

#[cfg(test)]
mod tests;

use super::syntax::{ModulePrefix, Segment};
use crate::http::path::CanonicalPath;
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// The comparison of letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Case matters.
    #[default]
    Exact,
    /// `A` equals `a`. Letters beyond ASCII are not folded; a path in which folding them could select another rule is denied.
    Fold,
}

/// A module's reading of the segments below its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleReading {
    /// The comparison of letters.
    pub case: Case,
    /// The suffixes that are cut off the last segment with the dot before them, such as `json`. They contain no dot.
    pub suffixes: Box<[Box<str>]>,
}

/// The path readings of all modules of a configuration.
#[derive(Debug)]
pub struct PathReadings {
    modules: Vec<(ModulePrefix, ModuleReading)>,
    /// The index of each module, by the text of its prefix.
    by_prefix: HashMap<Box<str>, usize>,
    /// The number of segments of the longest prefix.
    depth: usize,
}

/// The reason why a path with several readings is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// The readings lead to different rules.
    #[error(
        "the path has two readings with different rules, because services fold letters beyond ASCII (`case: fold`) or cut suffixes within the path (`suffixes`), or do not"
    )]
    OtherRule,
    /// The path ends in more than one suffix, or its last segment is only a suffix.
    #[error("the path ends in several of the module's `suffixes`, or its last segment is only a suffix")]
    Suffixes,
    /// The path ends in a suffix in another case.
    #[error("the path ends in one of the module's `suffixes` in another case, and the module's `case` is `exact`")]
    SuffixCase,
}

/// The breadth of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// The spellings that every service with folding or suffixes treats as equal.
    Sure,
    /// The spellings that any such service may treat as equal.
    Widest,
}

/// The reading of one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'r> {
    /// The module of the path, with the number of segments of its prefix.
    module: Option<(usize, &'r ModuleReading)>,
    breadth: Breadth,
    /// The index of the last segment.
    last: usize,
}

/// A segment for the lookup, with every letter folded as widely as possible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'p> {
    pub(super) text: &'p str,
    /// The segment without its suffix; `None` without a suffix.
    pub(super) stem: Option<&'p str>,
}

impl ModuleReading {
    fn is_plain(&self) -> bool {
        self.case == Case::Exact && self.suffixes.is_empty()
    }

    /// Folds literals so that indistinguishable ones become equal.
    #[must_use]
    pub fn folded<'t>(&self, literals: &'t str) -> Cow<'t, str> {
        match self.case {
            Case::Exact => Cow::Borrowed(literals),
            Case::Fold => folded(literals),
        }
    }

    /// Returns a last segment without its suffix; `None` if it has none.
    #[must_use]
    pub fn stem<'t>(&self, segment: &'t str) -> Option<&'t str> {
        let (stem, suffix) = segment.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
        let same = |known: &str| match self.case {
            Case::Exact => known == suffix,
            Case::Fold => known.eq_ignore_ascii_case(suffix),
        };
        self.suffixes.iter().any(|known| same(known)).then_some(stem)
    }
}

impl PathReadings {
    /// Creates the readings of these modules; `None` if every module and every rule uses paths as sent.
    #[must_use]
    pub fn new(modules: Vec<(ModulePrefix, ModuleReading)>, a_rule_folds: bool) -> Option<Arc<Self>> {
        let plain = modules.iter().all(|(_, reading)| reading.is_plain());
        (a_rule_folds || !plain).then(|| {
            let mut by_prefix = HashMap::new();
            for (index, (prefix, _)) in modules.iter().enumerate() {
                // A repeated prefix keeps its first module; `config::validate` rejects repeated prefixes.
                by_prefix.entry(prefix.as_str().into()).or_insert(index);
            }
            let depth = modules.iter().map(|(prefix, _)| prefix.segments()).max().unwrap_or_default();
            Arc::new(Self { modules, by_prefix, depth })
        })
    }

    /// Returns the reading of a path: that of the module with the longest prefix.
    pub(super) fn of(&self, path: &CanonicalPath<'_>, breadth: Breadth) -> Reading<'_> {
        let (text, mut end, mut module) = (path.as_str(), 0_usize, None);
        for (index, segment) in path.segments().take(self.depth).enumerate() {
            end = end.saturating_add(segment.len()).saturating_add(1);
            let known = text.get(..end).and_then(|prefix| self.by_prefix.get(prefix));
            if let Some((_, reading)) = known.and_then(|known| self.modules.get(*known)) {
                module = Some((index.saturating_add(1), reading));
            }
        }
        Reading { module, breadth, last: path.segments().count().saturating_sub(1) }
    }

    /// Checks that the end of a path has only one reading.
    pub(super) fn check(&self, path: &CanonicalPath<'_>) -> Result<(), ReadingError> {
        let (sure, widest) = (self.of(path, Breadth::Sure), self.of(path, Breadth::Widest));
        let Some(text) = path.segments().last() else { return Ok(()) };
        let Some((stem, _)) = widest.split(sure.last, text) else { return Ok(()) };
        if stem.is_empty() || widest.split(sure.last, stem).is_some() {
            return Err(ReadingError::Suffixes);
        }
        if sure.split(sure.last, text).is_none() { Err(ReadingError::SuffixCase) } else { Ok(()) }
    }

    /// Returns true if the widest reading of a path can differ from the sure reading.
    pub(super) fn can_differ(&self, path: &CanonicalPath<'_>) -> bool {
        let widest = self.of(path, Breadth::Widest);
        let within = |(at, text)| at < widest.last && widest.split(at, text).is_some();
        !path.as_str().is_ascii() || path.segments().enumerate().any(within)
    }

    /// Returns true if a module folds the segment of a pattern at this index, for some of the paths that match the pattern.
    pub(super) fn may_fold(&self, pattern: &[Segment], at: usize) -> bool {
        self.modules.iter().any(|(prefix, reading)| {
            let depth = prefix.segments();
            let mut pairs = prefix.literals().iter().zip(pattern);
            reading.case == Case::Fold
                && depth <= at
                && depth <= pattern.len()
                && pairs.all(|(own, other)| matches!(other, Segment::Parameter(_)) || own == other)
        })
    }
}

impl<'r> Reading<'r> {
    /// Returns true if a pattern's literal equals the segment at this index, for a rule with this comparison.
    pub(super) fn is(&self, literal: &str, text: &str, at: usize, case: Case) -> bool {
        let folds = self.folds(at, case);
        let same = |text: &str| match (folds, self.breadth) {
            (false, _) => literal == text,
            (true, Breadth::Sure) => literal.eq_ignore_ascii_case(text),
            (true, Breadth::Widest) => folded(literal) == folded(text),
        };
        same(text) || self.stem(at, text).is_some_and(same)
    }

    /// Returns true if letters of the segment at this index are folded, for a rule with this comparison.
    pub(super) fn folds(&self, at: usize, case: Case) -> bool {
        case == Case::Fold || self.module_at(at).is_some_and(|module| module.case == Case::Fold)
    }

    /// Returns the segment at this index without its suffix; `None` if no suffix is cut off there.
    pub(super) fn stem<'t>(&self, at: usize, text: &'t str) -> Option<&'t str> {
        let cut = at == self.last || self.breadth == Breadth::Widest;
        let (stem, _) = self.split(at, text).filter(|(stem, _)| cut && !stem.is_empty())?;
        Some(stem)
    }

    /// Returns the segments of a path whose letters have been folded.
    pub(super) fn pieces<'p>(self, folded: &'p str) -> impl Iterator<Item = Piece<'p>> + Clone + use<'p, 'r> {
        // An entry found by a folded text is compared once more, so here the suffix is cut as widely as possible.
        let widest = Self { breadth: Breadth::Widest, ..self };
        let cut = move |at: usize| at == self.last || self.breadth == Breadth::Widest;
        let segments = folded.split('/').filter(|segment| !segment.is_empty()).enumerate();
        segments.map(move |(at, text)| Piece { text, stem: widest.stem(at, text).filter(|_| cut(at)) })
    }

    /// Splits a segment below the prefix of its module into stem and suffix, without the dot; `None` without a known suffix.
    fn split<'t>(&self, at: usize, text: &'t str) -> Option<(&'t str, &'t str)> {
        let module = self.module_at(at).filter(|module| !module.suffixes.is_empty())?;
        let (stem, suffix) = text.rsplit_once('.')?;
        let same = |known: &str| match (module.case, self.breadth) {
            (Case::Exact, Breadth::Sure) => known == suffix,
            (Case::Fold, Breadth::Sure) => known.eq_ignore_ascii_case(suffix),
            (Case::Exact | Case::Fold, Breadth::Widest) => folded(known) == folded(suffix),
        };
        module.suffixes.iter().any(|known| same(known)).then_some((stem, suffix))
    }

    fn module_at(&self, at: usize) -> Option<&'r ModuleReading> {
        self.module.filter(|(depth, _)| at >= *depth).map(|(_, reading)| reading)
    }
}

/// Folds every letter as widely as any service may: to lower case, upper case and lower case again. A text that is folded already
/// needs no allocation.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let has_capitals = text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_capitals { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
    }
    let small = |letter: char| match letter {
        // Services lower it to `i` with a combining dot, or just to `i`.
        'İ' => 'i'.to_lowercase(),
        letter => letter.to_lowercase(),
    };
    // The lower case of `ẞ` is `ß`, whose upper case is `SS`.
    Cow::Owned(text.chars().flat_map(small).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}
