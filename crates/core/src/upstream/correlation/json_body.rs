//! The header fields that determine how a service reads a body. By its `content-type` a service reads charsets and forms that modgud does
//! not read. So only a body that every reader takes for JSON in UTF-8 passes.

use crate::http::request::{HeaderLookup, Headers};

/// The reason why a body is not certainly JSON in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Without a `content-type` a service guesses.
    #[error("has no `content-type`")]
    Missing,
    /// Services differ in which of two fields they read; `content_type` is one to some.
    #[error("has more than one `content-type`, or one under another spelling of that name")]
    Repeated,
    /// The field has another type or another charset, or a spelling that readers differ on.
    #[error(
        "has a `content-type` other than `application/json` or `application/….+json`, without charset or with `charset=utf-8`"
    )]
    Other,
    /// The type is JSON by its end, and another one by its beginning.
    #[error("has a `content-type` that ends in `+json` and begins like a type of another syntax")]
    Mixed,
    /// The content is encoded: the service reads other bytes.
    #[error("has a `content-encoding`")]
    Coded,
}

/// Checks that every service reads a body with these header fields as JSON in UTF-8, or not at all.
///
/// # Errors
/// [`MediaTypeError`].
pub(super) fn check(headers: &Headers<'_>) -> Result<(), MediaTypeError> {
    match headers.sole("content-encoding") {
        HeaderLookup::Absent => {}
        HeaderLookup::One(_) | HeaderLookup::Repeated => return Err(MediaTypeError::Coded),
    }
    match headers.sole("content-type") {
        HeaderLookup::Absent => Err(MediaTypeError::Missing),
        HeaderLookup::Repeated => Err(MediaTypeError::Repeated),
        HeaderLookup::One(value) if !is_json(value) => Err(MediaTypeError::Other),
        HeaderLookup::One(value) if is_mixed(value) => Err(MediaTypeError::Mixed),
        HeaderLookup::One(_) => Ok(()),
    }
}

/// Returns true for `application/json` and `application/….+json` with plain parameters, if there is at most one charset and it is `utf-8`.
/// It is narrower than RFC 9110 §5.6.6: readers differ about quotes, blanks around `=`, empty parameters, and `charset*` (RFC 8187).
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
        // No reader may take it for a charset, as some do `char-set`.
        is_plain(name) && is_plain(value) && !name.to_ascii_lowercase().contains("char")
    })
}

/// The text before the subtype. Services recognize `multipart/…` and `text/…` by the type alone.
const TYPE: &str = "application/";

/// Returns true for a subtype of JSON's syntax (RFC 6839 §3.1).
fn is_structured(subtype: &str) -> bool {
    const SUFFIX: &str = "+json";
    let stem = subtype.len().checked_sub(SUFFIX.len()).and_then(|at| subtype.split_at_checked(at));
    stem.is_some_and(|(stem, suffix)| suffix.eq_ignore_ascii_case(SUFFIX) && is_plain(stem))
}

/// Returns true if some server reads another syntax than JSON because of a part of this `content-type`, which [`is_json`]. That part is the
/// start of the subtype: Undertow, Quarkus and Vert.x test for the beginning `application/x-www-form-urlencoded`. Or it is one of several
/// structured suffixes, or a word anywhere in it.
fn is_mixed(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    let subtype = text.get(TYPE.len()..).unwrap_or_default();
    let subtype = subtype.split([';', ' ', '\t']).next().unwrap_or_default();
    let stem = subtype.strip_suffix("+json").unwrap_or_default();
    let begins = |stem: &str| OTHER_SYNTAXES.iter().any(|other| stem.starts_with(other));
    FORMS.iter().any(|form| text.contains(form))
        || stem.contains('+')
        || begins(stem)
        || stem.strip_prefix("x-").is_some_and(begins)
}

/// Words by which servers recognize a form, wherever they find them.
const FORMS: [&str; 3] = ["urlencoded", "form-data", "multipart"];

/// The beginnings of subtypes of `application` whose syntax is not JSON, and that servers parse; each also after `x-`.
const OTHER_SYNTAXES: [&str; 40] = [
    "avro",
    "bson",
    "cbor",
    "csv",
    "edn",
    "graphql",
    "grpc",
    "hjson",
    "jackson-smile",
    "java-serialized",
    "javascript",
    "json-lines",
    "json-seq",
    "json5",
    "jsonc",
    "jsonl",
    "ldjson",
    "messagepack",
    "msgpack",
    "n-quads",
    "n-triples",
    "ndjson",
    "octet-stream",
    "php",
    "plist",
    "protobuf",
    "smile",
    "toml",
    "turtle",
    "ubjson",
    "vnd.apache.avro",
    "vnd.apache.thrift",
    "vnd.cbor",
    "vnd.google.protobuf",
    "vnd.msgpack",
    "vnd.php",
    "vnd.yaml",
    "www-form",
    "xml",
    "yaml",
];

/// Returns true for a text that no reader splits.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::{MediaTypeError, check, is_json, is_mixed};
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

    /// Shows that servers match types by prefix: `application/x-www-form-urlencoded+json` is a form to them.
    #[test]
    fn a_structured_suffix_does_not_hide_another_type() {
        for good in [
            "application/json",
            "application/json; version=1",
            "application/vnd.api+json",
            "application/hal+json",
            "application/problem+json",
            "application/cloudevents+json",
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/vnd.example.invoice-v2+json; charset=utf-8",
            "application/geo+json",
            "application/ld+json",
            "application/ion+json",
            "application/rdf+json",
            "application/vnd.kafka.avro.v2+json",
            "application/vnd.formio+json",
        ] {
            assert!(is_json(good.as_bytes()) && !is_mixed(good.as_bytes()), "{good}");
        }
        for bad in [
            "application/x-www-form-urlencoded+json",
            "Application/X-WWW-Form-URLencoded+JSON; charset=utf-8",
            "application/x-www-form-urlencoded.v1+json",
            "application/vnd.x-www-form-urlencoded+json",
            "application/json; a=x-www-form-urlencoded",
            "application/multipart+json",
            "application/form-data+json",
            "application/xml+json",
            "application/xml-dtd+json",
            "application/soap+xml+json",
            "application/vnd.a+xml+json",
            "application/a+b+json",
            "application/yaml+json",
            "application/x-yaml+json",
            "application/vnd.yaml+json",
            "application/cbor+json",
            "application/msgpack+json",
            "application/x-msgpack+json",
            "application/vnd.msgpack+json",
            "application/x-ndjson+json",
            "application/ndjson+json",
            "application/json-seq+json",
            "application/jsonl+json",
            "application/json5+json",
            "application/octet-stream+json",
            "application/x-protobuf+json",
            "application/graphql+json ;a=b",
        ] {
            assert!(is_json(bad.as_bytes()) && is_mixed(bad.as_bytes()), "{bad}");
            let field = Field { name: b"content-type", value: bad.as_bytes() };
            assert_eq!(check(&Headers::new(vec![field])), Err(MediaTypeError::Mixed), "{bad}");
        }
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
        assert_eq!(of(&[]), Err(MediaTypeError::Missing));
        assert_eq!(of(&[("content-type", "")]), Err(MediaTypeError::Other));
        assert_eq!(of(&[json, json]), Err(MediaTypeError::Repeated));
        assert_eq!(of(&[json, ("content_type", "text/plain")]), Err(MediaTypeError::Repeated));
        assert_eq!(of(&[("content_type", "application/json")]), Err(MediaTypeError::Repeated));
        for coding in ["gzip", "identity", ""] {
            assert_eq!(of(&[json, ("content-encoding", coding)]), Err(MediaTypeError::Coded), "{coding}");
        }
        assert_eq!(of(&[json, ("Content_Encoding", "gzip")]), Err(MediaTypeError::Coded));
    }
}
