//! The request target: the one canonical path that `authz::router` matches with rules, and the uninterpreted query. Ambiguous targets are
//! rejected.
//!
//! The path of the decision must be the path that Envoy forwards and that every module understands in the same way. So nothing is repaired:
//! a target that two readers could read differently is rejected.
//!
//! | in the target | result | reason |
//! |---|---|---|
//! | nothing | [`PathError::Empty`] | there is no path to decide on |
//! | more than `request.max_target` bytes, 8,192 by default | [`PathError::TooLong`] | limits the work and the memory of a check |
//! | absolute form, authority form, `*` | [`PathError::NotOriginForm`] | the request would name the host twice (RFC 9112 §3.2) |
//! | `//` | [`PathError::EmptySegment`] | some merge slashes, some read `//name` as an authority |
//! | segment `.` or `..` | [`PathError::DotSegment`] | some resolve it, some don't (RFC 3986 §5.2.4) |
//! | `%2e` anywhere | [`PathError::EncodedDot`] | a dot segment, or a needless escape |
//! | `\`, `%5c` | [`PathError::Backslash`] | some read it as `/` |
//! | `%2f` | [`PathError::EncodedSlash`] | one segment or two |
//! | `;`, `%3b` | [`PathError::Semicolon`] | some cut matrix parameters off, even from `..;` |
//! | `#`, `%23`; in the query only `#` | [`PathError::NumberSign`] | some cut a fragment off; a request target has none |
//! | `%3f` | [`PathError::EncodedQuestionMark`] | a second decoder finds a query |
//! | any other byte that is not a `pchar` (RFC 3986 §3.3) | [`PathError::IllegalByte`] | controls, space, non-ASCII, `"<>[]^{}` and so on must be encoded |
//! | `%` without two hex digits | [`PathError::MalformedEscape`] | readers keep, drop or reject it |
//! | `%25` before two hex digits | [`PathError::DoubleEncoding`] | a reader that decodes twice sees another path |
//! | `%41`, `%7E`: an encoded unreserved character | [`PathError::EncodedUnreserved`] | must not be made (RFC 3986 §2.3); some compare undecoded |
//! | `%00`-`%1f`, `%7f`, encoded U+0080-U+009F | [`PathError::EncodedControl`] | ends, splits or hides text |
//! | escapes that are not UTF-8, overlong forms too | [`PathError::InvalidUtf8`] | decoders guess (RFC 3629 §3) |
//! | in the query: a byte outside `0x21`-`0x7e` | [`PathError::IllegalQueryByte`] | no hop should forward it |
//! | `/` at the end | accepted, is the same path for rules | `/a/` and `/a` have the same segments |
//! | any other `%25` | accepted, decoded to `%` | `/100%25` can only be read in one way |
//! | an encoded ``!$&'()*+,:=@`` | accepted, decoded | most clients encode some of them, and modules decode them |
//! | any other encoded text, also bidirectional and zero-width characters | accepted, decoded | legitimate names use them; text is compared exactly, with no case folding and no Unicode normalisation |
//!
//! Two accepted targets with the same [`CanonicalPath::as_str`] differ only in the case of hex digits, and in which of ``!$&'()*+,:=@`` are
//! encoded. Encoding it again gives the original path except for these. A path without escapes is its own canonical form.

#[cfg(test)]
mod tests;

use super::percent::{RESERVED, encode, is_unreserved, take_byte, take_escape, unescape};
use percent_encoding::AsciiSet;
use std::borrow::Cow;
use std::fmt;

/// The longest request target that is read by default, in bytes, query included. A longer one is rejected.
pub const MAX_TARGET_BYTES: usize = 8192;

/// A parsed request target in origin form (RFC 9112 §3.2.1).
#[derive(Clone)]
pub struct RequestTarget<'a> {
    /// The path that rules match.
    pub path: CanonicalPath<'a>,
    /// The text after the first `?`, as it was sent. `Some("")` if it is empty, `None` without a `?`.
    pub query: Option<&'a str>,
}

impl<'a> RequestTarget<'a> {
    /// Parses a target as Envoy sends it: undecoded, with its query.
    ///
    /// # Errors
    /// One `PathError`, of the path before the query; see the table of this module.
    pub fn parse(raw: &'a [u8]) -> Result<Self, PathError> {
        Self::parse_within(raw, MAX_TARGET_BYTES)
    }

    /// Parses a target of at most this number of bytes.
    ///
    /// # Errors
    /// One `PathError`, as [`parse`](Self::parse).
    pub fn parse_within(raw: &'a [u8], limit: usize) -> Result<Self, PathError> {
        match raw.first() {
            None => return Err(PathError::Empty),
            Some(_) if raw.len() > limit => return Err(PathError::TooLong { found: raw.len(), limit }),
            Some(b'/') => {}
            Some(_) => return Err(PathError::NotOriginForm),
        }
        let mut parts = raw.splitn(2, |byte| *byte == b'?');
        let path = CanonicalPath::parse(parts.next().unwrap_or_default())?;
        let query = parts.next().map(|query| parse_query(raw, query)).transpose()?;
        Ok(Self { path, query })
    }
}

/// Shows the length of the query only: its content may include a credential.
impl fmt::Debug for RequestTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTarget")
            .field("path", &self.path)
            .field("query_bytes", &self.query.map(str::len))
            .finish()
    }
}

/// A percent-decoded path with only one reading. Its segments have no `/`, and none is empty, `.` or `..`.
#[derive(Debug, Clone)]
pub struct CanonicalPath<'a>(Cow<'a, str>);

impl<'a> CanonicalPath<'a> {
    /// Returns the decoded path, with the trailing slash if one was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the decoded path as rules match it: without a trailing slash, which they ignore. `/` stays `/`.
    #[must_use]
    pub fn without_trailing_slash(&self) -> &str {
        match self.0.strip_suffix('/') {
            Some("") | None => &self.0,
            Some(path) => path,
        }
    }

    /// Returns the decoded segments from the left. `/` has none; a trailing slash adds none.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        // The only empty pieces are before the first slash and after a trailing one.
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Returns the first decoded segment, which names the module or a reserved path. `None` for `/`.
    #[must_use]
    pub fn first_segment(&self) -> Option<&str> {
        self.segments().next()
    }

    /// Parses a path; `raw` starts with `/` and has no `?`.
    fn parse(raw: &'a [u8]) -> Result<Self, PathError> {
        let mut escaped = false;
        for (at, byte) in raw.iter().enumerate() {
            match byte {
                byte if is_unreserved(*byte) || is_reserved_and_harmless(*byte) => {}
                b'/' => check_segment_start(raw.get(at..).unwrap_or_default(), at)?,
                b'%' => {
                    check_escape(raw.get(at..).unwrap_or_default(), at)?;
                    escaped = true;
                }
                b'\\' => return Err(PathError::Backslash(at)),
                b';' => return Err(PathError::Semicolon(at)),
                b'#' => return Err(PathError::NumberSign(at)),
                _ => return Err(PathError::IllegalByte(at)),
            }
        }
        if escaped {
            return decode(raw).map(|text| Self(Cow::Owned(text)));
        }
        match str::from_utf8(raw) {
            Ok(text) => Ok(Self(Cow::Borrowed(text))),
            Err(error) => Err(PathError::InvalidUtf8(error.valid_up_to())),
        }
    }
}

/// All ASCII characters that a path can hold only encoded, apart from its slashes.
const ENCODED: &AsciiSet = &RESERVED
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// Encodes the text of a [`CanonicalPath`], as logs have it. Parsed again, it is the same path.
#[must_use]
pub fn encode_canonical(path: &str) -> String {
    encode(path, ENCODED)
}

/// The reason why a request target is rejected. The numbers are offsets in the target, in bytes from 0. No message repeats the client's
/// input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The target is empty, as with CONNECT (RFC 9113 §8.5).
    #[error("the request target is empty")]
    Empty,
    /// More bytes than `request.max_target`, by default [`MAX_TARGET_BYTES`].
    #[error("the path and query have {found} bytes, and `request.max_target` allows {limit}")]
    TooLong {
        /// The length of the target, in bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Absolute, authority or asterisk form (RFC 9112 §3.2.2-§3.2.4).
    #[error("the request target does not start with `/`")]
    NotOriginForm,
    /// `//`.
    #[error("two slashes in a row start at byte {0}")]
    EmptySegment(usize),
    /// `.` or `..` as a whole segment.
    #[error("a `.` or `..` segment follows the slash at byte {0}")]
    DotSegment(usize),
    /// `%2e`, in a dot segment or elsewhere.
    #[error("a percent-encoded dot is at byte {0}")]
    EncodedDot(usize),
    /// A backslash.
    #[error("a backslash, plain or percent-encoded, is at byte {0}")]
    Backslash(usize),
    /// `%2f`.
    #[error("a percent-encoded slash is at byte {0}")]
    EncodedSlash(usize),
    /// A semicolon.
    #[error("a semicolon, plain or percent-encoded, is at byte {0}")]
    Semicolon(usize),
    /// `#`, which would begin a fragment.
    #[error("a number sign, plain or percent-encoded, is at byte {0}")]
    NumberSign(usize),
    /// `%3f`.
    #[error("a percent-encoded question mark is at byte {0}")]
    EncodedQuestionMark(usize),
    /// A byte that must be encoded in a path.
    #[error("the path's byte {0} must be percent-encoded")]
    IllegalByte(usize),
    /// `%` without two hex digits.
    #[error("the percent sign at byte {0} is not followed by two hex digits")]
    MalformedEscape(usize),
    /// A path that is still an escape after decoding.
    #[error("the text at byte {0} is percent-encoded twice")]
    DoubleEncoding(usize),
    /// A letter, a digit, `-`, `_` or `~` that was encoded; the dot has [`Self::EncodedDot`].
    #[error("a character that needs no percent-encoding is encoded at byte {0}")]
    EncodedUnreserved(usize),
    /// A C0 or C1 control character or DEL.
    #[error("a percent-encoded control character is at byte {0}")]
    EncodedControl(usize),
    /// Escapes that don't decode to UTF-8.
    #[error("the percent-encoded text at byte {0} is not UTF-8")]
    InvalidUtf8(usize),
    /// A control, a space or a non-ASCII byte after the `?`.
    #[error("the query's byte {0}, counted from the target's start, is not printable ASCII")]
    IllegalQueryByte(usize),
}

/// Returns true for the other characters of a segment (RFC 3986 §3.3), without the semicolon.
const fn is_reserved_and_harmless(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b':' | b'=' | b'@')
}

/// Checks the start of a segment; `tail` is the rest of the path from a slash on.
fn check_segment_start(tail: &[u8], at: usize) -> Result<(), PathError> {
    match tail {
        [_, b'/', ..] => Err(PathError::EmptySegment(at)),
        [_, b'.'] | [_, b'.', b'/', ..] | [_, b'.', b'.'] | [_, b'.', b'.', b'/', ..] => Err(PathError::DotSegment(at)),
        _ => Ok(()),
    }
}

/// Checks an escape; `tail` is the rest of the path from a percent sign on.
fn check_escape(tail: &[u8], at: usize) -> Result<(), PathError> {
    let [_, high, low, after @ ..] = tail else { return Err(PathError::MalformedEscape(at)) };
    match unescape(*high, *low).ok_or(PathError::MalformedEscape(at))? {
        b'.' => Err(PathError::EncodedDot(at)),
        byte if is_unreserved(byte) => Err(PathError::EncodedUnreserved(at)),
        b'/' => Err(PathError::EncodedSlash(at)),
        b'\\' => Err(PathError::Backslash(at)),
        b';' => Err(PathError::Semicolon(at)),
        b'#' => Err(PathError::NumberSign(at)),
        b'?' => Err(PathError::EncodedQuestionMark(at)),
        // An encoded hex digit is rejected on its own, so it is enough to check the digits as sent.
        b'%' => match after {
            [high, low, ..] if unescape(*high, *low).is_some() => Err(PathError::DoubleEncoding(at)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Decodes a path whose escapes are well-formed.
fn decode(raw: &[u8]) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, after)) = take_decoded(rest) {
        decoded.push(byte);
        rest = after;
    }
    let text = String::from_utf8(decoded)
        .map_err(|error| PathError::InvalidUtf8(raw_offset(raw, error.utf8_error().valid_up_to())))?;
    // Not sooner: U+0080-U+009F become visible only in the decoded UTF-8.
    match text.find(char::is_control) {
        Some(offset) => Err(PathError::EncodedControl(raw_offset(raw, offset))),
        None => Ok(text),
    }
}

/// Returns the next decoded byte, and the rest; `None` at the end.
fn take_decoded(raw: &[u8]) -> Option<(u8, &[u8])> {
    take_escape(raw).or_else(|| take_byte(raw))
}

/// Returns the offset in `raw` of the byte at `decoded_offset`. Only for messages.
fn raw_offset(raw: &[u8], decoded_offset: usize) -> usize {
    let rest = (0..decoded_offset).try_fold(raw, |rest, _| take_decoded(rest).map(|(_, after)| after));
    raw.len().saturating_sub(rest.unwrap_or_default().len())
}

/// Parses a query, which is the end of `raw`.
fn parse_query<'a>(raw: &[u8], query: &'a [u8]) -> Result<&'a str, PathError> {
    let start = raw.len().saturating_sub(query.len());
    for (at, byte) in raw.iter().enumerate().skip(start) {
        match byte {
            b'#' => return Err(PathError::NumberSign(at)),
            0x21..=0x7e => {}
            _ => return Err(PathError::IllegalQueryByte(at)),
        }
    }
    str::from_utf8(query).map_err(|error| PathError::IllegalQueryByte(start.saturating_add(error.valid_up_to())))
}
