//! The request method. Owns which words are one; knows no list of methods and no meaning of any.

/// The longest method that is read, in bytes. The longest registered one has 17 (IANA HTTP Method Registry).
const MAX_BYTES: usize = 32;

/// A method as RFC 9110 §9.1 has it: a case-sensitive token. One with lower-case letters is not accepted, because a
/// module that folds case would read another method than the one that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method<'a>(&'a str);

impl Method<'static> {
    /// `GET`: for look-ups to which the method makes no difference.
    pub(crate) const GET: Self = Self("GET");
}

impl<'a> Method<'a> {
    /// Reads a method, from a request or from a rule.
    ///
    /// # Errors
    /// What [`MethodError`] names.
    pub fn parse(raw: &'a str) -> Result<Self, MethodError> {
        if raw.is_empty() {
            return Err(MethodError::Empty);
        }
        if raw.len() > MAX_BYTES {
            return Err(MethodError::TooLong);
        }
        for (at, byte) in raw.bytes().enumerate() {
            match byte {
                b'a'..=b'z' => return Err(MethodError::LowerCase(at)),
                byte if is_token_byte(byte) => {}
                _ => return Err(MethodError::NotAToken(at)),
            }
        }
        Ok(Self(raw))
    }

    /// The method, as it was sent.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Why a method is refused. The numbers are offsets in bytes from 0. No message repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// No method at all.
    #[error("the method is empty")]
    Empty,
    /// More than 32 bytes.
    #[error("the method is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A letter from `a` to `z`.
    #[error("the method has a lower-case letter at byte {0}, and methods are case-sensitive")]
    LowerCase(usize),
    /// A byte that no token holds (RFC 9110 §5.6.2).
    #[error("the method's byte {0} is not one of a token")]
    NotAToken(usize),
}

/// `tchar` of RFC 9110 §5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::{Method, MethodError};
    use std::collections::HashSet;

    #[test]
    fn tokens_in_upper_case_are_methods() {
        for raw in ["GET", "M-SEARCH", "X", "BASELINE-CONTROL", "A1!#$%&'*+-.^_`|~", &"X".repeat(32)] {
            assert_eq!(Method::parse(raw).map(Method::as_str), Ok(raw));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let table = [
            ("", MethodError::Empty),
            (&"X".repeat(33), MethodError::TooLong),
            ("get", MethodError::LowerCase(0)),
            ("GeT", MethodError::LowerCase(1)),
            ("GET ", MethodError::NotAToken(3)),
            (" GET", MethodError::NotAToken(0)),
            ("GET,POST", MethodError::NotAToken(3)),
            ("GET\r\n", MethodError::NotAToken(3)),
            ("G\0T", MethodError::NotAToken(1)),
            ("G\u{ca}T", MethodError::NotAToken(1)),
            ("GET/", MethodError::NotAToken(3)),
            ("GET:", MethodError::NotAToken(3)),
            ("(GET)", MethodError::NotAToken(0)),
            ("GET\x7f", MethodError::NotAToken(3)),
        ];
        for (raw, fault) in table {
            assert_eq!(Method::parse(raw), Err(fault), "{raw:?}");
        }
    }

    #[test]
    fn messages_are_unique() {
        let all = [MethodError::Empty, MethodError::TooLong, MethodError::LowerCase(7), MethodError::NotAToken(7)];
        let numbers: HashSet<_> = all.into_iter().map(number).collect();
        let messages: HashSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!((numbers.len(), messages.len()), (4, 4));
    }

    /// A new variant does not compile until it has a number, and so a place in the list above.
    const fn number(fault: MethodError) -> u8 {
        match fault {
            MethodError::Empty => 1,
            MethodError::TooLong => 2,
            MethodError::LowerCase(_) => 3,
            MethodError::NotAToken(_) => 4,
        }
    }
}
