//! A credential in the query (RFC 6750 §2.3). It occurs once, under its plain name. Its value is form-encoded: plain, or with escapes that
//! are decoded once. Anything that a server could read as a second credential is rejected.

use super::{CredentialError, RawToken, parse_raw};
use crate::http::param_name::{could_name, is_certain};
use crate::http::percent::is_unreserved;
use crate::http::request::Request;

/// The name of a query parameter, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryName(Box<str>);

/// A text that is not a valid name of a query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name of 1 to 128 letters, digits, `-`, `.`, `_` and `~`")]
pub struct QueryNameError;

impl QueryName {
    /// Parses a parameter's name: unreserved characters only (RFC 3986 §2.3), which need no encoding.
    ///
    /// # Errors
    /// [`QueryNameError`] if it is empty, longer than 128 characters, or holds another character.
    pub fn parse(name: &str) -> Result<Self, QueryNameError> {
        let good = matches!(name.len(), 1..=128) && name.bytes().all(is_unreserved);
        if good { Ok(Self(name.into())) } else { Err(QueryNameError) }
    }

    /// Returns the name.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if some server finds a parameter of this name in `parameter`, a piece of a query between two `&`.
    #[must_use]
    pub fn is_in(&self, parameter: &str) -> bool {
        parameter.split(';').any(|part| could_name(part.split_once('=').map_or(part, |(key, _)| key), &self.0))
    }
}

/// Returns the credential in the parameter of this name; `None` without such a parameter.
pub(super) fn find<'r>(request: &'r Request<'_>, name: &QueryName) -> Result<Option<RawToken<'r>>, CredentialError> {
    let located = request.query.map(|query| locate(query, name)).transpose()?.flatten();
    let token = |(position, value): (usize, &'r str)| {
        // A `+` is a space to servers that parse queries as forms.
        if value.contains('+') {
            return Err(CredentialError::Malformed);
        }
        // Only escapes need the decoded copy. An escape in an escape leaves a `%`, which no token has.
        let value = if value.contains('%') {
            request.decoded_value(position).map_err(|_| CredentialError::Ambiguous)?
        } else {
            Some(value.as_bytes())
        };
        parse_raw(value.ok_or(CredentialError::Malformed)?)
    };
    located.map(token).transpose()
}

/// Returns the position and the raw value of the parameter of this name; `None` without such a parameter. Servers differ in treating `;` as a
/// separator, so a parameter that only some of them find is rejected.
fn locate<'a>(query: &'a str, name: &QueryName) -> Result<Option<(usize, &'a str)>, CredentialError> {
    let (mut found, mut uncertain) = (None, false);
    for (position, parameter) in query.split('&').enumerate() {
        for (number, part) in parameter.split(';').enumerate() {
            let (key, _) = part.split_once('=').unwrap_or((part, ""));
            if !is_certain(key.as_bytes()) {
                uncertain = true;
            }
            if key == &*name.0 && number == 0 {
                let value = parameter.split_once('=').map_or("", |(_, value)| value);
                if found.replace((position, value)).is_some() {
                    return Err(CredentialError::Ambiguous);
                }
            } else if could_name(key, &name.0) {
                return Err(CredentialError::Ambiguous);
            }
        }
    }
    // An uncertain name, which could be another spelling of any name, makes the credential ambiguous. Without a credential it is
    // ignored.
    if found.is_some() && uncertain {
        return Err(CredentialError::Ambiguous);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{QueryName, find};
    use crate::credential::CredentialError::{self, Ambiguous, Malformed};
    use crate::http::request::{Headers, Request};

    #[test]
    fn one_plain_parameter_is_a_credential() {
        let name = QueryName::parse("access_token").unwrap();
        let cases: &[(&str, Result<Option<&str>, CredentialError>)] = &[
            ("", Ok(None)),
            ("a=1&b", Ok(None)),
            ("xaccess_token=abc&access_tokenx=abc", Ok(None)),
            ("a=access_token=abc", Ok(None)),
            ("access_token=abc", Ok(Some("abc"))),
            ("a=1&access_token=a.b-c_d~e==&b=2", Ok(Some("a.b-c_d~e=="))),
            ("a=1;b=2&access_token=abc", Ok(Some("abc"))),
            ("access_token=abc&access_token=abc", Err(Ambiguous)),
            ("access_token=abc&access%5Ftoken=evil", Err(Ambiguous)),
            ("access%5ftoken=evil", Err(Ambiguous)),
            ("%61ccess_token=evil", Err(Ambiguous)),
            ("+access_token=evil", Err(Ambiguous)),
            ("Access_Token=evil", Err(Ambiguous)),
            ("access_token=abc&Access_Token=evil", Err(Ambiguous)),
            ("access_token=abc&access.token=evil", Err(Ambiguous)),
            ("access_token=abc&access%20token=evil", Err(Ambiguous)),
            ("access_token=abc&access_token[]=evil", Err(Ambiguous)),
            ("access_token=abc&access_token%5B0%5D=evil", Err(Ambiguous)),
            ("access_token=abc&access_token%00=evil", Err(Ambiguous)),
            ("access_token=abc&ACCESS%5FTOKEN=evil", Err(Ambiguous)),
            ("a=1;access_token=evil", Err(Ambiguous)),
            ("access_token=abc;access_token=evil", Err(Ambiguous)),
            ("access_token=abc;a=1", Err(Malformed)),
            ("access_token=abc&%u0061ccess_token=evil", Err(Ambiguous)),
            ("%c1%a1ccess_token=evil&access_token=abc", Err(Ambiguous)),
            ("access_token=abc&%2561ccess_token=evil", Err(Ambiguous)),
            ("access_token=abc&a=%u0061", Ok(Some("abc"))),
            ("%u0061=1", Ok(None)),
            ("access_token", Err(Malformed)),
            ("access_token=", Err(Malformed)),
            ("access_token=a+b", Err(Malformed)),
            ("access_token=a%2Eb", Ok(Some("a.b"))),
            ("a=%zz&access_token=%61%2b%2Fc%2D%5F%7E%3D%3d&b=%41", Ok(Some("a+/c-_~=="))),
            ("access_token=%2Bab%2F=", Ok(Some("+ab/="))),
            ("access_token=a%2Bb+c", Err(Malformed)),
            ("access_token=a%20b", Err(Malformed)),
            ("access_token=a%252Bb", Err(Malformed)),
            ("access_token=a%2", Err(Malformed)),
            ("access_token=a%zz", Err(Malformed)),
            ("access_token=a%u002Bb", Err(Malformed)),
            ("access_token=a%00", Err(Malformed)),
            ("access_token=a%C0%ABb", Err(Malformed)),
            ("access_token=a%26b", Err(Malformed)),
            ("access_token=a%3Bb", Err(Malformed)),
            ("access_token=a%2Cb", Err(Ambiguous)),
            ("access_token=a%2Bb&access_token=a%2Bb", Err(Ambiguous)),
            ("access_token=a%2Bb&access%5Ftoken=a%2Bb", Err(Ambiguous)),
            ("access_token=a%2Bb;b=1", Err(Malformed)),
            ("access_token=a b", Err(Malformed)),
        ];
        for (query, expected) in cases {
            let mut request = Request::parse(b"GET", b"/", b"", Headers::default()).unwrap();
            request.query = Some(query);
            let found = find(&request, &name).map(|token| token.map(super::RawToken::as_str));
            assert_eq!(found, *expected, "{query}");
        }
    }

    #[test]
    fn names_need_no_encoding() {
        for bad in ["", "a b", "a=b", "a%20b", "a[]", "ä"] {
            assert!(QueryName::parse(bad).is_err(), "{bad}");
        }
    }
}
