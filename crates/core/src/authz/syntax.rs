//! The syntax of path patterns and of module prefixes, as operators write them.
//!
//! A segment of a pattern is a literal, `{name}` (exactly one segment, with any text), or, at the end, `{*name}` (all remaining
//! segments, possibly none). Literals are decoded text. A trailing slash is ignored.

use crate::http::path::MAX_TARGET_BYTES;
use std::borrow::Cow;
use std::fmt;

/// A segment of a pattern, which matches one segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// This text, compared exactly.
    Literal(Box<str>),
    /// `{name}`: any text, which is never empty.
    Parameter(Box<str>),
}

/// The reason why a pattern is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("a path pattern does not start with `/`")]
    NotAbsolute,
    /// It is longer than any request target.
    #[error("a path pattern is longer than {MAX_TARGET_BYTES} bytes, and longer paths are rejected")]
    TooLong,
    /// It has more segments than `MAX_SEGMENTS`.
    #[error("a path pattern has more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// `//`.
    #[error("a path pattern has an empty segment, and paths with `//` are rejected")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a path pattern has a `.` or `..` segment, and paths with one are rejected")]
    DotSegment,
    /// `%`: literals are written decoded, except for characters that mark a parameter in another syntax.
    #[error("a path pattern has a `%`; write it decoded, except for `%24`, `%28`, `%3A`, `%3C`, `%5B` and `%5E`")]
    Percent,
    /// A segment that is a parameter in the syntax of another framework, and would be compared literally.
    #[error(
        "a path pattern has a parameter in another syntax; write `{{id}}` for one segment, `{{*rest}}` for all that follow, and a literal character as `%24` (`$`), `%28` (`(`), `%3A` (`:`), `%3C` (`<`), `%5B` (`[`) or `%5E` (`^`)"
    )]
    ForeignParameter,
    /// A parameter with its own pattern.
    #[error(
        "a parameter can't have a pattern of its own; write `{{id}}` and check its format under `when`, or `{{*rest}}` for all that follow"
    )]
    Constraint,
    /// `\`, `;`, `?`, `#` or a control character.
    #[error("a path pattern has a `\\`, `;`, `?`, `#` or control character, and paths with one are rejected")]
    IllegalCharacter,
    /// `*` outside of braces, which resembles a wildcard but is not one.
    #[error("`*` is not a wildcard; write `{{name}}` for one segment, and `{{*rest}}` for all that follow")]
    Asterisk,
    /// A brace that does not enclose a whole segment.
    #[error("braces do not enclose a whole segment; write `{{name}}` or `{{*rest}}`")]
    Brace,
    /// A parameter's name that is empty or has other characters.
    #[error("a parameter's name is invalid; use `a`-`z`, `0`-`9` and `_`, without a digit at the start")]
    ParameterName,
    /// A repeated parameter name.
    #[error("two parameters of a path pattern have the same name")]
    DuplicateName,
    /// A segment after `{*rest}`.
    #[error("a path pattern continues after `{{*rest}}`")]
    RestNotLast,
}

/// The maximum number of segments of a pattern. It bounds the depth of the tree and of a lookup; a longer pattern is rejected.
pub const MAX_SEGMENTS: usize = 64;

/// Parses the segments of a pattern, and the name in `{*name}` if it ends in one.
///
/// # Errors
/// [`PatternError`] for invalid syntax, and for literals that no path of a request holds, because a rule that can never match
/// protects nothing.
pub(super) fn parse(text: &str) -> Result<(Vec<Segment>, Option<&str>), PatternError> {
    if text.len() > MAX_TARGET_BYTES {
        return Err(PatternError::TooLong);
    }
    let inner = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let mut parser = Parser::default();
    // `/` alone is the path without segments; any other empty piece is a double slash.
    if text != "/" {
        for piece in inner.split('/') {
            parser.push(piece)?;
        }
    }
    Ok((parser.segments, parser.rest))
}

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

/// The characters that mark a parameter or an expression in other frameworks, with their escapes in a literal.
const MARKS: [(char, &str); 6] = [('$', "%24"), ('(', "%28"), (':', "%3A"), ('<', "%3C"), ('[', "%5B"), ('^', "%5E")];

/// Writes a literal segment so that parsing returns the same literal.
#[must_use]
pub fn literal(text: &str) -> Cow<'_, str> {
    if !is_foreign(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(MARKS.iter().fold(text.to_owned(), |text, (mark, escape)| text.replace(*mark, escape)))
}

/// Parses a literal segment, in which characters may be escaped as in [`MARKS`].
fn read_literal(piece: &str) -> Result<Cow<'_, str>, PatternError> {
    let mut read = String::new();
    // The segment with a placeholder, which marks nothing, for each escaped character.
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

/// Returns true if a segment holds a parameter or an expression in another syntax. Examples: `:id`, `@:id`, `$id`, `$(ID)`,
/// `<id>.json`, `v<id>`, `[id]`, `(a|b)c`, `^a`. A custom method such as `things:cancel`, and a call such as `Products(1)`, are
/// plain literals.
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

fn check_literal(text: &str) -> Result<(), PatternError> {
    match text {
        "" => return Err(PatternError::EmptySegment),
        "." | ".." => return Err(PatternError::DotSegment),
        _ => {}
    }
    let error = |character: char| match character {
        '{' | '}' => Some(PatternError::Brace),
        '%' => Some(PatternError::Percent),
        '*' => Some(PatternError::Asterisk),
        '\\' | ';' | '?' | '#' => Some(PatternError::IllegalCharacter),
        other if other.is_control() => Some(PatternError::IllegalCharacter),
        _ => None,
    };
    text.chars().find_map(error).map_or(Ok(()), Err)
}

/// One or more literal segments, each in the only spelling that Envoy and modgud read identically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModulePrefix {
    segments: Box<[Segment]>,
    text: Box<str>,
}

/// The reason why a prefix is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// `/`, which would match everything.
    #[error("the prefix of a module has no segment; write one such as `/crm`")]
    Root,
    /// Braces of a parameter.
    #[error(
        "the prefix of a module has a parameter; write plain segments such as `/crm`, which include every path below"
    )]
    Parameter,
    /// Characters that clients must or may encode.
    #[error(
        "the prefix of a module has a character that clients may encode; use letters, digits, `-`, `.`, `_` and `~`"
    )]
    Character,
    /// A text that is not a valid path pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl ModulePrefix {
    /// Parses a prefix. A trailing slash is ignored.
    ///
    /// # Errors
    /// The [`PrefixError`] of the text.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Err(PrefixError::Root);
        }
        if text.contains(['{', '}']) {
            return Err(PrefixError::Parameter);
        }
        let below = format!("{text}/{{*rest}}");
        let (segments, _) = parse(&below)?;
        let plain =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '/' | '-' | '.' | '_' | '~');
        if !text.chars().all(plain) {
            return Err(PrefixError::Character);
        }
        Ok(Self { segments: segments.into(), text: text.into() })
    }

    /// Returns the prefix without a trailing slash, such as `/crm`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the first segment, which is compared with the reserved names.
    #[must_use]
    pub fn first(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Literal(first)) => first,
            Some(Segment::Parameter(_)) | None => "",
        }
    }

    /// Returns the number of segments.
    #[must_use]
    pub const fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Returns the segments, which are all literals.
    pub(super) const fn literals(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for ModulePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
