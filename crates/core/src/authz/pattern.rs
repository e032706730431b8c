//! Path patterns: the comparison with paths, and the values of parameters. `syntax` parses them; `router` selects the most specific
//! of several patterns. `/admin/{*rest}` covers `/admin`, `/admin/` and everything below.

#[cfg(test)]
mod tests;

use super::reading::{Breadth, Case, PathReadings, Reading, folded};
use super::syntax::{self, ModulePrefix, PatternError, Segment, literal};
use crate::http::path::CanonicalPath;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A pattern that a request's path can match. The default is `/`.
#[derive(Debug, Default, Clone)]
pub struct PathPattern {
    segments: Box<[Segment]>,
    rest: Option<Box<str>>,
    case: Case,
    /// The path readings of modules; `None` means as sent.
    readings: Option<Arc<PathReadings>>,
}

/// Two patterns that match the same paths and name the same parameters are equal, regardless of their readings.
impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        let Self { segments, rest, case, readings: _ } = self;
        (segments, rest, case) == (&other.segments, &other.rest, &other.case)
    }
}

impl Eq for PathPattern {}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`] for invalid syntax, and for literals that no [`CanonicalPath`] holds.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (segments, rest) = syntax::parse(text)?;
        Ok(Self { segments: segments.into(), rest: rest.map(Into::into), ..Self::default() })
    }

    /// Returns the pattern with this comparison of literals, for paths as modules read them.
    #[must_use]
    pub fn read(self, case: Case, readings: Option<Arc<PathReadings>>) -> Self {
        Self { case, readings, ..self }
    }

    /// Returns the comparison of literals that applies outside of modules.
    #[must_use]
    pub const fn case(&self) -> Case {
        self.case
    }

    /// Returns the segments from the left, without the `{*name}`.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the name in `{*name}`; `None` if the pattern does not end in one.
    #[must_use]
    pub fn rest(&self) -> Option<&str> {
        self.rest.as_deref()
    }

    /// Returns the names of the parameters, from the left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some(&**name),
        });
        named.chain(self.rest())
    }

    /// Returns a rank to compare with other patterns that match the same path. Segments rank from the left: a literal before a
    /// parameter, and both, like the path's end, before `{*rest}`.
    pub(super) fn specificity(&self) -> impl Iterator<Item = u8> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 3,
            Segment::Parameter(_) => 2,
        });
        segments.chain([u8::from(self.rest.is_none())])
    }

    /// Returns true if a path matches.
    #[must_use]
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        match &self.readings {
            Some(readings) => self.matches_read(path, readings.of(path, Breadth::Sure)),
            None => self.matches_as_sent(path),
        }
    }

    /// Returns true if a path matches in this reading.
    pub(super) fn matches_read(&self, path: &CanonicalPath<'_>, reading: Reading<'_>) -> bool {
        let mut segments = path.segments();
        let mut own = self.segments.iter().enumerate();
        own.all(|(at, segment)| match (segment, segments.next()) {
            (Segment::Literal(literal), Some(text)) => reading.is(literal, text, at, self.case),
            (Segment::Parameter(_), Some(_)) => true,
            (Segment::Literal(_) | Segment::Parameter(_), None) => false,
        }) && (self.rest.is_some() || segments.next().is_none())
    }

    /// Returns true if a path matches letter by letter, without any folding.
    pub(super) fn matches_as_sent(&self, path: &CanonicalPath<'_>) -> bool {
        let mut segments = path.segments();
        let mut pairs = self.segments.iter().map(|segment| (segment, segments.next()));
        let same = pairs.all(|(segment, text)| match (segment, text) {
            (Segment::Literal(literal), Some(text)) => **literal == *text,
            (Segment::Parameter(_), Some(_)) => true,
            (Segment::Literal(_) | Segment::Parameter(_), None) => false,
        });
        same && (self.rest.is_some() || segments.next().is_none())
    }

    /// Returns the literals from the left, with `None` for each parameter.
    pub(super) fn literal_texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(&**text),
            Segment::Parameter(_) => None,
        })
    }

    /// Returns the literals that a path has other texts for, each with its index and that text, and whether the lengths fit.
    pub(super) fn mismatches<'p>(&'p self, path: &'p CanonicalPath<'_>) -> (Vec<(usize, &'p str, &'p str)>, bool) {
        let reading = self.readings.as_ref().map(|readings| readings.of(path, Breadth::Sure));
        let same = |literal: &str, text: &str, at| {
            reading.map_or_else(|| literal == text, |reading| reading.is(literal, text, at, self.case))
        };
        let pairs = self.segments.iter().zip(path.segments()).enumerate();
        let other = pairs.filter_map(|(at, (segment, text))| match segment {
            Segment::Literal(literal) => (!same(literal, text, at)).then_some((at, &**literal, text)),
            Segment::Parameter(_) => None,
        });
        let found = path.segments().count();
        let fits = found == self.segments.len() || (self.rest.is_some() && found > self.segments.len());
        (other.collect(), fits)
    }

    /// Returns the differences between a matching path and the pattern: a flag for the case of letters, and one for a cut suffix.
    pub(super) fn differences(&self, path: &CanonicalPath<'_>, readings: &PathReadings) -> (bool, bool) {
        let reading = readings.of(path, Breadth::Sure);
        let (mut folds, mut cuts) = (false, false);
        let mut own = self.segments.iter();
        for (at, text) in path.segments().enumerate() {
            let stem = reading.stem(at, text);
            match own.next() {
                Some(Segment::Literal(literal)) if **literal == *text => {}
                Some(Segment::Literal(literal)) => {
                    let cut = stem.filter(|_| !literal.eq_ignore_ascii_case(text));
                    cuts |= cut.is_some();
                    folds |= **literal != *cut.unwrap_or(text);
                }
                Some(Segment::Parameter(_)) | None => cuts |= stem.is_some(),
            }
        }
        (folds, cuts)
    }

    /// Returns true if no request distinguishes two patterns at the same node of a tree.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let folds = |at| {
            let may = |one: &Self| {
                one.case == Case::Fold
                    || one.readings.as_ref().is_some_and(|readings| readings.may_fold(&one.segments, at))
            };
            may(self) || may(other)
        };
        self.literals(other).all(|(at, same)| same || folds(at))
    }

    /// Returns true if this pattern matches every beginning of a path that the other one matches. Both lead to the same node of a
    /// tree.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.case == Case::Fold || (other.case == Case::Exact && self.literals(other).all(|(_, same)| same))
    }

    /// Compares the literals of both patterns, letter by letter, with their indices.
    fn literals<'p>(&'p self, other: &'p Self) -> impl Iterator<Item = (usize, bool)> {
        let pairs = self.segments.iter().zip(&other.segments).enumerate();
        pairs.filter_map(|(at, pair)| match pair {
            (Segment::Literal(one), Segment::Literal(other)) => Some((at, one == other)),
            (Segment::Literal(_) | Segment::Parameter(_), _) => None,
        })
    }

    /// Returns true if all literals are ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(text) => text.is_ascii(),
            Segment::Parameter(_) => true,
        })
    }

    /// Returns true if both have the same literals, letter by letter, at the same indices.
    #[must_use]
    pub fn same_literals(&self, other: &Self) -> bool {
        self.literals(other).all(|(_, same)| same)
    }

    /// Returns true if a path can match both literals, although they differ: one of the patterns folds, and the letters are the
    /// same.
    #[must_use]
    pub fn same_literal(&self, literal: &str, other: &Self, of_other: &str) -> bool {
        literal == of_other
            || ((self.case == Case::Fold || other.case == Case::Fold) && folded(literal) == folded(of_other))
    }

    /// Returns the segment that a `{name}` matches, without a suffix that the module cuts off; `None` if the path does not match.
    #[must_use]
    pub fn parameter<'p>(&self, name: &str, path: &'p CanonicalPath<'_>) -> Option<&'p str> {
        self.parameter_read(name, path, Breadth::Sure)
    }

    /// Returns the parameter in the widest reading of the path. If it differs from [`parameter`](Self::parameter), services
    /// disagree.
    #[must_use]
    pub fn parameter_read_widely<'p>(&self, name: &str, path: &'p CanonicalPath<'_>) -> Option<&'p str> {
        self.parameter_read(name, path, Breadth::Widest)
    }

    fn parameter_read<'p>(&self, name: &str, path: &'p CanonicalPath<'_>, breadth: Breadth) -> Option<&'p str> {
        let reading = self.readings.as_ref().map(|readings| readings.of(path, breadth));
        let matches = reading.map_or_else(|| self.matches_as_sent(path), |reading| self.matches_read(path, reading));
        let named = |segment: &Segment| matches!(segment, Segment::Parameter(own) if **own == *name);
        let at = self.segments.iter().position(named).filter(|_| matches)?;
        let text = path.segments().nth(at)?;
        Some(reading.and_then(|reading| reading.stem(at, text)).unwrap_or(text))
    }

    /// Returns the path in the form that literals are compared with, for conditions. It has no trailing slash, and no suffix that
    /// the module cuts off, unless the pattern's literal contains it. Letters are in lower case where the module or the pattern
    /// folds them.
    ///
    /// # Errors
    /// [`AmbiguousPath`] if services that fold or cut would read different forms.
    pub fn compared<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<Cow<'p, str>, AmbiguousPath> {
        let Some(readings) = &self.readings else { return Ok(Cow::Borrowed(path.without_trailing_slash())) };
        let read = |breadth: Breadth| -> String {
            let reading = readings.of(path, breadth);
            let mut form = String::with_capacity(path.as_str().len());
            for (at, text) in path.segments().enumerate() {
                let own = match self.segments.get(at) {
                    Some(Segment::Literal(own)) => Some(own),
                    Some(Segment::Parameter(_)) | None => None,
                };
                let folds = reading.folds(at, self.case);
                let same = |own: &str| if folds { folded(own) == folded(text) } else { own == text };
                let cut = reading.stem(at, text).filter(|_| !own.is_some_and(|own| same(own))).unwrap_or(text);
                form.push('/');
                match (folds, breadth) {
                    (false, _) => form.push_str(cut),
                    (true, Breadth::Sure) => form.extend(cut.chars().map(|letter| letter.to_ascii_lowercase())),
                    (true, Breadth::Widest) => form.push_str(&folded(cut)),
                }
            }
            if form.is_empty() { "/".to_owned() } else { form }
        };
        let sure = read(Breadth::Sure);
        if sure != read(Breadth::Widest) {
            return Err(AmbiguousPath);
        }
        let sent = path.without_trailing_slash();
        Ok(if sure == sent { Cow::Borrowed(sent) } else { Cow::Owned(sure) })
    }

    /// Returns the values of the parameters. `{name}` is its decoded segment, without a suffix that the module cuts off. `{*name}`
    /// is all remaining segments, joined with `/`. Empty for a path that does not match, as when an Envoy route names a rule for
    /// other paths.
    pub fn parameters<'p>(&'p self, path: &'p CanonicalPath<'_>) -> impl Iterator<Item = (&'p str, Cow<'p, str>)> {
        let matching = Some(self).filter(|pattern| pattern.matches(path));
        let reading = self.readings.as_ref().filter(|_| matching.is_some()).map(|all| all.of(path, Breadth::Sure));
        let cut = move |(at, text): (usize, &'p str)| match &reading {
            Some(reading) => reading.stem(at, text).unwrap_or(text),
            None => text,
        };
        let texts = path.segments().enumerate().map(cut);
        let segments = matching.into_iter().flat_map({
            let texts = texts.clone();
            move |pattern| pattern.segments.iter().zip(texts.clone())
        });
        let named = segments.filter_map(|(segment, text)| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some((&**name, Cow::Borrowed(text))),
        });
        let rest = matching.and_then(Self::rest).map(move |name| {
            let left: Vec<&str> = texts.skip(self.segments.len()).collect();
            (name, Cow::Owned(left.join("/")))
        });
        named.chain(rest)
    }
}

impl ModulePrefix {
    /// Returns the pattern of the prefix and everything below it: `/crm/{*rest}`.
    #[must_use]
    pub fn pattern(&self) -> PathPattern {
        PathPattern { segments: self.literals().into(), rest: Some("rest".into()), ..PathPattern::default() }
    }
}

/// Writes the pattern without a trailing slash; parsing the text returns the same pattern.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{}", literal(text))?,
                Segment::Parameter(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match &self.rest {
            Some(name) => write!(f, "/{{*{name}}}"),
            None if self.segments.is_empty() => f.write_str("/"),
            None => Ok(()),
        }
    }
}

/// The error of a path that services read in different ways, because they fold letters or cut suffixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmbiguousPath;
