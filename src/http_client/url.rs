//! URLs that modgud may request: `https`, or plain `http` where `AllowInsecure` permits it. User names and passwords
//! are invalid; queries are never shown.

use http::Uri;
use http::uri::Scheme;
use std::fmt;
use std::net::IpAddr;

/// Maximum length of a URL, in bytes; it bounds messages and memory. A longer one is invalid.
const MAX_BYTES: usize = 2_048;

/// Permitted targets of plain `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllowInsecure {
    /// None.
    Nowhere,
    /// This machine only.
    Loopback,
    /// Any host: an attacker on the network can read and change the responses.
    Anywhere,
}

/// A URL that modgud may request. Shown without its query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FetchUrl(Uri);

/// Errors in a URL. Their texts never repeat the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not an absolute URL.
    #[error("is not a URL with a host; use one such as `https://login.example.com/jwks.json`")]
    NotAbsolute,
    /// Too long.
    #[error("is longer than {MAX_BYTES} bytes; use a shorter URL")]
    TooLong,
    /// An unsupported scheme.
    #[error("has another scheme than `https`; use a URL that begins with `https://`")]
    Scheme,
    /// Plain HTTP over a network.
    #[error(
        "is plain `http` to another machine, so an attacker on the network can forge its responses; use `https://`, or add `insecure_http: true`"
    )]
    Plain,
    /// A user name or a password.
    #[error("contains a user name or a password, which modgud never sends; remove what precedes `@`")]
    UserInfo,
    /// A port that does not exist.
    #[error("has no port after `:`, or none from 0 to 65535; write one such as `https://login.example.com:8443/`")]
    Port,
    /// A fragment.
    #[error("contains a `#`, and modgud never sends what follows it; remove it")]
    Fragment,
}

impl FetchUrl {
    /// Parses an absolute URL (RFC 9110 §4.2).
    ///
    /// # Errors
    /// [`UrlError`] if it is malformed, or not permitted.
    pub fn parse(text: &str, plain: AllowInsecure) -> Result<Self, UrlError> {
        if text.len() > MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::NotAbsolute)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(UrlError::NotAbsolute);
        };
        if authority.host().is_empty() {
            return Err(UrlError::NotAbsolute);
        }
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        // The parser takes any digits after the host, and none.
        let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(UrlError::Port);
        }
        let is_plain = *scheme == Scheme::HTTP;
        if !is_plain && *scheme != Scheme::HTTPS {
            return Err(UrlError::Scheme);
        }
        match plain {
            AllowInsecure::Nowhere if is_plain => Err(UrlError::Plain),
            AllowInsecure::Loopback if is_plain && !is_loopback(authority.host()) => Err(UrlError::Plain),
            AllowInsecure::Nowhere | AllowInsecure::Loopback | AllowInsecure::Anywhere => Ok(Self(uri)),
        }
    }

    /// Returns this URL without its query, extended by `suffix`, with exactly one `/` between them.
    ///
    /// # Errors
    /// [`UrlError::NotAbsolute`] if `suffix` is invalid in a path.
    pub fn join(&self, suffix: &str, plain: AllowInsecure) -> Result<Self, UrlError> {
        let shown = self.to_string();
        Self::parse(&format!("{}/{suffix}", shown.trim_end_matches('/')), plain)
    }

    /// Returns true if it has a query.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.0.query().is_some()
    }

    /// Returns the whole URL with its query, which may hold a secret: compare it, never show it.
    #[must_use]
    pub fn to_string_with_query(&self) -> String {
        self.0.to_string()
    }

    /// Returns true if requests are sent without TLS to another machine.
    #[must_use]
    pub fn is_plain_to_others(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTP) && !self.0.host().is_some_and(is_loopback)
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns the port that it names; `None` if it names none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.port_u16()
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Returns the value of the `Host` header.
    pub(super) fn authority(&self) -> &str {
        self.0.authority().map(http::uri::Authority::as_str).unwrap_or_default()
    }
}

/// Shows the URL without its query, which may hold a secret.
impl fmt::Display for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme_str().unwrap_or_default(), self.authority(), self.0.path())
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FetchUrl({self})")
    }
}

/// Returns true for hosts that never leave the machine: `localhost` (RFC 6761 §6.3) and the addresses of RFC 1122
/// §3.2.1.3 and RFC 4291 §2.5.3.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{AllowInsecure, FetchUrl, UrlError};

    #[test]
    fn https_is_valid_and_plain_http_only_where_permitted() {
        let parsed = |text| FetchUrl::parse(text, AllowInsecure::Loopback).map(|url| url.to_string());
        for text in [
            "https://login.example.com/jwks.json",
            "https://login.example.com:8443/",
            "HTTPS://[2001:db8::1]/a",
            "http://localhost:1/",
            "http://127.0.0.1:8080/keys",
            "http://127.8.8.8/",
            "http://[::1]:80/",
        ] {
            assert_eq!(parsed(text), Ok(text.replace("HTTPS", "https")), "{text}");
        }
        for text in ["http://login.example.com/", "http://127.0.0.1.example.com/", "http://10.0.0.1/", "http://[::2]/"]
        {
            assert_eq!(parsed(text), Err(UrlError::Plain), "{text}");
            assert!(FetchUrl::parse(text, AllowInsecure::Anywhere).is_ok(), "{text}");
        }
        for (text, error) in [
            ("", UrlError::NotAbsolute),
            ("https://login.example.com:65536/jwks", UrlError::Port),
            ("https://login.example.com:", UrlError::Port),
            ("https://[::1]:99999/", UrlError::Port),
            ("/jwks", UrlError::NotAbsolute),
            ("login.example.com", UrlError::NotAbsolute),
            ("https://", UrlError::NotAbsolute),
            ("https:///jwks", UrlError::NotAbsolute),
            ("https://a b/", UrlError::NotAbsolute),
            ("ftp://example.com/", UrlError::Scheme),
            ("file://localhost/etc/passwd", UrlError::Scheme),
            ("https://user:hunter2@example.com/", UrlError::UserInfo),
            ("https://@example.com/", UrlError::UserInfo),
            ("https://example.com/#keys", UrlError::Fragment),
            (&format!("https://example.com/{}", "a".repeat(2_048)), UrlError::TooLong),
        ] {
            assert_eq!(FetchUrl::parse(text, AllowInsecure::Anywhere).map(|url| url.to_string()), Err(error), "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_query_is_sent_and_not_shown() {
        let url = FetchUrl::parse("https://example.com/keys?code=s3cret", AllowInsecure::Loopback).unwrap();
        assert_eq!((url.to_string().as_str(), url.has_query()), ("https://example.com/keys", true));
        assert_eq!(format!("{url:?}"), "FetchUrl(https://example.com/keys)");
        assert_eq!(url.uri().query(), Some("code=s3cret"));
    }

    #[test]
    fn a_path_is_added_with_one_slash() {
        for base in
            ["https://example.com", "https://example.com/", "https://example.com/realm", "https://example.com/realm/"]
        {
            let url = FetchUrl::parse(base, AllowInsecure::Loopback).unwrap();
            let joined = url.join(".well-known/x", AllowInsecure::Loopback).unwrap().to_string();
            assert_eq!(joined, format!("{}/.well-known/x", base.trim_end_matches('/')));
        }
    }
}
