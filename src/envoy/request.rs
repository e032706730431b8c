//! Conversion of Envoy's message to a [`Request`], in both encodings of headers.

use super::proto::{
    self, AttributeContext, CheckRequest, ContextExtensionsEntry, FILE_DESCRIPTOR_SET, HttpRequest,
    Request as RequestAttributes,
};
use modgud_core::http::header::is_token_byte;
use modgud_core::http::request::{Body, Context, Field, Headers, Peer, Request, RequestError, SchemeSource};
use prost::Message;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage};

/// Reads a check, with the scheme from this source, and a target of at most `max_target` bytes. The request borrows from the check: no header is copied.
///
/// # Errors
/// [`RequestError`] if the check holds no well-formed HTTP request.
pub fn read(check: &CheckRequest, scheme: SchemeSource, max_target: usize) -> Result<Request<'_>, RequestError> {
    let CheckRequest { attributes } = check;
    // A full destructuring, so that no new field is overlooked: each one ignored here is ignored on purpose.
    let AttributeContext { source, destination: _, request, context_extensions, tls_session: _ } =
        attributes.as_ref().ok_or(RequestError::NoHttpRequest)?;
    let RequestAttributes { time: _, http } = request.as_ref().ok_or(RequestError::NoHttpRequest)?;
    let http = http.as_ref().ok_or(RequestError::NoHttpRequest)?;
    let HttpRequest {
        id: _,
        method,
        headers: _,
        path,
        host,
        scheme: _,   // the client's choice on HTTP/2 (RFC 9113 §8.3.1): read from `scheme` instead
        query: _,    // always empty: the query is in `path`
        fragment: _, // always empty: a path with a `#` is rejected
        size: _,
        protocol: _,
        body: _,     // read below, with the header that reports if it is complete
        raw_body: _, // like `body`
        header_map: _,
    } = http;
    let mut request = Request::parse_within(method, (path, max_target), host, headers(http)?)?;
    request.scheme = scheme.of(&request.headers);
    if let Some(proto::Peer { address: _, service: _, labels: _, principal, certificate }) = source {
        request.peer = Peer { principal, certificate };
    }
    request.context = context(context_extensions)?;
    request.body = body(http, &request.headers);
    Ok(request)
}

/// Returns the body. Envoy sends it in one of two fields, and reports in a header if it is complete. A client can send
/// that header too; any value but `false` means that the body may be cut.
fn body<'a>(http: &'a HttpRequest, headers: &Headers<'_>) -> Body<'a> {
    const PARTIAL: &[u8] = b"x-envoy-auth-partial-body";
    let mut marks = headers.iter().filter(|field| field.name.eq_ignore_ascii_case(PARTIAL)).map(|field| field.value);
    let body = match (&*http.body, &*http.raw_body) {
        ([], raw) => Body::Whole(raw),
        (text, []) => Body::Text(text),
        (_, _) => return Body::Partial,
    };
    match (marks.next(), body) {
        (None, Body::Whole([])) => Body::NotSent,
        (None, body) => body,
        (Some(b"false"), body) if marks.all(|value| value == b"false") => body,
        (Some(_), _) => Body::Partial,
    }
}

/// Returns the headers of a check that is no valid request, since the denial's form depends on them. `None` if they are
/// invalid, too.
#[must_use]
pub fn read_headers(check: &CheckRequest) -> Option<Headers<'_>> {
    headers(check.attributes.as_ref()?.request.as_ref()?.http.as_ref()?).ok()
}

/// Reads the context extensions. Envoy's map has unique keys and text (protobuf's `string`): anything else is not from
/// Envoy.
fn context(entries: &[ContextExtensionsEntry]) -> Result<Context<'_>, RequestError> {
    if entries.len() > Context::MAX_ENTRIES {
        return Err(RequestError::Context);
    }
    let mut read = Vec::with_capacity(entries.len());
    for ContextExtensionsEntry { key, value } in entries {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RequestError::Context);
        let (key, value) = (text(key)?, text(value)?);
        if read.iter().any(|(earlier, _)| *earlier == key) {
            return Err(RequestError::Context);
        }
        read.push((key, value));
    }
    Ok(Context::new(read))
}

/// Returns the headers of both encodings, one after the other. Envoy fills one of them; a message with a header in both
/// has it twice, and a lookup of a single header then fails.
fn headers(http: &HttpRequest) -> Result<Headers<'_>, RequestError> {
    let listed = http.header_map.as_ref().map(|map| map.headers.as_slice()).unwrap_or_default();
    let count = http.headers.len().saturating_add(listed.len());
    if count > Headers::MAX_HEADERS {
        return Err(RequestError::TooManyHeaders);
    }
    let mut fields = Vec::with_capacity(count);
    for entry in &http.headers {
        fields.push(field(&entry.key, &entry.value)?);
    }
    for header in listed {
        // `raw_value` is what Envoy sends with `encode_raw_headers`; `value` is its older form (HeaderValue in base.proto).
        let value = if header.raw_value.is_empty() { &header.value } else { &header.raw_value };
        fields.push(field(&header.key, value)?);
    }
    Ok(Headers::new(fields))
}

/// Checks a header. Its name is a token (RFC 9110 §5.1), or a pseudo-header of HTTP/2, which Envoy lists among the rest
/// (RFC 9113 §8.3).
fn field<'a>(name: &'a [u8], value: &'a [u8]) -> Result<Field<'a>, RequestError> {
    let token = name.strip_prefix(b":").unwrap_or(name);
    if token.is_empty() || !token.iter().copied().all(is_token_byte) {
        return Err(RequestError::HeaderName);
    }
    Ok(Field { name, value })
}

/// An error of reading a check from JSON.
#[derive(Debug, thiserror::Error)]
pub enum CheckJsonError {
    /// Invalid JSON, or unknown fields.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The descriptor of modgud's messages is invalid.
    #[error("{0}")]
    Descriptor(#[from] DescriptorError),
    /// The descriptor lacks the message.
    #[error("the descriptor lacks the message `CheckRequest`")]
    NotDescribed,
    /// The JSON message can't be converted.
    #[error("{0}")]
    Decode(#[from] prost::DecodeError),
}

/// Parses a `CheckRequest` in `ProtoJSON` format, as grpcurl reads and prints it, with both `headerMap` and
/// `header_map`. Only commands use it: the server never reads JSON.
///
/// # Errors
/// [`CheckJsonError`] with line and column if the text is no check.
pub fn check_from_json(text: &str) -> Result<CheckRequest, CheckJsonError> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let message = pool.get_message_by_name("envoy.service.auth.v3.CheckRequest").ok_or(CheckJsonError::NotDescribed)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(message, &mut json)?;
    json.end()?;
    Ok(CheckRequest::decode(dynamic.encode_to_vec().as_slice())?)
}
