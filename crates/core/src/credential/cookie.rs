//! A credential in a cookie (RFC 6265 §4.2, §5.4). A repeated cookie of its name is rejected, because servers differ in which one
//! they read.

use super::{CredentialError, RawToken, parse_raw};
use crate::http::header::is_token_byte;
use crate::http::param_name::{canonicalize, equivalent};
use crate::http::request::Headers;

/// The name of a cookie, case-sensitive (RFC 6265 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(Box<str>);

/// A text that is not a valid cookie name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name of 1 to 128 letters, digits and characters such as `-` and `_`")]
pub struct CookieNameError;

impl CookieName {
    /// Parses a cookie's name: a token (RFC 9110 §5.6.2).
    ///
    /// # Errors
    /// [`CookieNameError`] if it is empty, longer than 128 characters, or holds another character.
    pub fn parse(name: &str) -> Result<Self, CookieNameError> {
        let good = matches!(name.len(), 1..=128) && name.bytes().all(is_token_byte);
        if good { Ok(Self(name.into())) } else { Err(CookieNameError) }
    }

    /// Returns the name.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the credential in the cookie of this name; `None` without such a cookie. Some servers decode names, or end a cookie at a
/// blank or comma (RFC 2109). A cookie of this name for such servers only is rejected.
pub(super) fn find<'a>(headers: &Headers<'a>, name: &CookieName) -> Result<Option<RawToken<'a>>, CredentialError> {
    if pairs(headers).any(|pair| could_be_read_as(pair, name)) {
        return Err(CredentialError::Ambiguous);
    }
    let mut values = pairs(headers).filter(|pair| has_name(pair, name));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(pair), None) => parse_raw(value(pair)).map(Some),
        (Some(_), Some(_)) => Err(CredentialError::Ambiguous),
    }
}

/// Returns every other cookie, as the value of one header. A cookie with a byte that is not visible ASCII is left out: modgud
/// writes client data only if it is harmless.
pub(super) fn remove_cookie(headers: &Headers<'_>, name: &CookieName) -> Vec<u8> {
    let visible = |pair: &&[u8]| !pair.is_empty() && pair.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    let others: Vec<&[u8]> = pairs(headers).filter(|pair| !has_name(pair, name)).filter(visible).collect();
    others.join(&b"; "[..])
}

/// Returns the parts between `;` of every `Cookie` header; HTTP/2 may send several (RFC 9113 §8.2.3).
fn pairs<'a>(headers: &Headers<'a>) -> impl Iterator<Item = &'a [u8]> {
    let cookies = headers.iter().filter(|field| field.name.eq_ignore_ascii_case(b"cookie"));
    cookies.flat_map(|field| field.value.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

fn has_name(pair: &[u8], name: &CookieName) -> bool {
    let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    pair.get(..end).is_some_and(|found| found.trim_ascii() == name.0.as_bytes())
}

/// Returns true if some server finds a cookie of this name in this pair, although it is not plainly that cookie.
fn could_be_read_as(pair: &[u8], name: &CookieName) -> bool {
    let key = |part: &[u8]| part.split(|byte| *byte == b'=').next().map(canonicalize).unwrap_or_default();
    let mut parts = pair.split(|byte| matches!(byte, b',' | b' ' | b'\t'));
    let first = parts.next().is_some_and(|_| !has_name(pair, name) && equivalent(&key(pair), name.0.as_bytes()));
    first || parts.any(|part| part.contains(&b'=') && equivalent(&key(part), name.0.as_bytes()))
}

fn value(pair: &[u8]) -> &[u8] {
    let start = pair.iter().position(|byte| *byte == b'=').map_or(pair.len(), |at| at.saturating_add(1));
    pair.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{CookieName, find, remove_cookie};
    use crate::credential::CredentialError::{self, Ambiguous, Malformed};
    use crate::http::request::{Field, Headers};

    fn headers<'a>(cookies: &[&'a [u8]]) -> Headers<'a> {
        let field = |value: &&'a [u8]| Field { name: b"Cookie", value };
        Headers::new(cookies.iter().map(field).collect())
    }

    #[test]
    fn one_cookie_of_the_name_is_a_credential() {
        type Case<'a> = (&'a [&'a [u8]], Result<Option<&'a str>, CredentialError>);
        let name = CookieName::parse("session").unwrap();
        let cases: &[Case<'_>] = &[
            (&[], Ok(None)),
            (&[b""], Ok(None)),
            (&[b"a=1; b=2"], Ok(None)),
            (&[b"Session=abc"], Ok(None)),
            (&[b"xsession=abc; sessionx=abc"], Ok(None)),
            (&[b"session=abc"], Ok(Some("abc"))),
            (&[b"a=1; session=a.b-c_d~e+f/g==; b=2"], Ok(Some("a.b-c_d~e+f/g=="))),
            (&[b"a=1;session=abc"], Ok(Some("abc"))),
            (&[b"a=1", b"session=abc"], Ok(Some("abc"))),
            (&[b"session=abc; session=abc"], Err(Ambiguous)),
            (&[b"session=abc", b"session=evil"], Err(Ambiguous)),
            (&[b"session=abc; session =evil"], Err(Ambiguous)),
            (&[b"session=abc; session"], Err(Ambiguous)),
            (&[b"session"], Err(Malformed)),
            (&[b"session="], Err(Malformed)),
            (&[b"session=\"abc\""], Err(Malformed)),
            (&[b"session=a b"], Err(Malformed)),
            (&[b"session=a%20b"], Err(Malformed)),
            (&[b"session=abc,session=evil"], Err(Ambiguous)),
            (&[b"session=\xff"], Err(Malformed)),
            (&[b"session=abc; %73ession=evil"], Err(Ambiguous)),
            (&[b"%73ession=evil"], Err(Ambiguous)),
            (&[b"session=abc; session[]=evil"], Err(Ambiguous)),
            (&[b"session=abc; a=1 session=evil"], Err(Ambiguous)),
            (&[b"session=abc; a=1, session=evil"], Err(Ambiguous)),
            (&[b"session=abc; a=\"1; session=evil\""], Err(Ambiguous)),
            (&[b"session=abc; Session=other; a=session; b=1 2"], Ok(Some("abc"))),
        ];
        for (cookies, expected) in cases {
            let found = find(&headers(cookies), &name).map(|token| token.map(super::RawToken::as_str));
            assert_eq!(found, *expected, "{cookies:?}");
        }
    }

    #[test]
    fn the_other_cookies_stay() {
        let name = CookieName::parse("session").unwrap();
        let rest = |cookies: &[&'static [u8]]| String::from_utf8(remove_cookie(&headers(cookies), &name)).unwrap();
        assert_eq!(rest(&[b"a=1; session=abc; b=\"2\""]), "a=1; b=\"2\"");
        assert_eq!(rest(&[b"session=abc", b"a=1"]), "a=1");
        assert_eq!(rest(&[b"session=abc"]), "");
        assert_eq!(rest(&[b"session=abc;; a=\xc3\xa4; b=1\r\nx: y; c=3"]), "c=3");
    }

    #[test]
    fn names_are_tokens() {
        for bad in ["", "a b", "a=b", "a;b", "ä"] {
            assert!(CookieName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(CookieName::parse("__Host-session").unwrap().as_str(), "__Host-session");
    }
}
