//! The header fields that say how a body is to be read. A service reads a body by its `content-type`, in charsets and as forms that we
//! don't read: only what every reader takes for JSON in UTF-8 passes.

use crate::http::request::{Headers, Lookup};

/// Why a body is not certainly JSON in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeFault {
    /// Without `content-type` a service guesses.
    #[error("has no `content-type`")]
    Missing,
    /// Of two fields a service reads the one or the other; `content_type` is one to some.
    #[error("has more than one `content-type`, or one under another spelling of that name")]
    Repeated,
    /// Another type, another charset, or a field that is written in a way that readers differ about.
    #[error(
        "has a `content-type` other than `application/json` or `application/….+json`, without charset or with `charset=utf-8`"
    )]
    Other,
    /// The bytes are not those that the service reads.
    #[error("has a `content-encoding`")]
    Coded,
}

/// Checks that every service reads a body with these header fields as JSON in UTF-8, or not at all.
///
/// # Errors
/// [`MediaTypeFault`].
pub(super) fn check(headers: &Headers<'_>) -> Result<(), MediaTypeFault> {
    match headers.sole("content-encoding") {
        Lookup::Absent => {}
        Lookup::One(_) | Lookup::Repeated => return Err(MediaTypeFault::Coded),
    }
    match headers.sole("content-type") {
        Lookup::Absent => Err(MediaTypeFault::Missing),
        Lookup::Repeated => Err(MediaTypeFault::Repeated),
        Lookup::One(value) if is_json(value) => Ok(()),
        Lookup::One(_) => Err(MediaTypeFault::Other),
    }
}

/// Returns true for `application/json` and `application/….+json`, with plain parameters of which a charset is `utf-8` and stands there
/// once. Narrower than RFC 9110 §5.6.6: readers differ about quotes, blanks around `=`, empty parameters, and `charset*` (RFC 8187).
fn is_json(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    let media_type = parts.next().unwrap_or_default();
    let subtype = media_type.split_at_checked(TYPE.len()).filter(|(head, _)| head.eq_ignore_ascii_case(TYPE));
    let json = subtype.is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case("json") || is_structured(subtype));
    let mut charset = false;
    json && parts.all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        if name.eq_ignore_ascii_case("charset") {
            let utf_8 = value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("\"utf-8\"");
            return utf_8 && !std::mem::replace(&mut charset, true);
        }
        // Nobody may take it for a charset, as some do of `char-set`.
        is_plain(name) && is_plain(value) && !name.to_ascii_lowercase().contains("char")
    })
}

/// What comes before the subtype. Services go by a type alone, of `multipart/…` and `text/…`.
const TYPE: &str = "application/";

/// Returns true for a subtype of JSON's syntax (RFC 6839 §3.1).
fn is_structured(subtype: &str) -> bool {
    const SUFFIX: &str = "+json";
    let stem = subtype.len().checked_sub(SUFFIX.len()).and_then(|at| subtype.split_at_checked(at));
    stem.is_some_and(|(stem, suffix)| suffix.eq_ignore_ascii_case(SUFFIX) && is_plain(stem))
}

/// Returns true for a text that no reader takes apart.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::{MediaTypeFault, check, is_json};
    use crate::http::request::{Field, Headers};

    #[test]
    fn only_json_in_utf_8_is_read() {
        for good in [
            "application/json",
            "APPLICATION/Json",
            "application/json;charset=utf-8",
            "application/json; Charset=UTF-8",
            "application/json ;\tcharset=\"utf-8\"",
            "application/vnd.api+json",
            "application/problem+JSON; charset=utf-8",
            "application/json; version=1; charset=utf-8",
            "application/json; odata.metadata=minimal",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "json",
            "application/",
            "application/+json",
            "application/jsonp",
            "application/json-patch",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/x+json",
            "text/json",
            "text/x+json",
            "text/plain",
            "application/json; charset=utf-7",
            "application/json; charset=unicode_escape",
            "application/json; charset=utf-16",
            "application/json; charset=latin-1",
            "application/json; charset=utf8",
            "application/json; charset=utf_8",
            "application/json; charset=",
            "application/json; charset",
            "application/json; charset='utf-8'",
            "application/json; charset=\"utf-8",
            "application/json; charset=utf-8 x",
            "application/json; charset=utf-8; charset=utf-8",
            "application/json; charset=utf-8; Charset=utf-7",
            "application/json; charset*=utf-8''utf-7",
            "application/json; charset*0=utf-7",
            "application/json; char-set=utf-7",
            "application/json; charset =utf-7",
            "application/json; charset = utf-8",
            "application/json; a=\"b; charset=utf-7\"",
            "application/json; a=\"\\\"; charset=utf-7\"",
            "application/json;",
            "application/json;;charset=utf-8",
            "application/json, application/json",
            "application/json, application/x-www-form-urlencoded",
            "application/json x",
            "application/json/x",
            "application /json",
            "application/json\u{a0}",
            "application/json; a=b/c",
            "application/vnd.x json+json",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
        assert!(!is_json(b"application/json; a=\xff"));
    }

    #[test]
    fn a_header_that_is_there_twice_or_under_another_spelling_is_not_read() {
        let of = |fields: &[(&'static str, &'static str)]| {
            let field =
                |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
            check(&Headers::new(fields.iter().map(field).collect()))
        };
        let json = ("Content-Type", "application/json");
        assert_eq!(of(&[json]), Ok(()));
        assert_eq!(of(&[]), Err(MediaTypeFault::Missing));
        assert_eq!(of(&[("content-type", "")]), Err(MediaTypeFault::Other));
        assert_eq!(of(&[json, json]), Err(MediaTypeFault::Repeated));
        assert_eq!(of(&[json, ("content_type", "text/plain")]), Err(MediaTypeFault::Repeated));
        assert_eq!(of(&[("content_type", "application/json")]), Err(MediaTypeFault::Repeated));
        for coding in ["gzip", "identity", ""] {
            assert_eq!(of(&[json, ("content-encoding", coding)]), Err(MediaTypeFault::Coded), "{coding}");
        }
        assert_eq!(of(&[json, ("Content_Encoding", "gzip")]), Err(MediaTypeFault::Coded));
    }
}
