//! The responses of the page, each with the headers that keep other sites out.

use super::guard::Refusal;
use axum::body::Body;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use serde::Serialize;

/// Nothing but the page's own files: no inline script or style, no other site, no frame, no form target. Scripts can't turn text into
/// markup at all (Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every response.
const HEADERS: [(HeaderName, &str); 9] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    // A connection ends ten seconds after it began, so none is kept that could end within a response.
    (CONNECTION, "close"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// A status, and its text for people.
#[derive(Debug)]
pub(super) struct Status {
    /// The status.
    pub(super) status: StatusCode,
    /// The text.
    pub(super) text: &'static str,
}

/// Builds a response with a content type.
pub(super) fn response(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::<Body>::new(body.into());
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Responds with JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => response(StatusCode::OK, "application/json", body),
        // A map with keys that are no texts; there is none.
        Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "internal error\n"),
    }
}

/// Responds with JSON that was written before.
pub(super) fn text(json: impl Into<Body>) -> Response<Body> {
    response(StatusCode::OK, "application/json", json)
}

/// Refuses a request.
pub(super) fn refusal(refused: Refusal) -> Response<Body> {
    let Status { status, text } = refused.into();
    let mut response = response(status, "text/plain; charset=utf-8", text);
    if let Refusal::Method(allowed) = refused {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    response
}
