//! Conversion of OpenAPI path templates to the path patterns of rules. If no pattern is exact, a wider one is used and
//! reported.

use modgud_core::authz::{Case, MAX_SEGMENTS, ModuleReading, PathPattern, PatternError, pattern_literal};
use modgud_core::http::path::{PathError, RequestTarget};

/// A template as a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The pattern as in rules.
    pub(super) text: String,
    /// The pattern without parameter names: equal for patterns that match the same requests.
    pub(super) shape: String,
    /// The shape with the letter case of the template.
    pub(super) spelled: String,
    /// The segments of the template.
    pub(super) segments: Vec<Segment>,
    /// Precision of the pattern compared with the template.
    pub(super) reach: MatchPrecision,
}

/// A segment of a path, or all that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// Any segment.
    Parameter,
    /// A part of a segment: a rule matches any segment, the template only some.
    Part(String),
    /// All remaining segments.
    Rest,
}

/// Formats segments as a text that is equal for those that rules can't distinguish.
pub(super) fn shape(segments: &[Segment]) -> String {
    let one = |segment: &Segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter | Segment::Part(_) => "/{}".to_owned(),
        Segment::Rest => "/{*}".to_owned(),
    };
    segments.iter().map(one).collect()
}

/// Precision of a pattern compared with its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MatchPrecision {
    Exact,
    Wider,
}

/// Reasons why a template can't be a rule's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It does not begin with `/`.
    #[error("a path starts with `/`")]
    NotAbsolute,
    /// A query or a fragment.
    #[error("a path has no `?` and no `#`; use parameters for a query")]
    QueryOrFragment,
    /// Unbalanced braces.
    #[error("its braces don't match")]
    Brace,
    /// A literal brace: decoded, as patterns are, it would begin or end a parameter.
    #[error("no rule's path can contain `%7B` or `%7D`")]
    EncodedBrace,
    /// A parameter that may contain slashes before the end of the path.
    #[error("`{{…+}}` or an expression after a colon can match several segments only at the end of a path")]
    Greedy,
    /// Text that is invalid in a request's path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Text that is invalid in a pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Parses a template below some literal segments, such as a module's prefix; they may be empty.
pub(super) fn read(below: &str, template: &str) -> Result<Pattern, TemplateError> {
    let inner = template.strip_prefix('/').ok_or(TemplateError::NotAbsolute)?;
    if template.contains(['?', '#']) {
        return Err(TemplateError::QueryOrFragment);
    }
    let mut parts = Parts::default();
    let pieces: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
    // Bounds the quadratic comparison of parameter names.
    if pieces.len() > MAX_SEGMENTS {
        return Err(PatternError::TooManySegments.into());
    }
    if !inner.is_empty() {
        for (number, piece) in (1_usize..).zip(&pieces) {
            parts.push(piece, if number == pieces.len() { Position::Last } else { Position::Before })?;
        }
    }
    let Parts { text, segments: own, reach, .. } = parts;
    let text = if text.is_empty() && below.is_empty() { "/".to_owned() } else { format!("{below}{text}") };
    PathPattern::parse(&text)?;
    let mut segments: Vec<Segment> = plain(below).map(|segment| Segment::Literal(segment.to_owned())).collect();
    segments.extend(own);
    let shape = shape(&segments);
    Ok(Pattern { text, spelled: shape.clone(), shape, segments, reach })
}

impl Pattern {
    /// Applies a module's case folding below a prefix of `depth` segments.
    pub(super) fn read_by(mut self, module: &ModuleReading, depth: usize) -> Self {
        if module.case == Case::Fold {
            for segment in self.segments.iter_mut().skip(depth) {
                if let Segment::Literal(text) = segment {
                    text.make_ascii_lowercase();
                }
            }
        }
        self.shape = module.folded(&shape(&self.segments)).into_owned();
        self
    }
}

/// Returns the shape of the path without the module's suffix; `None` if it has none.
pub(super) fn without_suffix(segments: &[Segment], module: &ModuleReading, depth: usize) -> Option<String> {
    let (Segment::Literal(last), before) = segments.split_last().filter(|_| segments.len() > depth)? else {
        return None;
    };
    let stem = Segment::Literal(module.stem(last)?.to_owned());
    let segments: Vec<Segment> = before.iter().cloned().chain([stem]).collect();
    Some(module.folded(&shape(&segments)).into_owned())
}

/// Returns the segments of a literal path, such as a module's prefix.
fn plain(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Returns true if the segments begin with a prefix.
pub(super) fn begins(segments: &[Segment], prefix: &str) -> bool {
    let mut segments = segments.iter();
    plain(prefix).all(|own| matches!(segments.next(), Some(Segment::Literal(text)) if text == own))
}

/// Returns the first segment; `None` if it is not literal.
pub(super) fn first_segment(template: &str) -> Option<&str> {
    let first = template.strip_prefix('/')?.split('/').next()?;
    (!first.is_empty() && !first.contains(['{', '}'])).then_some(first)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Before,
    Last,
}

struct Parts {
    text: String,
    segments: Vec<Segment>,
    reach: MatchPrecision,
    names: Vec<String>,
}

impl Default for Parts {
    fn default() -> Self {
        Self { text: String::new(), segments: Vec::new(), reach: MatchPrecision::Exact, names: Vec::new() }
    }
}

impl Parts {
    fn push(&mut self, piece: &str, position: Position) -> Result<(), TemplateError> {
        if piece.is_empty() {
            return Err(PatternError::EmptySegment.into());
        }
        let names = names(piece)?;
        if names.is_empty() {
            let literal = literal(piece)?;
            self.text.extend(["/", &pattern_literal(&literal)]);
            self.segments.push(Segment::Literal(literal));
            return Ok(());
        }
        let whole = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')).filter(|_| names.len() == 1);
        let greedy = whole.is_some_and(is_greedy);
        let part = whole.is_none_or(|name| name.contains(':'));
        if part || greedy {
            self.reach = MatchPrecision::Wider;
        }
        // `{name:expression}` may match slashes: modgud can't know.
        if names.iter().any(|name| !is_plain_kind(name)) && (position != Position::Last || !greedy) {
            return Err(TemplateError::Greedy);
        }
        let bare: Vec<&str> = names.iter().map(|name| name.split(':').next().unwrap_or_default()).collect();
        let name = self.name(&bare.join("_"));
        let (open, segment) = match (greedy && position == Position::Last, part) {
            (true, _) => ("{*", Segment::Rest),
            (false, true) => ("{", Segment::Part(piece.to_owned())),
            (false, false) => ("{", Segment::Parameter),
        };
        self.text.extend(["/", open, &name, "}"]);
        self.segments.push(segment);
        Ok(())
    }

    /// Returns a valid and unique parameter name.
    fn name(&mut self, written: &str) -> String {
        let mut name = String::new();
        let mut before = ' ';
        for character in written.chars() {
            match character {
                'a'..='z' | '0'..='9' => name.push(character),
                'A'..='Z' => {
                    if before.is_ascii_lowercase() || before.is_ascii_digit() {
                        name.push('_');
                    }
                    name.push(character.to_ascii_lowercase());
                }
                _ if name.is_empty() || name.ends_with('_') => {}
                _ => name.push('_'),
            }
            before = character;
        }
        let name = name.trim_end_matches('_');
        let start = if name.starts_with(|first: char| first.is_ascii_lowercase()) { "" } else { "p" };
        let base = format!("{start}{name}");
        let numbered = (2_usize..).map(|number| format!("{base}_{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let name = candidates.find(|name| !self.names.contains(name)).unwrap_or(base);
        self.names.push(name.clone());
        name
    }
}

/// Returns true if a parameter is meant to contain slashes, in one of its spellings: `{path+}`, `{+path}`, `{path*}`,
/// `{path:.*}`.
fn is_greedy(name: &str) -> bool {
    match name.split_once(':') {
        Some((_, expression)) => matches!(expression, ".*" | ".+" | "*"),
        None => name.ends_with(['+', '*']) || name.starts_with(['+', '*']),
    }
}

/// Returns true if a parameter is at most one segment: without an expression, or with one that can't match a slash.
fn is_plain_kind(name: &str) -> bool {
    match name.split_once(':') {
        Some((_, expression)) => {
            matches!(
                expression,
                "int" | "uuid" | "str" | "string" | "slug" | "[0-9]+" | "\\d+" | "[a-z]+" | "[a-zA-Z0-9]+" | "[^/]+"
            )
        }
        None => !is_greedy(name),
    }
}

/// Returns the names in the braces of a segment.
fn names(piece: &str) -> Result<Vec<&str>, TemplateError> {
    let mut names = Vec::new();
    let mut rest = piece;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(TemplateError::Brace)?;
        if before.contains('}') || name.contains('{') {
            return Err(TemplateError::Brace);
        }
        names.push(name);
        rest = after;
    }
    if rest.contains('}') { Err(TemplateError::Brace) } else { Ok(names) }
}

/// Decodes a literal segment as in a request.
fn literal(piece: &str) -> Result<String, TemplateError> {
    if !piece.contains('%') {
        return Ok(piece.to_owned());
    }
    let target = format!("/{piece}");
    let RequestTarget { path, .. } = RequestTarget::parse(target.as_bytes())?;
    let literal = path.first_segment().unwrap_or_default();
    if literal.contains(['{', '}']) { Err(TemplateError::EncodedBrace) } else { Ok(literal.to_owned()) }
}
