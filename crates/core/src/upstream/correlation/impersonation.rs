//! For whom a caller acts: a value in a header or in the body, and the permission to name one. What can't be read for certain is
//! refused, since the service behind might read it.

use super::CorrelationError;
use super::field::{CorrelationField, PartError};
use super::json_body::{self, MediaTypeError};
use crate::http::header::HeaderName;
use crate::http::query::Query;
use crate::http::request::{Body, HeaderLookup, Request};
use crate::jose::{JsonError, read_json};
use crate::principal::Principal;
use serde_json::{Number, Value};

/// How a configuration lets callers act for others.
#[derive(Debug)]
pub struct Impersonation {
    /// Where the value stands.
    pub source: ImpersonationSource,
    /// What a caller must have to name one.
    pub permission: Box<str>,
}

/// Where the value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImpersonationSource {
    /// In this header.
    Header(HeaderName),
    /// In the member of this name, at the top of the JSON body.
    Body(Box<str>),
}

/// Why a body can't be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Envoy is not configured to send bodies along (`with_request_body`), or does not on this route.
    #[error("the request has a body and Envoy did not send it along")]
    NotSent,
    /// Envoy sent its beginning only, or another length than the request says that it has.
    #[error("Envoy did not send the body along whole")]
    Partial,
    /// Envoy puts a `!` in the place of bytes that are no UTF-8 in what it sends as text: what stands there can't be told.
    #[error(
        "the body holds a `!`, which may stand for other bytes: Envoy has to send it as bytes (`pack_as_bytes: true`)"
    )]
    Altered,
    /// The service reads it in another way than as JSON in UTF-8, or could.
    #[error("the request with a body {0}")]
    MediaType(#[from] MediaTypeError),
    /// A member that some readers take for the one that counts, such as `customerid` or `customer_id` for `customerId`.
    #[error("the body has a member that some readers take for the one that says for whom the caller acts")]
    Alike,
    /// The member holds something else than a text or a number, of which some readers make one: the only element of a list.
    #[error("the member that says for whom the caller acts is neither a text nor a number")]
    Kind,
    /// It is a list, of which some readers take an element for the body.
    #[error("the body is a list in which something says for whom the caller acts")]
    InList,
    /// It is no JSON that can be read in one way.
    #[error("the body {0}")]
    Json(JsonError),
}

impl ImpersonationSource {
    /// The header, if it is one.
    pub(super) const fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Body(_) => None,
        }
    }
}

impl Impersonation {
    /// For whom the caller acts, if for another.
    ///
    /// # Errors
    /// [`CorrelationError`] when that can't be told, or the caller may not.
    pub(super) fn of(
        &self,
        principal: &Principal,
        request: &Request<'_>,
    ) -> Result<Option<CorrelationField>, CorrelationError> {
        let value = match &self.source {
            ImpersonationSource::Header(name) => in_header(name, request),
            // Frameworks that put the parameters of the query and the members of the body into one map find it there, too.
            ImpersonationSource::Body(name) if Query::new(request.query).may_name(|other| alike(other, name)) => {
                Err(CorrelationError::ImpersonatedInQuery)
            }
            ImpersonationSource::Body(name) => in_body(name, request),
        }?;
        match value.filter(|value| !value.as_str().is_empty()) {
            Some(_) if !principal.identity().has_permission(&self.permission) => {
                Err(CorrelationError::NotEntitled(self.permission.clone()))
            }
            value => Ok(value),
        }
    }
}

fn in_header(name: &HeaderName, request: &Request<'_>) -> Result<Option<CorrelationField>, CorrelationError> {
    let value = match request.headers.sole(name.as_str()) {
        HeaderLookup::Absent => return Ok(None),
        HeaderLookup::Repeated => return Err(CorrelationError::Impersonated(PartError::NotText)),
        HeaderLookup::One(value) => value,
    };
    let text = std::str::from_utf8(value).map_err(|_| CorrelationError::Impersonated(PartError::NotText))?;
    CorrelationField::parse(text).map(Some).map_err(CorrelationError::Impersonated)
}

fn in_body(name: &str, request: &Request<'_>) -> Result<Option<CorrelationField>, CorrelationError> {
    let bytes = whole(request)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    json_body::check(&request.headers).map_err(BodyError::MediaType)?;
    let body = read_json(bytes).map_err(BodyError::Json)?;
    let members = match &body {
        Value::Object(members) => members,
        Value::Array(elements) if elements.iter().any(|element| names(element, name)) => {
            return Err(BodyError::InList.into());
        }
        // JSON that has no members names nobody.
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Ok(None),
    };
    if members.keys().any(|other| other != name && alike(other, name)) {
        return Err(BodyError::Alike.into());
    }
    let text = match members.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => exactly(number).map_err(CorrelationError::Impersonated)?,
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(BodyError::Kind.into()),
        None | Some(Value::Null) => return Ok(None),
    };
    CorrelationField::parse(&text).map(Some).map_err(CorrelationError::Impersonated)
}

/// Whether a reader that takes an element of a list for the whole body finds the member there.
fn names(element: &Value, name: &str) -> bool {
    match element {
        Value::Object(members) => members.keys().any(|other| alike(other, name)),
        Value::Array(elements) => elements.iter().any(|element| names(element, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether some reader takes one for the other: many tell no case, and put `customerId` and `customer_id` in one place.
fn alike(one: &str, other: &str) -> bool {
    let folded = |name: &str| -> String {
        let upper = name.chars().flat_map(char::to_uppercase);
        upper.flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect()
    };
    one == other || (folded(one) == folded(other) && !folded(one).is_empty())
}

/// The body, if it is certain that this is all of it.
fn whole<'a>(request: &Request<'a>) -> Result<&'a [u8], BodyError> {
    let length = request.headers.get("content-length");
    let nothing_seen = match request.body {
        Body::NotSent => true,
        // Who is not Envoy can write, too, that the body is whole.
        Body::Whole(bytes) | Body::Text(bytes) => bytes.is_empty(),
        Body::Partial => false,
    };
    if nothing_seen && says_that_it_has_one(request) {
        return Err(BodyError::NotSent);
    }
    match (request.body, length) {
        (Body::Partial, _) | (Body::Whole(_) | Body::Text(_), HeaderLookup::Repeated) => Err(BodyError::Partial),
        (Body::Whole(bytes) | Body::Text(bytes), HeaderLookup::One(length))
            if length != bytes.len().to_string().as_bytes() =>
        {
            Err(BodyError::Partial)
        }
        (Body::Text(bytes), HeaderLookup::Absent | HeaderLookup::One(_)) if bytes.contains(&b'!') => {
            Err(BodyError::Altered)
        }
        (Body::Whole(bytes) | Body::Text(bytes), HeaderLookup::Absent | HeaderLookup::One(_)) => Ok(bytes),
        (Body::NotSent, HeaderLookup::Absent | HeaderLookup::One(b"0")) => Ok(&[]),
        (Body::NotSent, HeaderLookup::One(_) | HeaderLookup::Repeated) => Err(BodyError::NotSent),
    }
}

/// Returns true if a request without a length says that it has a body: by a transfer coding (RFC 9112 §6.3), which Envoy takes away before it
/// asks; or by a type, where a client without a body writes a length of 0 (RFC 9110 §8.6). In HTTP/2 and HTTP/3 a body needs none of them, and
/// what says that there is none (the flag `END_STREAM`) is not shown to us.
fn says_that_it_has_one(request: &Request<'_>) -> bool {
    let there = |name: &str| request.headers.sole(name) != HeaderLookup::Absent;
    let means_content = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    let no_length = request.headers.get("content-length") == HeaderLookup::Absent;
    there("transfer-encoding") || (means_content && no_length && there("content-type"))
}

/// A whole number of 64 bits as it stands in the body: JSON has one spelling for it. Any other number has many (`1.50`, `15e-1`, `-0`),
/// and services write it in their own.
fn exactly(number: &Number) -> Result<String, PartError> {
    if number.is_f64() { Err(PartError::Number) } else { Ok(number.to_string()) }
}
