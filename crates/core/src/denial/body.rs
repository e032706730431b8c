//! The representations of a denial, and the choice for a client.

use super::accept;
use super::{BodyStyle, Status, html};
use crate::http::request::{HeaderLookup, Headers};
use serde_json::json;

/// The representation of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    /// The configured body style.
    Own,
    /// Plain text.
    Text,
    /// A small HTML page.
    Html,
    /// For a gRPC client: Envoy uses the body as the message of the status.
    Grpc,
}

impl Representation {
    /// Every representation.
    pub(super) const ALL: [Self; 4] = [Self::Own, Self::Text, Self::Html, Self::Grpc];

    pub(super) const fn media_type(self, style: BodyStyle) -> &'static str {
        match (self, style) {
            (Self::Own, BodyStyle::Problem) => "application/problem+json",
            (Self::Own, BodyStyle::Detail | BodyStyle::Error | BodyStyle::Orchescala) => "application/json",
            (Self::Text | Self::Grpc, _) => "text/plain; charset=utf-8",
            (Self::Html, _) => "text/html; charset=utf-8",
        }
    }

    pub(super) fn body(self, style: BodyStyle, status: Status, text: &str) -> String {
        let code = status.code();
        match (self, style) {
            (Self::Own, BodyStyle::Problem) => {
                json!({ "type": "about:blank", "title": status.canonical_reason(), "status": code, "detail": text })
                    .to_string()
            }
            (Self::Own, BodyStyle::Detail) => json!({ "detail": text }).to_string(),
            (Self::Own, BodyStyle::Error) => json!({ "error": text }).to_string(),
            (Self::Own, BodyStyle::Orchescala) => json!({ "errorCode": code, "errorMsg": text }).to_string(),
            (Self::Text, _) => format!("{text}\n"),
            (Self::Html, _) => html::page(status, text),
            (Self::Grpc, _) => text.to_owned(),
        }
    }
}

/// Returns the representation for a client: gRPC for its calls, otherwise the one that `Accept` prefers, by default the configured
/// one.
pub(super) fn form(headers: &Headers<'_>, style: BodyStyle) -> Representation {
    /// The prefix of gRPC media types (gRPC over HTTP/2, "Requests").
    const GRPC: &[u8] = b"application/grpc";
    if let HeaderLookup::One(kind) = headers.get("content-type")
        && kind.get(..GRPC.len()).is_some_and(|head| head.eq_ignore_ascii_case(GRPC))
    {
        return Representation::Grpc;
    }
    match style {
        BodyStyle::Problem => accept::preferred(headers, &["application/problem+json", "application/json"]),
        BodyStyle::Detail | BodyStyle::Error | BodyStyle::Orchescala => {
            accept::preferred(headers, &["application/json"])
        }
    }
}
