//! The denial of one rule, which replaces the general one: its status and text, its page for browsers, and its headers.

use super::{CONTENT_SECURITY_POLICY, DenialResponse, DetailText, ExtraHeader, ResponseHeader, Status};
use crate::http::header::{HeaderText, HeaderTextError, is_token_byte};
use bytes::Bytes;

/// The denial of a rule that replaces the general one.
#[derive(Debug, Clone)]
pub struct RuleDenial {
    /// The rule's name.
    pub rule: Box<str>,
    /// The status.
    pub status: Status,
    /// The text; `None` for the canonical reason phrase of the status.
    pub detail: Option<DetailText>,
    /// The page for browsers; `None` for the built-in one.
    pub page: Option<DenialPage>,
    /// The seconds of `Retry-After` (RFC 9110 §10.2.3); `None` for no such header.
    pub retry_after: Option<u32>,
    /// Headers, which replace custom ones of every denial.
    pub headers: Vec<ExtraHeader>,
    /// Cookies to set.
    pub cookies: Vec<SetCookie>,
}

impl RuleDenial {
    /// Creates a denial with a status and a text only.
    #[must_use]
    pub const fn new(rule: Box<str>, status: Status, detail: Option<DetailText>) -> Self {
        Self { rule, status, detail, page: None, retry_after: None, headers: Vec::new(), cookies: Vec::new() }
    }

    /// Adds what this rule has of its own to the general response. `is_html` is true for a browser.
    pub(super) fn complete(&self, mut response: DenialResponse, is_html: bool) -> DenialResponse {
        let DenialResponse { status: _, headers, body } = &mut response;
        headers.retain(|header| !self.headers.iter().any(|own| own.name().bytes() == &header.name));
        headers.extend(self.headers.iter().map(ExtraHeader::header));
        headers.extend(self.retry_after.map(|seconds| ResponseHeader::made("retry-after", seconds.to_string())));
        headers.extend(self.cookies.iter().map(SetCookie::header));
        if let Some(DenialPage(page)) = self.page.as_ref().filter(|_| is_html) {
            body.clone_from(page);
            if let Some(policy) = headers.iter_mut().find(|header| header.name == CONTENT_SECURITY_POLICY.as_bytes()) {
                policy.value = Bytes::from_static(PAGE_POLICY.as_bytes());
            }
        }
        response
    }
}

/// The content security policy of an operator's page (CSP Level 3): styles, images and fonts of the same origin or in the page, no scripts
/// and no forms. It can't be framed.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page for browsers, in HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialPage(Bytes);

/// The reason why a text is not a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenialPageError {
    /// Only white space.
    #[error("is empty")]
    Empty,
    /// Not UTF-8.
    #[error("is not UTF-8")]
    Encoding,
    /// A control character that HTML forbids.
    #[error("has a control character")]
    Control,
}

impl DenialPage {
    /// The size of the largest page: 64 KiB. Every denial of its rule is sent with it.
    pub const MAX_BYTES: u64 = 64 << 10;

    /// Checks the content of a file. A byte order mark is dropped: the response names the encoding.
    ///
    /// # Errors
    /// [`DenialPageError`].
    pub fn parse(content: &[u8]) -> Result<Self, DenialPageError> {
        let text = str::from_utf8(content).map_err(|_| DenialPageError::Encoding)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(DenialPageError::Empty);
        }
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0c')) {
            return Err(DenialPageError::Control);
        }
        Ok(Self(Bytes::copy_from_slice(text.as_bytes())))
    }
}

/// A value of `Set-Cookie`: a name, a value and attributes (RFC 6265 §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie(HeaderText);

/// The reason why a text sets no cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetCookieError {
    /// The text is no header value.
    #[error("it {0}")]
    Text(#[from] HeaderTextError),
    /// The text does not begin with a name and `=`.
    #[error("it has no name; write one such as `session=; Max-Age=0; Path=/`")]
    Name,
    /// The value has a character that ends it, or that no value may have.
    #[error("its value has a character that a cookie can't have")]
    Value,
}

impl SetCookie {
    /// The most cookies of one denial.
    pub const MAX_COUNT: usize = 8;

    /// Checks a text.
    ///
    /// # Errors
    /// [`SetCookieError`].
    pub fn parse(text: &str) -> Result<Self, SetCookieError> {
        let header = HeaderText::parse(text)?;
        let pair = text.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').ok_or(SetCookieError::Name)?;
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(SetCookieError::Name);
        }
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if value.bytes().any(|byte| matches!(byte, b' ' | b'"' | b',' | b'\\')) {
            return Err(SetCookieError::Value);
        }
        Ok(Self(header))
    }

    /// Returns the name of the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.as_str().split('=').next().unwrap_or_default()
    }

    fn header(&self) -> ResponseHeader {
        ResponseHeader::made("set-cookie", self.0.bytes().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{DenialPage, DenialPageError, SetCookie, SetCookieError};
    use crate::http::header::HeaderTextError;

    #[test]
    fn a_cookie_has_a_name_and_no_second_line() {
        for good in ["a=", "a=b", "session=; Max-Age=0; Path=/", "a=\"b\"; Secure", "__Host-a=b=c"] {
            assert!(SetCookie::parse(good).is_ok(), "{good}");
        }
        assert_eq!(SetCookie::parse("__Host-a=b; Path=/").unwrap().name(), "__Host-a");
        for (bad, error) in [
            ("", SetCookieError::Text(HeaderTextError::Empty)),
            ("a=b\r\nx: y", SetCookieError::Text(HeaderTextError::Character)),
            ("a", SetCookieError::Name),
            ("=a", SetCookieError::Name),
            ("; a=b", SetCookieError::Name),
            ("a b=c", SetCookieError::Name),
            ("a=b c", SetCookieError::Value),
            ("a=b,c=d", SetCookieError::Value),
            ("a=\"b", SetCookieError::Value),
        ] {
            assert_eq!(SetCookie::parse(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn a_page_is_text() {
        assert_eq!(DenialPage::parse(b"\xef\xbb\xbf<p>a").unwrap().0, "<p>a");
        assert!(DenialPage::parse("<p>\u{e9}\r\n\t</p>".as_bytes()).is_ok());
        for (bad, error) in [
            (&b""[..], DenialPageError::Empty),
            (b" \n", DenialPageError::Empty),
            (b"\xff\xfe<\0", DenialPageError::Encoding),
            (b"a\0", DenialPageError::Control),
            (b"a\x1b[2J", DenialPageError::Control),
        ] {
            assert_eq!(DenialPage::parse(bad), Err(error), "{bad:?}");
        }
    }
}
