//! Impersonation: the person that a caller acts for, named in a header or in the body, and the permission for it. An ambiguous value is
//! rejected, since the service behind Envoy might read it differently.

use super::CorrelationError;
use super::json_body::{self, MediaTypeError};
use super::signed::{CorrelationField, FieldError};
use crate::http::header::HeaderName;
use crate::http::query::Query;
use crate::http::request::{Body, HeaderLookup, Request};
use crate::jose::{JsonError, read_json};
use crate::principal::Principal;
use serde_json::{Number, Value};

/// The impersonation settings of a configuration.
#[derive(Debug)]
pub struct Impersonation {
    /// The source of the value.
    pub source: ImpersonationSource,
    /// The required permission.
    pub permission: Box<str>,
}

/// The source of the impersonated person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImpersonationSource {
    /// This header.
    Header(HeaderName),
    /// The member of this name, at the top of the JSON body.
    Body(Box<str>),
}

/// The reason why a body is unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Envoy is not configured to send bodies (`with_request_body`), or not on this route.
    #[error("the request has a body, and Envoy did not send it")]
    NotSent,
    /// Envoy sent only the beginning, or another length than the request declares.
    #[error("Envoy sent an incomplete body")]
    Partial,
    /// Envoy replaces bytes that are not UTF-8 by `!` in a body that it sends as text, so the original is unknown.
    #[error("the body has a `!`, which may replace other bytes; set `pack_as_bytes: true` in Envoy")]
    Altered,
    /// The service does not read the body as JSON in UTF-8, or might not.
    #[error("the request with a body {0}")]
    MediaType(#[from] MediaTypeError),
    /// A member has a name that some readers take for the configured one, such as `customerid` or `customer_id` for `customerId`.
    #[error("the body has a member that some readers take for the impersonation member")]
    Alike,
    /// The member is neither a text nor a number, and some readers convert it to one: the only element of a list.
    #[error("the impersonation member is neither a text nor a number")]
    Kind,
    /// The body is a list, and some readers take an element for the body.
    #[error("the body is a list with an impersonation member")]
    InList,
    /// The body is not unambiguous JSON.
    #[error("the body {0}")]
    Json(JsonError),
}

impl ImpersonationSource {
    /// Returns the header; `None` for another source.
    #[must_use]
    pub const fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Body(_) => None,
        }
    }
}

impl Impersonation {
    /// Returns the person that the caller acts for; `None` if it acts for itself.
    ///
    /// # Errors
    /// [`CorrelationError`] if the person is ambiguous, or the caller lacks the permission.
    pub(super) fn of(
        &self,
        principal: &Principal,
        request: &Request<'_>,
    ) -> Result<Option<CorrelationField>, CorrelationError> {
        let value = match &self.source {
            ImpersonationSource::Header(name) => in_header(name, request),
            // Frameworks that merge the query parameters and the members of the body into one map find it there, too.
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
        HeaderLookup::Repeated => return Err(CorrelationError::Impersonated(FieldError::NotText)),
        HeaderLookup::One(value) => value,
    };
    let text = std::str::from_utf8(value).map_err(|_| CorrelationError::Impersonated(FieldError::NotText))?;
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
        // JSON without members names no person.
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

/// Returns true if a reader that takes an element of a list for the whole body finds the member there.
fn names(element: &Value, name: &str) -> bool {
    match element {
        Value::Object(members) => members.keys().any(|other| alike(other, name)),
        Value::Array(elements) => elements.iter().any(|element| names(element, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns true if some reader takes one for the other: many ignore case, and map `customerId` and `customer_id` to one field.
fn alike(one: &str, other: &str) -> bool {
    let folded = |name: &str| -> String {
        let upper = name.chars().flat_map(char::to_uppercase);
        upper.flat_map(char::to_lowercase).filter(|character| character.is_alphanumeric()).collect()
    };
    one == other || (folded(one) == folded(other) && !folded(one).is_empty())
}

/// Returns the body, if it is certainly complete.
fn whole<'a>(request: &Request<'a>) -> Result<&'a [u8], BodyError> {
    let length = request.headers.get("content-length");
    let nothing_seen = match request.body {
        Body::NotSent => true,
        // A client, too, can claim that the body is complete.
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

/// Returns true if a request without a length indicates a body. A transfer coding does (RFC 9112 §6.3), which Envoy removes before the
/// check. A type does, as a client without a body writes a length of 0 (RFC 9110 §8.6). In HTTP/2 and HTTP/3 a body needs neither, and
/// modgud can't see the flag `END_STREAM`, which marks its absence.
fn says_that_it_has_one(request: &Request<'_>) -> bool {
    let there = |name: &str| request.headers.sole(name) != HeaderLookup::Absent;
    let means_content = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    let no_length = request.headers.get("content-length") == HeaderLookup::Absent;
    there("transfer-encoding") || (means_content && no_length && there("content-type"))
}

/// Returns a whole number of 64 bits as in the body: JSON has one spelling for it. Any other number has many (`1.50`, `15e-1`, `-0`), and
/// services use their own.
fn exactly(number: &Number) -> Result<String, FieldError> {
    if number.is_f64() { Err(FieldError::Number) } else { Ok(number.to_string()) }
}
