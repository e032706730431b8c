//! The request target: the one canonical path that rules are compared with, and the query beside it. Owns what is
//! refused as ambiguous. Compares with no rule (that is `authz::router`) and never looks into the query.
//!
//! The path that is decided on has to be the path that Envoy forwards and that every module understands in the same
//! way. So nothing is repaired: what two readers could read in two ways is refused.
//!
//! | in the target | what happens | why |
//! |---|---|---|
//! | nothing | [`PathError::Empty`] | there is no path to decide on |
//! | more than 8,192 bytes | [`PathError::TooLong`] | bounds the work and the memory of a check |
//! | absolute form, authority form, `*` | [`PathError::NotOriginForm`] | the host would stand in two places (RFC 9112 §3.2) |
//! | `//` | [`PathError::EmptySegment`] | some merge slashes, some read `//name` as an authority |
//! | segment `.` or `..` | [`PathError::DotSegment`] | some resolve it, some don't (RFC 3986 §5.2.4) |
//! | `%2e` anywhere | [`PathError::EncodedDot`] | a dot segment, or a needless escape |
//! | `\`, `%5c` | [`PathError::Backslash`] | some read it as `/` |
//! | `%2f` | [`PathError::EncodedSlash`] | one segment or two |
//! | `;`, `%3b` | [`PathError::Semicolon`] | some cut matrix parameters off, even from `..;` |
//! | `#`, `%23`; in the query only `#` | [`PathError::NumberSign`] | some cut a fragment off; a request target has none |
//! | `%3f` | [`PathError::EncodedQuestionMark`] | a second decoder finds a query |
//! | any other byte that is not a `pchar` (RFC 3986 §3.3) | [`PathError::IllegalByte`] | controls, space, non-ASCII, `"<>[]^{}` and so on have to be encoded |
//! | `%` without two hex digits | [`PathError::MalformedEscape`] | kept, dropped or refused, as each reader likes |
//! | `%25` before two hex digits | [`PathError::DoubleEncoding`] | whoever decodes twice sees another path |
//! | `%41`, `%7E`: an encoded unreserved character | [`PathError::EncodedUnreserved`] | must not be made (RFC 3986 §2.3); some compare undecoded |
//! | `%00`-`%1f`, `%7f`, encoded U+0080-U+009F | [`PathError::EncodedControl`] | ends, splits or hides text |
//! | escapes that are not UTF-8, overlong forms too | [`PathError::InvalidUtf8`] | decoders guess (RFC 3629 §3) |
//! | in the query: a byte outside `0x21`-`0x7e` | [`PathError::IllegalQueryByte`] | not to be forwarded by anybody |
//! | `/` at the end | accepted, makes no other path for rules | `/a/` and `/a` have the same segments |
//! | any other `%25` | accepted, decoded to `%` | `/100%25` can only be read in one way |
//! | an encoded ``!$&'()*+,:=@`` | accepted, decoded | most clients encode some of them, and modules decode them |
//! | any other encoded text, also bidirectional and zero-width characters | accepted, decoded | honest names use them; text is compared exactly, with no case folding and no Unicode normalisation |
//!
//! Two accepted targets with the same [`CanonicalPath::as_str`] differ only in the case of hex digits and in which of
//! ``!$&'()*+,:=@`` are encoded; encoding it again gives the path that was sent, but for these. A path without escapes
//! is its own canonical form.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

/// The longest request target that is read, in bytes, query and all.
pub const MAX_TARGET_BYTES: usize = 8192;

/// A request target in origin form (RFC 9112 §3.2.1), taken apart.
#[derive(Clone)]
pub struct RequestTarget<'a> {
    /// What rules are compared with.
    pub path: CanonicalPath<'a>,
    /// What follows the first `?`, as it was sent. `Some("")` when nothing follows, `None` when there is no `?`.
    pub query: Option<&'a str>,
}

impl<'a> RequestTarget<'a> {
    /// Reads a target as Envoy sends it: undecoded, with its query.
    ///
    /// # Errors
    /// One fault, of the path before the query; see the table of this module.
    pub fn parse(raw: &'a [u8]) -> Result<Self, PathError> {
        match raw.first() {
            None => return Err(PathError::Empty),
            Some(_) if raw.len() > MAX_TARGET_BYTES => return Err(PathError::TooLong),
            Some(b'/') => {}
            Some(_) => return Err(PathError::NotOriginForm),
        }
        let mut parts = raw.splitn(2, |byte| *byte == b'?');
        let path = CanonicalPath::parse(parts.next().unwrap_or_default())?;
        let query = parts.next().map(|query| parse_query(raw, query)).transpose()?;
        Ok(Self { path, query })
    }
}

/// Shows how long the query is and not what it says: it may carry a credential.
impl fmt::Debug for RequestTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTarget")
            .field("path", &self.path)
            .field("query_bytes", &self.query.map(str::len))
            .finish()
    }
}

/// A path that can be read in one way only, percent-decoded. Its segments hold no `/`, and none is empty, `.` or `..`.
#[derive(Debug, Clone)]
pub struct CanonicalPath<'a>(Cow<'a, str>);

impl<'a> CanonicalPath<'a> {
    /// The decoded path, with the trailing slash if one was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The decoded path as rules see it: without a trailing slash, which makes no other path for them. `/` stays `/`.
    #[must_use]
    pub fn without_trailing_slash(&self) -> &str {
        match self.0.strip_suffix('/') {
            Some("") | None => &self.0,
            Some(path) => path,
        }
    }

    /// The decoded segments from the left. `/` has none; a trailing slash adds none.
    pub fn segments(&self) -> impl Iterator<Item = &str> + Clone {
        // The only empty pieces stand before the first slash and after a trailing one.
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// The first decoded segment: what names the module, or a reserved place. `None` for `/`.
    #[must_use]
    pub fn first_segment(&self) -> Option<&str> {
        self.segments().next()
    }

    /// `raw` starts with `/` and holds no `?`.
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

/// Why a request target is refused. The numbers are offsets in the target, in bytes from 0. No message repeats what
/// was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No target at all, as CONNECT sends none (RFC 9113 §8.5).
    #[error("the request target is empty")]
    Empty,
    /// More than [`MAX_TARGET_BYTES`].
    #[error("the request target is longer than {MAX_TARGET_BYTES} bytes")]
    TooLong,
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
    #[error("a percent-encoded dot stands at byte {0}")]
    EncodedDot(usize),
    /// A backslash.
    #[error("a backslash, plain or percent-encoded, stands at byte {0}")]
    Backslash(usize),
    /// `%2f`.
    #[error("a percent-encoded slash stands at byte {0}")]
    EncodedSlash(usize),
    /// A semicolon.
    #[error("a semicolon, plain or percent-encoded, stands at byte {0}")]
    Semicolon(usize),
    /// `#`, which would begin a fragment.
    #[error("a number sign, plain or percent-encoded, stands at byte {0}")]
    NumberSign(usize),
    /// `%3f`.
    #[error("a percent-encoded question mark stands at byte {0}")]
    EncodedQuestionMark(usize),
    /// A byte that may only stand in a path when it is encoded.
    #[error("the path's byte {0} is one that a path may only hold percent-encoded")]
    IllegalByte(usize),
    /// `%` without two hex digits.
    #[error("the percent sign at byte {0} is not followed by two hex digits")]
    MalformedEscape(usize),
    /// A path that is still an escape when it has been decoded.
    #[error("the text at byte {0} is percent-encoded twice")]
    DoubleEncoding(usize),
    /// A letter, a digit, `-`, `_` or `~` that was encoded; the dot has [`Self::EncodedDot`].
    #[error("a character that needs no percent-encoding is encoded at byte {0}")]
    EncodedUnreserved(usize),
    /// A C0 or C1 control character or DEL.
    #[error("a percent-encoded control character stands at byte {0}")]
    EncodedControl(usize),
    /// Escapes that don't decode to UTF-8.
    #[error("the percent-encoded text at byte {0} is not UTF-8")]
    InvalidUtf8(usize),
    /// A control, a space or a non-ASCII byte after the `?`.
    #[error("the query's byte {0}, counted from the target's start, is not printable ASCII")]
    IllegalQueryByte(usize),
}

/// RFC 3986 §2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What RFC 3986 §3.3 allows in a segment beside unreserved characters and escapes, without the semicolon.
const fn is_reserved_and_harmless(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b':' | b'=' | b'@')
}

/// `tail` is the rest of the path from a slash on.
fn check_segment_start(tail: &[u8], at: usize) -> Result<(), PathError> {
    match tail {
        [_, b'/', ..] => Err(PathError::EmptySegment(at)),
        [_, b'.'] | [_, b'.', b'/', ..] | [_, b'.', b'.'] | [_, b'.', b'.', b'/', ..] => Err(PathError::DotSegment(at)),
        _ => Ok(()),
    }
}

/// `tail` is the rest of the path from a percent sign on.
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
        // An encoded hex digit is refused on its own, so it is enough to look at the digits as they were sent.
        b'%' => match after {
            [high, low, ..] if unescape(*high, *low).is_some() => Err(PathError::DoubleEncoding(at)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The byte that two hex digits stand for.
fn unescape(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from((high << 4) | low).ok()
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
    // Not sooner: U+0080-U+009F only show once the UTF-8 has been put together.
    match text.find(char::is_control) {
        Some(offset) => Err(PathError::EncodedControl(raw_offset(raw, offset))),
        None => Ok(text),
    }
}

/// The next decoded byte, and what follows it.
fn take_decoded(raw: &[u8]) -> Option<(u8, &[u8])> {
    match raw {
        [b'%', high, low, after @ ..] => Some((unescape(*high, *low)?, after)),
        [byte, after @ ..] => Some((*byte, after)),
        [] => None,
    }
}

/// Where in `raw` the decoded byte `decoded_offset` stands. Only for messages.
fn raw_offset(raw: &[u8], decoded_offset: usize) -> usize {
    let rest = (0..decoded_offset).try_fold(raw, |rest, _| take_decoded(rest).map(|(_, after)| after));
    raw.len().saturating_sub(rest.unwrap_or_default().len())
}

/// `query` is the end of `raw`.
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
