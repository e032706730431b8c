//! How services behind Envoy read paths where they take more than one spelling for the same: letters of either case (Express, IIS), and
//! a suffix that names a form of the same thing (`/admin.json` in Rails, Spring and Django REST framework). Rules are held against
//! what the service reads. Owns what is folded and what is cut off; which rule decides is `router`'s matter.
//!
//! Letters fold as ASCII does, and one suffix is cut off the last segment: that is the sure reading. Services differ about the
//! rest: letters beyond ASCII, some of which fold to ASCII (`K` U+212A, `ı` U+0131), and suffixes within a path. So there is a
//! widest reading, too, and a path that leads to different rules by the two is refused: a wider one alone would open more than
//! the service serves, and a narrower one would close less.

#[cfg(test)]
mod tests;

use super::module::ModulePrefix;
use super::pattern::{PathPattern, Segment};
use super::router::{Layer, MethodMatcher, Router};
use crate::http::method::Method;
use crate::http::path::CanonicalPath;
use std::borrow::Cow;
use std::sync::Arc;

/// How letters are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Case {
    /// Each is itself.
    #[default]
    Exact,
    /// `A` and `a` are one.
    Fold,
}

/// How a module reads the segments below its prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleReading {
    /// How it compares letters.
    pub case: Case,
    /// What it cuts off the last segment together with the dot before it, such as `json`. Without a dot in it.
    pub suffixes: Box<[Box<str>]>,
}

/// How every module of a configuration reads paths.
#[derive(Debug)]
pub struct PathReadings {
    modules: Router<(usize, ModuleReading)>,
    list: Vec<(ModulePrefix, ModuleReading)>,
}

/// Why a path is refused that services read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// Two rules.
    #[error(
        "the path can be read in two ways that lead to different rules: letters beyond ASCII may be folded or not \
             (`case: fold`), and suffixes within the path cut off or not (`suffixes`)"
    )]
    OtherRule,
    /// More than one suffix, or nothing but one.
    #[error("the path ends in several of the module's `suffixes`, or in one that nothing stands before")]
    Suffixes,
    /// A suffix in other letters.
    #[error(
        "the path ends in one of the module's `suffixes`, but for the case of its letters, and the module's `case` is `exact`"
    )]
    SuffixCase,
}

/// How much is taken for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// What every service that folds or cuts takes for the same.
    Sure,
    /// What any of them may.
    Widest,
}

/// How one path is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'r> {
    /// The module of the path, with the number of segments of its prefix.
    module: Option<&'r (usize, ModuleReading)>,
    breadth: Breadth,
    /// The place of the last segment.
    last: usize,
}

/// A segment as it is looked for: every letter folded as widely as can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'p> {
    pub(super) text: &'p str,
    /// Without its suffix, if it has one.
    pub(super) stem: Option<&'p str>,
}

impl ModuleReading {
    fn is_plain(&self) -> bool {
        self.case == Case::Exact && self.suffixes.is_empty()
    }

    /// Returns literals so that those are equal of which no request could tell which it matches.
    pub fn folded<'t>(&self, literals: &'t str) -> Cow<'t, str> {
        match self.case {
            Case::Exact => Cow::Borrowed(literals),
            Case::Fold => folded(literals),
        }
    }

    /// Returns a last segment without its suffix, if it has one.
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
    /// How these modules read paths; `None` when each of them, and every rule, takes paths as they are.
    #[must_use]
    pub fn new(modules: Vec<(ModulePrefix, ModuleReading)>, a_rule_folds: bool) -> Option<Arc<Self>> {
        let plain = modules.iter().all(|(_, reading)| reading.is_plain());
        (a_rule_folds || !plain).then(|| {
            let mut router = Router::default();
            for (prefix, reading) in &modules {
                // A prefix that is there twice leads to the first of them; `config::validate` lets none be.
                let value = (prefix.segments(), reading.clone());
                let _ = router.insert(Layer::Enforced, MethodMatcher::Methods(&[]), prefix.pattern(), value);
            }
            Arc::new(Self { modules: router, list: modules })
        })
    }

    pub(super) fn of(&self, path: &CanonicalPath<'_>, breadth: Breadth) -> Reading<'_> {
        let module = self.modules.find(Layer::Enforced, Method::GET, path);
        Reading { module, breadth, last: path.segments().count().saturating_sub(1) }
    }

    /// Checks that a path ends in one way.
    pub(super) fn check(&self, path: &CanonicalPath<'_>) -> Result<(), ReadingError> {
        let (sure, widest) = (self.of(path, Breadth::Sure), self.of(path, Breadth::Widest));
        let Some(text) = path.segments().last() else { return Ok(()) };
        let Some((stem, _)) = widest.split(sure.last, text) else { return Ok(()) };
        if stem.is_empty() || widest.split(sure.last, stem).is_some() {
            return Err(ReadingError::Suffixes);
        }
        if sure.split(sure.last, text).is_none() { Err(ReadingError::SuffixCase) } else { Ok(()) }
    }

    /// Returns true if the widest reading of a path can be another one than the sure reading.
    pub(super) fn can_differ(&self, path: &CanonicalPath<'_>) -> bool {
        let widest = self.of(path, Breadth::Widest);
        let within = |(at, text)| at < widest.last && widest.split(at, text).is_some();
        !path.as_str().is_ascii() || path.segments().enumerate().any(within)
    }

    /// Returns true if some module folds the segment of a pattern at a place, for some of the paths that match the pattern.
    pub(super) fn may_fold(&self, pattern: &PathPattern, at: usize) -> bool {
        self.list.iter().any(|(prefix, reading)| {
            let depth = prefix.segments();
            let mut pairs = prefix.pattern().segments().iter().zip(pattern.segments());
            reading.case == Case::Fold
                && depth <= at
                && depth <= pattern.segments().len()
                && pairs.all(|(own, other)| matches!(other, Segment::Parameter(_)) || own == other)
        })
    }
}

impl<'r> Reading<'r> {
    /// Returns true if a literal of a pattern, which is compared by its rule in this way, is the segment at a place.
    pub(super) fn is(&self, literal: &str, text: &str, at: usize, case: Case) -> bool {
        let folds = self.folds(at, case);
        let same = |text: &str| match (folds, self.breadth) {
            (false, _) => literal == text,
            (true, Breadth::Sure) => literal.eq_ignore_ascii_case(text),
            (true, Breadth::Widest) => folded(literal) == folded(text),
        };
        same(text) || self.stem(at, text).is_some_and(same)
    }

    /// Returns true if letters of the segment at a place are folded, for a rule that compares them in this way.
    pub(super) fn folds(&self, at: usize, case: Case) -> bool {
        case == Case::Fold || self.module_at(at).is_some_and(|module| module.case == Case::Fold)
    }

    /// The segment at a place without its suffix, if that is cut off there.
    pub(super) fn stem<'t>(&self, at: usize, text: &'t str) -> Option<&'t str> {
        let cut = at == self.last || self.breadth == Breadth::Widest;
        let (stem, _) = self.split(at, text).filter(|(stem, _)| cut && !stem.is_empty())?;
        Some(stem)
    }

    /// The segments of a path whose letters have been folded.
    pub(super) fn pieces<'p>(self, folded: &'p str) -> impl Iterator<Item = Piece<'p>> + Clone + use<'p, 'r> {
        // What is found by a folded text is compared once more: here as much as can be is taken for a suffix.
        let widest = Self { breadth: Breadth::Widest, ..self };
        let cut = move |at: usize| at == self.last || self.breadth == Breadth::Widest;
        let segments = folded.split('/').filter(|segment| !segment.is_empty()).enumerate();
        segments.map(move |(at, text)| Piece { text, stem: widest.stem(at, text).filter(|_| cut(at)) })
    }

    /// A segment below the prefix of its module, and the suffix that it has, without the dot between them.
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
        self.module.filter(|(depth, _)| at >= *depth).map(|(_, module)| module)
    }
}

/// A text with every letter folded as widely as any service may: through small letters and capitals to small letters. Nothing is allocated for
/// one that is folded already.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let has_capitals = text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_capitals { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
    }
    let small = |letter: char| match letter {
        // In small letters it is an `i` with a dot of its own, or just an `i`.
        'İ' => 'i'.to_lowercase(),
        letter => letter.to_lowercase(),
    };
    // `ẞ` is `ß` in small letters, which is `SS` in capitals.
    Cow::Owned(text.chars().flat_map(small).flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}
