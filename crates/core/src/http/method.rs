//! The request method: any uppercase token, without a list of known ones.

use crate::http::header::is_token_byte;

/// The longest method that is read, in bytes. The longest registered one has 17 (IANA HTTP Method Registry). A longer one is rejected.
const MAX_BYTES: usize = 32;

/// A method according to RFC 9110 §9.1: a case-sensitive token. Lower-case letters are rejected, because a module that folds case would
/// read another method than the checked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method<'a>(&'a str);

impl<'a> Method<'a> {
    /// Parses a method of a request or a rule.
    ///
    /// # Errors
    /// [`MethodError`] with the reason.
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

    /// Returns the method, as it was sent.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// The reason why a method is rejected. The numbers are offsets in bytes from 0. No message repeats the client's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// The method is empty.
    #[error("the method is empty")]
    Empty,
    /// More than 32 bytes.
    #[error("the method is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A letter from `a` to `z`.
    #[error("the method has a lower-case letter at byte {0}, and methods are case-sensitive")]
    LowerCase(usize),
    /// A byte that is not a token character (RFC 9110 §5.6.2).
    #[error("the method's byte {0} is not a token character")]
    NotAToken(usize),
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
        for (raw, error) in table {
            assert_eq!(Method::parse(raw), Err(error), "{raw:?}");
        }
    }

    #[test]
    fn messages_are_unique() {
        let all = [MethodError::Empty, MethodError::TooLong, MethodError::LowerCase(7), MethodError::NotAToken(7)];
        let numbers: HashSet<_> = all.into_iter().map(number).collect();
        let messages: HashSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!((numbers.len(), messages.len()), (4, 4));
    }

    /// Returns a number for each variant. A new one does not compile until it has a number, and thus an entry in the list above.
    const fn number(error: MethodError) -> u8 {
        match error {
            MethodError::Empty => 1,
            MethodError::TooLong => 2,
            MethodError::LowerCase(_) => 3,
            MethodError::NotAToken(_) => 4,
        }
    }
}
