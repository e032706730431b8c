//! From Envoy's message to a [`Request`]. Both encodings of headers are read; nothing is decided here.

use super::proto::{
    self, AttributeContext, CheckRequest, ContextExtensionsEntry, HttpRequest, Request as RequestAttributes,
};
use modgud_core::http::header::is_token_byte;
use modgud_core::http::request::{Body, Context, Field, Headers, Peer, Request, RequestError, SchemeSource};

/// Reads a check, with the scheme from this source. Borrows from it: no header is copied.
///
/// # Errors
/// [`RequestError`] when the message holds no HTTP request that can be decided on.
pub fn read(check: &CheckRequest, scheme: SchemeSource) -> Result<Request<'_>, RequestError> {
    let CheckRequest { attributes } = check;
    // Taken apart whole, so that a new field can't be overlooked: each that is not read here is left out on purpose.
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
        fragment: _, // always empty: a path that holds a `#` is refused
        size: _,
        protocol: _,
        body: _,     // looked at below, with the headers that say whether it is whole
        raw_body: _, // the same
        header_map: _,
    } = http;
    let mut request = Request::parse(method, path, host, headers(http)?)?;
    request.scheme = scheme.of(&request.headers);
    if let Some(proto::Peer { address: _, service: _, labels: _, principal, certificate }) = source {
        request.peer = Peer { principal, certificate };
    }
    request.context = context(context_extensions)?;
    request.body = body(http, &request.headers);
    Ok(request)
}

/// The body, which Envoy sends in one field or the other, and says of in a header whether it is whole. A client can send that header
/// too; whatever it says, one that is not `false` means that the body may have been cut.
fn body<'a>(http: &'a HttpRequest, headers: &Headers<'_>) -> Body<'a> {
    const PARTIAL: &[u8] = b"x-envoy-auth-partial-body";
    let mut said = headers.iter().filter(|field| field.name.eq_ignore_ascii_case(PARTIAL)).map(|field| field.value);
    let body = match (&*http.body, &*http.raw_body) {
        ([], raw) => Body::Whole(raw),
        (text, []) => Body::Text(text),
        (_, _) => return Body::Partial,
    };
    match (said.next(), body) {
        (None, Body::Whole([])) => Body::NotSent,
        (None, body) => body,
        (Some(b"false"), body) if said.all(|value| value == b"false") => body,
        (Some(_), _) => Body::Partial,
    }
}

/// The headers of a check that could not be read as a request, if they can be read at least: how a client is told so depends on them.
#[must_use]
pub fn read_headers(check: &CheckRequest) -> Option<Headers<'_>> {
    headers(check.attributes.as_ref()?.request.as_ref()?.http.as_ref()?).ok()
}

/// What Envoy's configuration says along. It is a map, and Envoy writes text (protobuf's `string`): anything else is not from Envoy.
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

/// The headers of both encodings, one after the other. Envoy fills one of them; a message that fills both with the same
/// header has it twice, and whoever looks for one header is told so.
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

/// A name is a token (RFC 9110 §5.1), or one of HTTP/2's pseudo-headers, which Envoy lists among the rest (RFC 9113 §8.3).
fn field<'a>(name: &'a [u8], value: &'a [u8]) -> Result<Field<'a>, RequestError> {
    let token = name.strip_prefix(b":").unwrap_or(name);
    if token.is_empty() || !token.iter().copied().all(is_token_byte) {
        return Err(RequestError::HeaderName);
    }
    Ok(Field { name, value })
}
