//! A request described on the command line.

use crate::envoy::proto::{AttributeContext, CheckRequest, ContextExtensionsEntry, HeadersEntry, HttpRequest, Request};
use bytes::Bytes;
use std::str::FromStr;

/// The header in which Envoy reports the scheme of its listener.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// A header, `NAME: VALUE`. Has no `Debug`: it can be a credential.
#[derive(Clone)]
pub(super) struct HeaderArg(HeadersEntry);

impl FromStr for HeaderArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("write it as `NAME: VALUE`")?;
        Ok(Self::new(name.trim(), value.trim()))
    }
}

impl HeaderArg {
    /// Creates a header from a name and a value.
    pub(super) fn new(name: &str, value: &str) -> Self {
        let copy = |part: &str| Bytes::copy_from_slice(part.as_bytes());
        Self(HeadersEntry { key: copy(name), value: copy(value) })
    }
}

/// A context extension of the Envoy route, `KEY=VALUE`.
#[derive(Clone)]
pub(super) struct ContextArg(ContextExtensionsEntry);

impl FromStr for ContextArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("write it as `KEY=VALUE`")?;
        Ok(Self::new(key, value))
    }
}

impl ContextArg {
    /// Creates an entry from a key and a value.
    pub(super) fn new(key: &str, value: &str) -> Self {
        let copy = |part: &str| Bytes::copy_from_slice(part.as_bytes());
        Self(ContextExtensionsEntry { key: copy(key), value: copy(value) })
    }
}

/// Builds the check that Envoy would send for a request. Envoy always reports its listener's scheme: `http`, unless the
/// headers name another one.
pub(super) fn check_request(
    method: String,
    path: String,
    host: String,
    headers: Vec<HeaderArg>,
    context: Vec<ContextArg>,
) -> CheckRequest {
    let mut headers: Vec<HeadersEntry> = headers.into_iter().map(|header| header.0).collect();
    if !headers.iter().any(|header| header.key.eq_ignore_ascii_case(FORWARDED_PROTO.as_bytes())) {
        headers.push(HeaderArg::new(FORWARDED_PROTO, "http").0);
    }
    let http = HttpRequest {
        method: method.into(),
        path: path.into(),
        host: host.into(),
        scheme: Bytes::from_static(b"http"),
        headers,
        ..HttpRequest::default()
    };
    let request = Request { time: None, http: Some(http) };
    let context_extensions = context.into_iter().map(|entry| entry.0).collect();
    let attributes = AttributeContext { request: Some(request), context_extensions, ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}
