//! Reads an answer from the wire, and refuses any that Envoy could take for something else than it says.

use modgud::envoy::proto::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, OkHttpResponse,
};
use prost::Message as _;
use prost_types::Struct;
use prost_types::value::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Let through, with these headers written, and these headers and query parameters removed.
    Allow { set: BTreeMap<String, String>, remove: BTreeSet<String>, remove_query: BTreeSet<String> },
    /// Denied, with these headers besides those of every denial.
    Deny { status: u16, body: String, challenge: Option<String>, headers: BTreeMap<String, String> },
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// In words, what about it Envoy could misread, in whatever version.
    pub(crate) fn read(response: CheckResponse) -> Result<Self, String> {
        let CheckResponse { status, dynamic_metadata, http_response } = response;
        let status = status.ok_or("an answer without a status, which Envoy lets through")?;
        ensure(status.message.is_empty() && status.details.is_empty(), "a status that tells something")?;
        metadata(&dynamic_metadata, status.code == 0)?;
        match http_response.ok_or("an answer without a body, which Envoy lets through")? {
            HttpResponse::OkResponse(ok) => {
                ensure(status.code == 0, "an ok_response beside a status that denies")?;
                Self::allow(ok)
            }
            HttpResponse::DeniedResponse(denied) => {
                ensure(status.code != 0, "a denied_response beside the status OK, which Envoy lets through")?;
                Self::deny(denied)
            }
            HttpResponse::ErrorResponse(_) => {
                Err("an error_response, which failure_mode_allow lets through".to_owned())
            }
        }
    }

    /// The status of a denial; `None` when it was let through.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Allow { .. } => None,
            Self::Deny { status, .. } => Some(*status),
        }
    }

    fn allow(ok: OkHttpResponse) -> Result<Self, String> {
        let OkHttpResponse {
            headers,
            headers_to_remove,
            dynamic_metadata,
            response_headers_to_add,
            query_parameters_to_set,
            query_parameters_to_remove,
        } = ok;
        ensure(dynamic_metadata.is_none() && response_headers_to_add.is_empty(), "more than request headers")?;
        ensure(query_parameters_to_set.is_empty(), "something written into the query")?;
        let named =
            |name: &bytes::Bytes| String::from_utf8(name.to_vec()).map_err(|_| "a parameter's name that is no text");
        let remove_query = query_parameters_to_remove.iter().map(named).collect::<Result<_, _>>()?;
        let set = written(headers)?;
        let mut remove = BTreeSet::new();
        for name in headers_to_remove {
            let name = header_name(&name)?;
            ensure(!set.contains_key(&name), &format!("`{name}` in both lists, which Envoy removes"))?;
            ensure(remove.insert(name.clone()), &format!("`{name}` removed twice"))?;
        }
        Ok(Self::Allow { set, remove, remove_query })
    }

    fn deny(denied: DeniedHttpResponse) -> Result<Self, String> {
        let DeniedHttpResponse { status, headers, body } = denied;
        let status = status.map(|status| status.code).unwrap_or_default();
        let status = u16::try_from(status).ok().filter(|status| *status == 302 || (400..600).contains(status));
        let status = status.ok_or("a denial with a status that turns nobody away")?;
        let body = String::from_utf8(body.to_vec()).map_err(|_| "a body that is no text")?;
        Self::denial(status, body, written(headers)?)
    }

    /// Takes out of a denial's headers what its form says by itself.
    ///
    /// # Errors
    /// In words, what is missing.
    pub(crate) fn denial(status: u16, body: String, mut headers: BTreeMap<String, String>) -> Result<Self, String> {
        let kind = headers.remove("content-type");
        let mut fixed = |name: &str, expected: &str| {
            let found = headers.remove(name);
            ensure(
                found.is_some_and(|found| found.starts_with(expected)),
                &format!("{kind:?} without `{name}: {expected}`"),
            )
        };
        match (kind.as_deref(), status) {
            (None, 302) => ensure(body.is_empty(), "a redirect with a body")?,
            (Some("application/json" | "application/problem+json"), _) => {
                serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&body)
                    .map_err(|_| "a body that is no JSON")?;
                fixed("x-content-type-options", "nosniff")?;
            }
            (Some("text/html; charset=utf-8"), _) => {
                fixed("x-content-type-options", "nosniff")?;
                fixed("content-security-policy", "default-src 'none';")?;
            }
            (Some("text/plain; charset=utf-8"), _) => fixed("x-content-type-options", "nosniff")?,
            (kind, _) => return Err(format!("a body of the type {kind:?}")),
        }
        fixed("cache-control", "no-store")?;
        let challenge = headers.remove("www-authenticate");
        ensure(status != 401 || challenge.is_some(), "401 without a challenge (RFC 9110 §15.5.2)")?;
        ensure((status == 302) == headers.contains_key("location"), "302 without a place, or a place without 302")?;
        let again = headers.remove("retry-after").map(|seconds| seconds.parse::<u32>().is_ok());
        ensure(
            again == (status == 503).then_some(true),
            "503 that does not say when to come back, or another that does",
        )?;
        Ok(Self::Deny { status, body, challenge, headers })
    }
}

/// The metadata of a response agrees with it, and has nothing besides the entries of the profile.
fn metadata(encoded: &[u8], allowed: bool) -> Result<(), String> {
    let reported = Struct::decode(encoded).map_err(|_| "dynamic metadata that is no Struct")?.fields;
    let text = |name: &str| match reported.get(name).and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let decision = text("decision");
    let expected: &[&str] = if allowed { &["allowed"] } else { &["denied", "unavailable"] };
    ensure(
        decision.is_some_and(|one| expected.contains(&one)),
        &format!("metadata of another decision: {decision:?}"),
    )?;
    ensure(
        text("reason").is_none() == allowed,
        "a reason beside an answer that lets through, or none beside a denial",
    )?;
    let known = ["decision", "reason", "rule", "authenticator", "subject", "organization"];
    let stranger = reported.keys().find(|name| !known.contains(&name.as_str()));
    ensure(stranger.is_none(), &format!("metadata that nobody asked for: {stranger:?}"))
}

/// Headers that are written over whatever is there, in every version of Envoy, and hold nothing but visible ASCII.
fn written(options: Vec<HeaderValueOption>) -> Result<BTreeMap<String, String>, String> {
    let mut written = BTreeMap::new();
    for option in options {
        let HeaderValueOption { header, append, append_action, keep_empty_value: _ } = option;
        let HeaderValue { key, value, raw_value } = header.ok_or("a header option without a header")?;
        let name = header_name(&key)?;
        ensure(append == Some(false), &format!("`{name}` without append: false, which older Envoys read"))?;
        let overwrite = append_action == i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd);
        ensure(overwrite, &format!("`{name}` without OVERWRITE_IF_EXISTS_OR_ADD, which newer Envoys read"))?;
        ensure(raw_value.is_empty(), &format!("`{name}` with a raw value, which Envoy ignores"))?;
        let visible = !value.is_empty() && value.iter().all(|byte| matches!(byte, 0x20..=0x7e));
        ensure(visible, &format!("`{name}` with a value that is not visible ASCII"))?;
        let value = String::from_utf8_lossy(&value).into_owned();
        ensure(written.insert(name.clone(), value).is_none(), &format!("`{name}` written twice"))?;
    }
    Ok(written)
}

/// A name in lower case, so that comparing two is comparing their bytes.
fn header_name(bytes: &[u8]) -> Result<String, String> {
    let name = String::from_utf8(bytes.to_vec()).map_err(|_| "a header name that is no text")?;
    ensure(!name.is_empty() && name == name.to_ascii_lowercase(), &format!("the header name `{name}`"))?;
    Ok(name)
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// The metadata of a response.
fn reported(allowed: bool) -> Vec<u8> {
    let text = |text: &str| prost_types::Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let members =
        if allowed { vec![("decision", "allowed")] } else { vec![("decision", "denied"), ("reason", "no_rule")] };
    let fields = members.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    Struct { fields }.encode_to_vec()
}

#[test]
fn metadata_that_contradicts_the_response_is_an_error() {
    for (encoded, allowed) in
        [(reported(true), false), (reported(false), true), (Vec::new(), true), (b"x".to_vec(), true)]
    {
        assert!(metadata(&encoded, allowed).is_err());
    }
    assert_eq!((metadata(&reported(true), true), metadata(&reported(false), false)), (Ok(()), Ok(())));
}

#[test]
fn an_answer_that_envoy_lets_through_by_mistake_is_refused() {
    use modgud::envoy::proto::{HttpStatus, RpcStatus};
    let denied = || DeniedHttpResponse { status: Some(HttpStatus { code: 401 }), ..DeniedHttpResponse::default() };
    let status = |code| Some(RpcStatus { code, ..RpcStatus::default() });
    let bad = [
        (None, None, "without a status"),
        (status(0), None, "without a body"),
        (status(7), None, "without a body"),
        (status(0), Some(HttpResponse::DeniedResponse(denied())), "the status OK"),
        (status(7), Some(HttpResponse::OkResponse(OkHttpResponse::default())), "ok_response"),
        (status(7), Some(HttpResponse::ErrorResponse(denied())), "error_response"),
        (status(7), Some(HttpResponse::DeniedResponse(DeniedHttpResponse::default())), "turns nobody away"),
    ];
    for (status, http_response, expected) in bad {
        let dynamic_metadata = reported(status.as_ref().is_none_or(|status| status.code == 0));
        let response = CheckResponse { status, http_response, dynamic_metadata };
        let problem = Answer::read(response).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn headers_that_envoy_could_misread_are_refused() {
    use modgud::envoy::proto::RpcStatus;
    let overwrite = i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd);
    let option = |value: &'static [u8], append, append_action| HeaderValueOption {
        header: Some(HeaderValue { key: "x-a".into(), value: value.into(), ..HeaderValue::default() }),
        append,
        append_action,
        ..HeaderValueOption::default()
    };
    let read = |headers: Vec<HeaderValueOption>, remove: &[&'static str]| {
        let headers_to_remove = remove.iter().map(|name| (*name).into()).collect();
        let ok = OkHttpResponse { headers, headers_to_remove, ..OkHttpResponse::default() };
        let http_response = Some(HttpResponse::OkResponse(ok));
        let status = Some(RpcStatus::default());
        Answer::read(CheckResponse { status, http_response, dynamic_metadata: reported(true) })
    };
    let good = || option(b"a b", Some(false), overwrite);
    assert!(read(vec![good()], &["x-b"]).is_ok());
    for (headers, remove) in [
        (vec![option(b"a", None, overwrite)], vec![]),
        (vec![option(b"a", Some(true), overwrite)], vec![]),
        (vec![option(b"a", Some(false), 0)], vec![]),
        (vec![option(b"", Some(false), overwrite)], vec![]),
        (vec![option(b"a\r\nb", Some(false), overwrite)], vec![]),
        (vec![option(b"\xff", Some(false), overwrite)], vec![]),
        (vec![good(), good()], vec![]),
        (vec![good()], vec!["x-a"]),
        (vec![good()], vec!["x-b", "x-b"]),
        (vec![good()], vec!["X-B"]),
    ] {
        assert!(read(headers, &remove).is_err());
    }
}
