//! Callers by the TLS certificate of their connection. Envoy has verified the certificate; patterns match the principal that Envoy names.
//! No header is ever read for it.

use super::{AuthnError, ClaimError};
use crate::explain::{Observer, Step};
use crate::http::request::Peer;
use crate::jose::Claims;
use crate::principal::{AuthMethod, AuthenticatorName, ClaimMapping, PackedIdentity, Principal, ResolvedIdentity};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// The longest principal that is accepted, in bytes: the maximum of a SPIFFE id (SPIFFE-ID §2.3). A longer one is rejected.
const MAX_BYTES: usize = 2048;

/// An authenticator of peers by their certificates.
#[derive(Debug)]
pub struct MtlsAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The accepted principals; if empty, every certificate is rejected.
    pub principals: Vec<PrincipalPattern>,
    /// The claim path of the subject.
    pub identity: Arc<ClaimMapping>,
}

/// A pattern of principals: `spiffe://example.org/ns/{namespace}/sa/{account}`, `api.example.com`, `*.example.com`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalPattern(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// A URI: its scheme and authority in lower case, and its path segments.
    Uri { authority: Box<str>, segments: Vec<Segment> },
    /// A DNS name in lower case.
    Name(Box<str>),
    /// Any name of one more label than this suffix, which begins with a dot.
    OneLabel(Box<str>),
    /// Any principal that Envoy has verified.
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Any text; it becomes the claim of this name.
    Named(Box<str>),
}

/// The reason why a text is not a pattern of principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalPatternError {
    /// The text has none of the forms.
    #[error(
        "write `spiffe://example.org/ns/{{namespace}}/sa/{{account}}`, `api.example.com`, `*.example.com`, or `*` for any"
    )]
    Form,
    /// A name in braces is repeated or malformed.
    #[error("a name in braces is invalid or repeated; use letters, digits and `_`, and each name once")]
    Name,
}

/// The error for a principal that no pattern accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no entry accepts the principal of the peer's certificate")]
pub struct CertificateError;

impl PrincipalPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PrincipalPatternError`] that names the right form.
    pub fn parse(text: &str) -> Result<Self, PrincipalPatternError> {
        if text == "*" {
            return Ok(Self(Form::Any));
        }
        if let Some((authority, path)) = split_uri(text) {
            let mut names: Vec<&str> = Vec::new();
            let mut segments = Vec::new();
            for segment in path {
                segments.push(match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Some(name) if is_name(name) && !names.contains(&name) => {
                        names.push(name);
                        Segment::Named(name.into())
                    }
                    Some(_) => return Err(PrincipalPatternError::Name),
                    None if is_segment(segment) => Segment::Literal(segment.into()),
                    None => return Err(PrincipalPatternError::Form),
                });
            }
            return Ok(Self(Form::Uri { authority, segments }));
        }
        match text.strip_prefix('*') {
            Some(suffix) if suffix.strip_prefix('.').is_some_and(is_dns_name) => {
                Ok(Self(Form::OneLabel(suffix.to_ascii_lowercase().into())))
            }
            None if is_dns_name(text) => Ok(Self(Form::Name(text.to_ascii_lowercase().into()))),
            Some(_) | None => Err(PrincipalPatternError::Form),
        }
    }

    /// Returns the claims of a principal; `None` if it does not match.
    fn claims(&self, principal: &str) -> Option<Map<String, Value>> {
        let mut claims = Map::new();
        let fits = match &self.0 {
            Form::Any => true,
            Form::Name(name) => principal.eq_ignore_ascii_case(name),
            Form::OneLabel(suffix) => {
                let lower = principal.to_ascii_lowercase();
                lower.strip_suffix(&**suffix).is_some_and(|label| !label.contains('.') && is_dns_name(label))
            }
            Form::Uri { authority, segments } => {
                let (found_authority, path) = split_uri(principal)?;
                let path: Vec<&str> = path.collect();
                *authority == found_authority
                    && path.len() == segments.len()
                    && segments.iter().zip(path).all(|(expected, found)| match expected {
                        Segment::Literal(text) => **text == *found,
                        Segment::Named(name) => {
                            claims.insert((**name).into(), found.into());
                            is_segment(found)
                        }
                    })
            }
        };
        fits.then_some(claims)
    }
}

/// Returns the scheme and authority of a URI in lower case, and the segments of its path. `None` for other texts.
fn split_uri(text: &str) -> Option<(Box<str>, std::str::Split<'_, char>)> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'))
    };
    (plain(scheme) && plain(host)).then(|| (format!("{scheme}://{host}").to_ascii_lowercase().into(), path.split('/')))
}

/// Returns the normalized form of a principal, so that all its spellings are one subject: case-insensitive parts are in lower case.
fn normal(principal: &str) -> Cow<'_, str> {
    match split_uri(principal) {
        Some((authority, segments)) => {
            let path: Vec<&str> = segments.collect();
            format!("{authority}/{}", path.join("/")).into()
        }
        None if is_dns_name(principal) => principal.to_ascii_lowercase().into(),
        None => principal.into(),
    }
}

/// Returns true for a segment of a SPIFFE id's path (SPIFFE-ID §2.2): it needs no decoding, and is no dot segment.
fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text != "." && text != ".." && text.bytes().all(plain)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.').all(label)
}

impl MtlsAuthenticator {
    /// Authenticates the peer; `None` if it has no certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when no pattern accepts the principal of the certificate, or the certificate names none. A peer with a
    /// certificate never counts as one without.
    pub(super) fn authenticate(
        &self,
        peer: Peer<'_>,
        observer: &mut impl Observer,
    ) -> Option<Result<Arc<Principal>, AuthnError>> {
        if peer.principal.is_empty() && peer.certificate.is_empty() {
            return None;
        }
        let readable = |text: &&str| (1..=MAX_BYTES).contains(&text.len());
        let principal = std::str::from_utf8(peer.principal).ok().filter(readable).map(normal);
        let principal = principal.as_deref();
        let found = principal.and_then(|principal| {
            let claims = self.principals.iter().find_map(|pattern| pattern.claims(principal))?;
            Some((principal, claims))
        });
        let found = found.ok_or(CertificateError);
        observer.step(|| {
            let name = principal.unwrap_or("(no name)");
            Step::of("peer", &found, format!("`{name}`, by its certificate: authenticator `{}`", self.name.as_str()))
        });
        Some(found.map_err(AuthnError::from).and_then(|(principal, claims)| self.principal(principal, claims)))
    }

    fn principal(&self, principal: &str, mut claims: Map<String, Value>) -> Result<Arc<Principal>, AuthnError> {
        claims.insert("sub".to_owned(), principal.into());
        if let Some(path) = &self.identity.subject {
            // A name in the pattern may be a claim there already; the subject is the principal all the same.
            let _ = path.put(&mut claims, principal);
        }
        let claims = Claims::from_json(Value::Object(claims));
        let read = self.identity.resolve(&claims).map_err(ClaimError::from)?;
        let identity = PackedIdentity::new(&ResolvedIdentity { subject: Some(principal), ..read }, &claims);
        let null_strings = Arc::clone(&self.identity.null_strings);
        Ok(Arc::new(Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Certificate)))
    }
}

#[cfg(test)]
mod tests {
    use super::{PrincipalPattern, PrincipalPatternError, normal};
    use serde_json::{Value, json};

    #[test]
    fn all_spellings_of_a_principal_are_one_subject() {
        for (principal, expected) in [
            ("SPIFFE://Example.ORG/ns/A/sa/B", "spiffe://example.org/ns/A/sa/B"),
            ("API.Example.com", "api.example.com"),
            ("CN=Some Body,O=Example", "CN=Some Body,O=Example"),
            ("spiffe://example.org", "spiffe://example.org"),
        ] {
            assert_eq!(normal(principal), expected);
        }
    }

    #[test]
    fn principals_are_held_against_patterns() {
        let none = json!({});
        let cases = [
            ("*", "anything at all", Some(none.clone())),
            ("spiffe://Example.org/ns/prod/sa/api", "spiffe://example.org/ns/prod/sa/api", Some(none.clone())),
            ("spiffe://example.org/ns/prod/sa/api", "SPIFFE://EXAMPLE.ORG/ns/prod/sa/api", Some(none.clone())),
            ("spiffe://example.org/ns/prod/sa/api", "spiffe://example.org/ns/prod/sa/API", None),
            ("spiffe://example.org/ns/prod/sa/api", "spiffe://example.org/ns/prod/sa/api/", None),
            ("spiffe://example.org/ns/prod/sa/api", "spiffe://example.org.evil/ns/prod/sa/api", None),
            ("spiffe://example.org/ns/prod/sa/api", "spiffe://example.org:1/ns/prod/sa/api", None),
            ("spiffe://example.org/ns/prod/sa/api", "spiffe://evil@example.org/ns/prod/sa/api", None),
            ("spiffe://example.org/ns/prod/sa/api", "CN=spiffe://example.org/ns/prod/sa/api", None),
            (
                "spiffe://example.org/ns/{ns}/sa/{sa}",
                "spiffe://example.org/ns/a/sa/b",
                Some(json!({"ns": "a", "sa": "b"})),
            ),
            ("spiffe://example.org/ns/{ns}/sa/{sa}", "spiffe://example.org/ns/a/sa/", None),
            ("spiffe://example.org/ns/{ns}/sa/{sa}", "spiffe://example.org/ns/a/sa/..", None),
            ("spiffe://example.org/ns/{ns}/sa/{sa}", "spiffe://example.org/ns/a%2fb/sa/c", None),
            ("spiffe://example.org/ns/{ns}/sa/{sa}", "spiffe://example.org/ns/a/sa/b/c", None),
            ("api.example.com", "API.example.COM", Some(none.clone())),
            ("api.example.com", "api.example.com.", None),
            ("api.example.com", "xapi.example.com", None),
            ("*.example.com", "api.Example.com", Some(none)),
            ("*.example.com", "example.com", None),
            ("*.example.com", ".example.com", None),
            ("*.example.com", "a.b.example.com", None),
            ("*.example.com", "CN=evil,O=.example.com", None),
            ("*.example.com", "*.example.com", None),
        ];
        for (pattern, principal, expected) in cases {
            let claims = PrincipalPattern::parse(pattern).unwrap().claims(principal).map(Value::Object);
            assert_eq!(claims, expected, "{pattern} {principal}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "**",
            "*example.com",
            "a.*.com",
            "*.",
            "a..b",
            "spiffe://",
            "spiffe:///a",
            "spiffe://a/*",
            "spiffe://a/b c",
            "spiffe://a//b",
            "CN=a",
            "a b",
        ] {
            assert_eq!(PrincipalPattern::parse(text), Err(PrincipalPatternError::Form), "{text}");
        }
        for text in ["spiffe://a/{}", "spiffe://a/{b}/{b}", "spiffe://a/{b-c}"] {
            assert_eq!(PrincipalPattern::parse(text), Err(PrincipalPatternError::Name), "{text}");
        }
    }
}
