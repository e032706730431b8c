//! Path patterns as operators write them in rules. Owns their syntax; which of several wins is `router`'s matter.
//!
//! A segment is a literal, `{name}` (exactly one segment, whatever it is), or, at the end, `{*name}` (all the segments
//! that are left, none too: `/admin/{*rest}` covers `/admin`, `/admin/` and everything below). Literals are decoded text
//! and compared exactly. A trailing slash means nothing.

#[cfg(test)]
mod tests;

use super::reading::{Breadth, Case, PathReadings, Reading, folded};
use crate::http::path::{CanonicalPath, MAX_TARGET_BYTES};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A pattern that some request's path can match. The default is `/`.
#[derive(Debug, Default, Clone)]
pub struct PathPattern {
    segments: Box<[Segment]>,
    rest: Option<Box<str>>,
    case: Case,
    /// How modules read paths; `None`: as they are.
    readings: Option<Arc<PathReadings>>,
}

/// Two that match the same paths and name the same parameters are one, wherever they are used.
impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        let Self { segments, rest, case, readings: _ } = self;
        (segments, rest, case) == (&other.segments, &other.rest, &other.case)
    }
}

impl Eq for PathPattern {}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What [`PatternError`] names: bad syntax, and literals that no [`CanonicalPath`] holds,
    /// since a rule that can never match protects nothing.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_TARGET_BYTES {
            return Err(PatternError::TooLong);
        }
        let inner = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let mut pattern = Parser::default();
        // `/` alone is the path without segments; any other empty piece is a double slash.
        if text != "/" {
            for piece in inner.split('/') {
                pattern.push(piece)?;
            }
        }
        Ok(Self { segments: pattern.segments.into(), rest: pattern.rest.map(Into::into), ..Self::default() })
    }

    /// The same pattern, whose literals are compared in this way, with paths as modules read them.
    #[must_use]
    pub fn read(self, case: Case, readings: Option<Arc<PathReadings>>) -> Self {
        Self { case, readings, ..self }
    }

    /// How its literals are compared, wherever modules say nothing.
    #[must_use]
    pub const fn case(&self) -> Case {
        self.case
    }

    /// The segments from the left, without the `{*name}`.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The name in `{*name}`, if the pattern ends in one.
    #[must_use]
    pub fn rest(&self) -> Option<&str> {
        self.rest.as_deref()
    }

    /// The names of the parameters, from the left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some(&**name),
        });
        named.chain(self.rest())
    }

    /// How specific it is, to be compared with another pattern that the same path matches: segment by segment from the left, a literal
    /// before a parameter, and both, as is the path's end, before `{*rest}`.
    pub(super) fn specificity(&self) -> impl Iterator<Item = u8> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 3,
            Segment::Parameter(_) => 2,
        });
        segments.chain([u8::from(self.rest.is_none())])
    }

    /// Whether a path matches.
    #[must_use]
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        match &self.readings {
            Some(readings) => self.matches_read(path, readings.of(path, Breadth::Sure)),
            None => self.matches_as_sent(path),
        }
    }

    /// Whether a path matches that is read in a way.
    pub(super) fn matches_read(&self, path: &CanonicalPath<'_>, reading: Reading<'_>) -> bool {
        let mut segments = path.segments();
        let mut own = self.segments.iter().enumerate();
        own.all(|(at, segment)| match (segment, segments.next()) {
            (Segment::Literal(literal), Some(text)) => reading.is(literal, text, at, self.case),
            (Segment::Parameter(_), Some(_)) => true,
            (Segment::Literal(_) | Segment::Parameter(_), None) => false,
        }) && (self.rest.is_some() || segments.next().is_none())
    }

    /// Whether a path matches letter by letter, whatever is folded.
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

    /// In what a path that matches differs from the pattern: in the case of letters, and in a suffix that is cut off.
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

    /// Whether both are at the same place of a tree, and no request could tell which of them it matches.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let folds = |at| {
            let may = |one: &Self| {
                one.case == Case::Fold || one.readings.as_ref().is_some_and(|readings| readings.may_fold(one, at))
            };
            may(self) || may(other)
        };
        self.places(other).all(|(at, same)| same || folds(at))
    }

    /// Whether every path that begins as the other one does begins as this one does. Both lead to the same place of a tree.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.case == Case::Fold || (other.case == Case::Exact && self.places(other).all(|(_, same)| same))
    }

    /// For each literal whether it is the other one's, letter by letter.
    fn places<'p>(&'p self, other: &'p Self) -> impl Iterator<Item = (usize, bool)> {
        let pairs = self.segments.iter().zip(&other.segments).enumerate();
        pairs.filter_map(|(at, pair)| match pair {
            (Segment::Literal(one), Segment::Literal(other)) => Some((at, one == other)),
            (Segment::Literal(_) | Segment::Parameter(_), _) => None,
        })
    }

    /// Whether its literals are ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(text) => text.is_ascii(),
            Segment::Parameter(_) => true,
        })
    }

    /// Whether both have the same literals, letter by letter, in the same places.
    pub fn same_literals(&self, other: &Self) -> bool {
        self.places(other).all(|(_, same)| same)
    }

    /// Whether a path can match both that neither has letter by letter: where one of them folds, it has the letters of the other.
    pub fn same_literal(&self, literal: &str, other: &Self, of_other: &str) -> bool {
        literal == of_other
            || ((self.case == Case::Fold || other.case == Case::Fold) && folded(literal) == folded(of_other))
    }

    /// The segment that a `{name}` matches, without a suffix that the module cuts off; `None` if the path does not match.
    #[must_use]
    pub fn parameter<'p>(&self, name: &str, path: &'p CanonicalPath<'_>) -> Option<&'p str> {
        self.parameter_read(name, path, Breadth::Sure)
    }

    /// The same by the widest reading of the path. Where it differs from [`parameter`](Self::parameter), services differ.
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

    /// The path in the one form in which literals are compared with it, for conditions: without a trailing slash, without the suffix that the
    /// module cuts off, unless the pattern's own literal has it, and in small letters wherever the module or the pattern folds them.
    ///
    /// # Errors
    /// [`OtherReading`] when services that fold or cut would come to different forms.
    pub fn compared<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<Cow<'p, str>, OtherReading> {
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
            return Err(OtherReading);
        }
        let sent = path.without_trailing_slash();
        Ok(if sure == sent { Cow::Borrowed(sent) } else { Cow::Owned(sure) })
    }

    /// What the parameters stand for: `{name}` for its decoded segment, without a suffix that the module cuts off, `{*name}` for all that are left, with `/` between them.
    /// Nothing for a path that does not match, as when a route in Envoy names a rule for other paths.
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

/// Writes the pattern without a trailing slash; reading that gives the same pattern.
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

/// Services that fold letters or cut suffixes off come to different forms of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherReading;

/// What one segment of a path is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text, exactly.
    Literal(Box<str>),
    /// `{name}`: any text, which is never empty.
    Parameter(Box<str>),
}

/// Why a pattern is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It doesn't begin with `/`.
    #[error("a path pattern starts with `/`")]
    NotAbsolute,
    /// Longer than any request target.
    #[error("a path pattern is at most {MAX_TARGET_BYTES} bytes long, as no longer path is accepted")]
    TooLong,
    /// More segments than a tree is deep.
    #[error("a path pattern has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// `//`.
    #[error("a path pattern has no empty segment, as no path with `//` is accepted")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a path pattern has no `.` or `..` segment, as no path with one is accepted")]
    DotSegment,
    /// `%`: literals are written decoded, but for what marks a parameter in another syntax.
    #[error(
        "a path pattern is written decoded, without `%`; only `%24`, `%28`, `%3A`, `%3C`, `%5B` and `%5E` may be in one"
    )]
    Percent,
    /// A segment that is a parameter in the syntax of another framework, and would be compared as it is.
    #[error(
        "one segment is `{{id}}`, all that follow are `{{*rest}}`; to compare a segment that really holds this, write the \
             character as `%24` (`$`), `%28` (`(`), `%3A` (`:`), `%3C` (`<`), `%5B` (`[`) or `%5E` (`^`)"
    )]
    ForeignParameter,
    /// A parameter with a pattern of its own.
    #[error(
        "a parameter has no pattern of its own; write `{{id}}`, and ask for its form under `when`, or `{{*rest}}` for all that follow"
    )]
    Constraint,
    /// `\`, `;`, `?`, `#` or a control character.
    #[error("a path pattern holds no `\\`, `;`, `?`, `#` or control character, as no path with one is accepted")]
    IllegalCharacter,
    /// `*` outside braces, which would look like a wildcard and be none.
    #[error("`*` is no wildcard: one segment is `{{name}}`, all that follow are `{{*rest}}`")]
    Asterisk,
    /// A brace that is not around a whole segment.
    #[error("braces stand around a whole segment: `{{name}}` or `{{*rest}}`")]
    Brace,
    /// A parameter's name with other characters, or none.
    #[error("a parameter's name is made of `a`-`z`, `0`-`9` and `_`, and does not start with a digit")]
    ParameterName,
    /// One name twice.
    #[error("each parameter of a path pattern has a name of its own")]
    DuplicateName,
    /// Something after `{*rest}`.
    #[error("`{{*rest}}` stands at the end of a path pattern")]
    RestNotLast,
}

/// The most segments of a pattern: how deep the tree of patterns can be, and so a look-up.
pub const MAX_SEGMENTS: usize = 64;

#[derive(Default)]
struct Parser<'a> {
    segments: Vec<Segment>,
    names: Vec<&'a str>,
    rest: Option<&'a str>,
}

impl<'a> Parser<'a> {
    fn push(&mut self, piece: &'a str) -> Result<(), PatternError> {
        if self.segments.len() >= MAX_SEGMENTS {
            return Err(PatternError::TooManySegments);
        }
        if self.rest.is_some() {
            return Err(PatternError::RestNotLast);
        }
        let Some(inner) = piece.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) else {
            self.segments.push(Segment::Literal(read_literal(piece)?.into()));
            return Ok(());
        };
        if let Some(name) = inner.strip_prefix('*') {
            self.rest = Some(self.new_name(name)?);
        } else {
            let name = self.new_name(inner)?;
            self.segments.push(Segment::Parameter(name.into()));
        }
        Ok(())
    }

    fn new_name(&mut self, name: &'a str) -> Result<&'a str, PatternError> {
        if name.contains(['{', '}']) {
            return Err(PatternError::Brace);
        }
        if name.contains(':') {
            return Err(PatternError::Constraint);
        }
        let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'_');
        if !name.bytes().next().is_some_and(letter) || !name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit()) {
            return Err(PatternError::ParameterName);
        }
        if self.names.contains(&name) {
            return Err(PatternError::DuplicateName);
        }
        self.names.push(name);
        Ok(name)
    }
}

/// The characters by which other frameworks mark a parameter or an expression, and how a literal that has one is written.
const MARKS: [(char, &str); 6] = [('$', "%24"), ('(', "%28"), (':', "%3A"), ('<', "%3C"), ('[', "%5B"), ('^', "%5E")];

/// Writes a literal segment so that it is read as the same literal.
pub fn literal(text: &str) -> Cow<'_, str> {
    if !is_foreign(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(MARKS.iter().fold(text.to_owned(), |text, (mark, escape)| text.replace(*mark, escape)))
}

/// Reads a literal segment, in which characters may be written as in [`MARKS`].
fn read_literal(piece: &str) -> Result<Cow<'_, str>, PatternError> {
    let mut read = String::new();
    // The same segment with what is no mark in the place of each character that is written encoded.
    let mut unmarked = String::new();
    let mut rest = piece;
    while let Some((before, after)) = rest.split_once('%') {
        let escaped = |(_, escape): &&(char, &str)| {
            let digits = escape.get(1..).unwrap_or_default();
            after.get(..digits.len()).is_some_and(|head| head.eq_ignore_ascii_case(digits))
        };
        let (mark, escape) = MARKS.iter().find(escaped).ok_or(PatternError::Percent)?;
        read.extend([before, mark.encode_utf8(&mut [0; 4])]);
        unmarked.extend([before, "-"]);
        rest = after.get(escape.len().saturating_sub(1)..).unwrap_or_default();
    }
    unmarked.push_str(rest);
    if is_foreign(&unmarked) {
        return Err(PatternError::ForeignParameter);
    }
    check_literal(&unmarked)?;
    if read.is_empty() {
        return Ok(Cow::Borrowed(piece));
    }
    read.push_str(rest);
    Ok(Cow::Owned(read))
}

/// Returns true if a segment holds a parameter or an expression in another syntax: `:id`, `@:id`, `$id`, `$(ID)`, `<id>.json`, `v<id>`,
/// `[id]`, `(a|b)c`, `^a`. A custom method such as `things:cancel`, and calls such as `Products(1)`, are none.
fn is_foreign(piece: &str) -> bool {
    let named = |rest: &str| rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    piece.char_indices().any(|(at, mark)| {
        let (before, after) =
            (piece.get(..at).unwrap_or_default(), piece.get(at.saturating_add(1)..).unwrap_or_default());
        let begins = !before.ends_with(char::is_alphanumeric);
        match mark {
            ':' => begins && named(after),
            '$' => (before.is_empty() && named(after)) || (after.starts_with('(') && after.contains(')')),
            '<' => after.contains('>'),
            '[' => after.contains(']') && (before.is_empty() || named(after) || after.starts_with('.')),
            '(' => after.contains(')') && (before.is_empty() || after.contains('|')),
            '^' => before.is_empty(),
            _ => false,
        }
    })
}

fn check_literal(text: &str) -> Result<&str, PatternError> {
    match text {
        "" => return Err(PatternError::EmptySegment),
        "." | ".." => return Err(PatternError::DotSegment),
        _ => {}
    }
    check_characters(text).map(|()| text)
}

fn check_characters(text: &str) -> Result<(), PatternError> {
    for character in text.chars() {
        match character {
            '{' | '}' => return Err(PatternError::Brace),
            '%' => return Err(PatternError::Percent),
            '*' => return Err(PatternError::Asterisk),
            '\\' | ';' | '?' | '#' => return Err(PatternError::IllegalCharacter),
            other if other.is_control() => return Err(PatternError::IllegalCharacter),
            _ => {}
        }
    }
    Ok(())
}
