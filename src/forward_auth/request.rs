//! Conversion of a proxy's HTTP request to a check. Its headers are the client's, but for those that the proxy itself writes.

use super::{PROXY_HEADERS, Part, PartHeader, Proxy};
use crate::envoy::proto::{AttributeContext, CheckRequest, HeadersEntry, HttpRequest, Request as RequestAttributes};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use modgud_core::http::forwarded::ForwardedError;
use modgud_core::http::header::folds_to_same_name;

/// Headers about the proxy's own message, and not about the client's. The last one tells about a body, which is not sent here. `Connection` is
/// not among them: one that names a header of the request is malformed, also in the proxy's message.
const OF_THE_MESSAGE: [HeaderName; 10] = [
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("x-envoy-auth-partial-body"),
];

/// Returns the check that a proxy asks for.
///
/// # Errors
/// [`ForwardedError`] if the proxy's own headers are missing or ambiguous, or are those of another kind of proxy.
pub fn check_request(request: &Parts, proxy: Proxy) -> Result<CheckRequest, ForwardedError> {
    let Parts { method, uri, headers, .. } = request;
    let mut described = Described::default();
    let mut entries = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let (name_bytes, value) = (name.as_str().as_bytes(), value.as_bytes());
        // Every header of a proxy begins with an `x`, and names are in lower case here.
        if name_bytes.first() == Some(&b'x') {
            let of_part = |header: &&PartHeader| folds_to_same_name(header.name.as_bytes(), name_bytes);
            if let Some(header) = proxy.parts().iter().find(of_part) {
                let is_exact = header.name.as_bytes().eq_ignore_ascii_case(name_bytes);
                if !is_exact || described.set(header.part, value).is_some() {
                    return Err(ForwardedError::Repeated { header: header.name, proxy: proxy.name() });
                }
                // The scheme is read like Envoy's.
                if header.part != Part::Scheme {
                    continue;
                }
            } else if let Some(header) =
                PROXY_HEADERS.into_iter().find(|header| folds_to_same_name(header.as_bytes(), name_bytes))
            {
                return Err(ForwardedError::OtherProxy { header, proxy: proxy.name() });
            }
        }
        if !OF_THE_MESSAGE.contains(name) {
            entries
                .push(HeadersEntry { key: Bytes::copy_from_slice(name_bytes), value: Bytes::copy_from_slice(value) });
        }
    }
    for header in proxy.parts() {
        if described.get(header.part).is_none_or(<[u8]>::is_empty) {
            let PartHeader { part: _, name, value } = *header;
            return Err(ForwardedError::Missing { header: name, proxy: proxy.name(), value });
        }
    }
    if proxy.parts().is_empty() {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, other) = (hosts.next(), hosts.next());
        if other.is_some() {
            return Err(ForwardedError::Repeated { header: "Host", proxy: proxy.name() });
        }
        let Some(host) = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty()) else {
            let value = "the host of the client's request";
            return Err(ForwardedError::Missing { header: "Host", proxy: proxy.name(), value });
        };
        // In absolute and in authority form the target names a host, too.
        let target = uri.path_and_query().filter(|_| uri.authority().is_none() && uri.scheme().is_none());
        let Some(target) = target else { return Err(ForwardedError::Target { proxy: proxy.name() }) };
        described = Described {
            method: Some(method.as_str().as_bytes()),
            target: Some(target.as_str().as_bytes()),
            host: Some(host),
            scheme: None,
        };
    }
    let owned = |part| described.get(part).map(Bytes::copy_from_slice).unwrap_or_default();
    let http = HttpRequest {
        method: owned(Part::Method),
        path: owned(Part::Target),
        host: owned(Part::Host),
        headers: entries,
        ..HttpRequest::default()
    };
    let request = RequestAttributes { http: Some(http), ..RequestAttributes::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    Ok(CheckRequest { attributes: Some(attributes) })
}

/// The parts of the client's request, as far as they are known.
#[derive(Debug, Default)]
struct Described<'r> {
    method: Option<&'r [u8]>,
    target: Option<&'r [u8]>,
    host: Option<&'r [u8]>,
    scheme: Option<&'r [u8]>,
}

impl<'r> Described<'r> {
    /// Sets a part, and returns the previous value.
    fn set(&mut self, part: Part, value: &'r [u8]) -> Option<&'r [u8]> {
        let slot = match part {
            Part::Method => &mut self.method,
            Part::Target => &mut self.target,
            Part::Host => &mut self.host,
            Part::Scheme => &mut self.scheme,
        };
        slot.replace(value)
    }

    const fn get(&self, part: Part) -> Option<&'r [u8]> {
        match part {
            Part::Method => self.method,
            Part::Target => self.target,
            Part::Host => self.host,
            Part::Scheme => self.scheme,
        }
    }
}
