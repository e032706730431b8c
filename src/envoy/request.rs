//! Conversion of Envoy's message to a [`Request`].

use super::check::{Check, Http};
use super::proto::{
    self, Address, AttributeContext, CheckRequest, ContextExtensionsEntry, FILE_DESCRIPTOR_SET, HeadersEntry,
    HttpRequest, Peer, SocketAddress, address,
};
use bytes::Bytes;
use modgud_core::http::client::EXTERNAL_ADDRESS;
use modgud_core::http::header::is_token_byte;
use modgud_core::http::request::{Body, Context, Headers, Request, RequestError, RequestSettings};
use prost::Message;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage};
use std::net::IpAddr;

/// Reads a check with these settings. The request borrows from the message. It takes the headers out of the check; they stay there if it
/// can't be read.
///
/// # Errors
/// [`RequestError`] if the check holds no well-formed HTTP request.
pub fn read<'a>(check: &mut Check<'a>, settings: RequestSettings) -> Result<Request<'a>, RequestError> {
    let RequestSettings { scheme, client, max_target } = settings;
    let Check { http, peer, context, .. } = check;
    let Http { method, path, host, body, raw_body, headers } = http.as_mut().ok_or(RequestError::NoHttpRequest)?;
    check_names(headers)?;
    let context = self::context(context)?;
    let mut request = Request::parse_within(method, (path, max_target), host, headers)?;
    request.scheme = scheme.of(&request.headers);
    request.peer = *peer;
    request.client_source = client;
    request.context = context;
    request.body = self::body(body, raw_body, &request.headers);
    Ok(request)
}

/// Returns the body. Envoy sends it in one of two fields, and reports in a header if it is complete. A client can send
/// that header too; any value but `false` means that the body may be cut.
fn body<'a>(text: &'a [u8], raw: &'a [u8], headers: &Headers<'_>) -> Body<'a> {
    const PARTIAL: &[u8] = b"x-envoy-auth-partial-body";
    let mut marks = headers.iter().filter(|field| field.name.eq_ignore_ascii_case(PARTIAL)).map(|field| field.value);
    let body = match (text, raw) {
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

/// Returns the headers of a check that could not be read, since the denial's form depends on them. `None` if they are invalid, too.
#[must_use]
pub fn unread_headers<'c, 'a>(check: &'c Check<'a>) -> Option<&'c Headers<'a>> {
    check.http.as_ref().map(|http| &http.headers).filter(|headers| check_names(headers).is_ok())
}

/// Reads the context extensions. Envoy's map has unique keys and text (protobuf's `string`): anything else is not from
/// Envoy.
fn context<'a>(entries: &[(&'a [u8], &'a [u8])]) -> Result<Context<'a>, RequestError> {
    if entries.len() > Context::MAX_ENTRIES {
        return Err(RequestError::Context);
    }
    let mut read = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| RequestError::Context);
        let (key, value) = (text(key)?, text(value)?);
        if read.iter().any(|(earlier, _)| *earlier == key) {
            return Err(RequestError::Context);
        }
        read.push((key, value));
    }
    Ok(Context::new(read))
}

/// Checks number and names of headers. A name is a token (RFC 9110 §5.1), or a pseudo-header of HTTP/2, which Envoy lists among the rest
/// (RFC 9113 §8.3).
fn check_names(headers: &Headers<'_>) -> Result<(), RequestError> {
    let is_name = |name: &[u8]| {
        let token = name.strip_prefix(b":").unwrap_or(name);
        !token.is_empty() && token.iter().copied().all(is_token_byte)
    };
    if headers.iter().nth(Headers::MAX_HEADERS).is_some() {
        return Err(RequestError::TooManyHeaders);
    }
    if headers.iter().all(|field| is_name(field.name)) { Ok(()) } else { Err(RequestError::HeaderName) }
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

/// The header in which Envoy reports the scheme of its listener.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Builds the check that Envoy would send for a request: method, path with query, host, headers, and the context extensions of the route.
/// Envoy always reports its listener's scheme: `http`, unless the headers name another one.
#[must_use]
pub fn written_check<T: Into<Bytes>>(
    (method, path, host): (String, String, String),
    headers: Vec<(T, T)>,
    context: Vec<(T, T)>,
) -> CheckRequest {
    let header = |(key, value): (T, T)| HeadersEntry { key: key.into(), value: value.into() };
    let mut headers: Vec<HeadersEntry> = headers.into_iter().map(header).collect();
    if !headers.iter().any(|header| header.key.eq_ignore_ascii_case(FORWARDED_PROTO.as_bytes())) {
        let (key, value) = (Bytes::from_static(FORWARDED_PROTO.as_bytes()), Bytes::from_static(b"http"));
        headers.push(HeadersEntry { key, value });
    }
    let http = HttpRequest {
        method: method.into(),
        path: path.into(),
        host: host.into(),
        scheme: Bytes::from_static(b"http"),
        headers,
        ..HttpRequest::default()
    };
    let context =
        context.into_iter().map(|(key, value)| ContextExtensionsEntry { key: key.into(), value: value.into() });
    let request = Some(proto::Request { time: None, http: Some(http) });
    let attributes = AttributeContext { request, context_extensions: context.collect(), ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

/// Adds the client's address to a check: as that of the connection, and, unless there is one, in the header that Envoy writes for an external
/// client.
#[must_use]
pub fn with_client(mut check: CheckRequest, client: IpAddr) -> CheckRequest {
    let text = Bytes::from(client.to_string());
    let attributes = check.attributes.get_or_insert_default();
    let http = attributes.request.as_mut().and_then(|request| request.http.as_mut());
    let is_external = |header: &HeadersEntry| header.key.eq_ignore_ascii_case(EXTERNAL_ADDRESS.as_bytes());
    if let Some(http) = http.filter(|http| !http.headers.iter().any(is_external)) {
        let key = Bytes::from_static(EXTERNAL_ADDRESS.as_bytes());
        http.headers.push(HeadersEntry { key, value: text.clone() });
    }
    let socket = SocketAddress { address: text, ..SocketAddress::default() };
    let address = Some(Address { address: Some(address::Address::SocketAddress(socket)) });
    attributes.source = Some(Peer { address, ..attributes.source.take().unwrap_or_default() });
    check
}
