//! Conversion of a response to a check into HTTP, the one place that builds such a response. It is 200 only if the check's response is an
//! allowed one, in every part, and the proxy can carry it out. Everything else is a denial, also what no check is answered with.

#[cfg(test)]
mod tests;

use super::{BODY_HEADER, GOVERNED_HEADER, Proxy, STATUS_HEADER};
use crate::envoy::proto::{
    CheckResponse, DeniedHttpResponse, HeaderValue as EnvoyHeader, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse, RpcStatus,
};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use modgud_core::http::forwarded::ForwardedError;
use modgud_core::upstream::Mutations;

/// The header in which Envoy's `http_service` reads the names of headers to remove from the client's request.
pub(super) const REMOVE_HEADER: &str = "x-envoy-auth-headers-to-remove";
/// Maximum bytes of a denial's body that nginx gets in a header, too; it sends its clients no longer one.
const MAX_HEADER_BODY_BYTES: usize = 2048;
/// Maximum bytes of a client header's name in the log; a longer one is cut.
const MAX_NAMED_BYTES: usize = 128;

/// Returns the reason why the proxy can't carry out these mutations: a header to remove that is not governed, a query parameter to remove, or
/// a governed header of the client that modgud leaves unchanged and that has several values. `None` if it can.
#[must_use]
pub fn not_expressible(
    mutations: &Mutations,
    client: &HeaderMap,
    governed: &[&str],
    proxy: Proxy,
) -> Option<ForwardedError> {
    if !mutations.remove_query.is_empty() {
        return Some(ForwardedError::QueryNotRemovable { proxy: proxy.name() });
    }
    let is_governed = |name: &[u8]| governed.iter().any(|governed| governed.as_bytes() == name);
    let foreign = mutations.remove.iter().find(|name| !proxy.removes_named() && !is_governed(name));
    if let Some(name) = foreign {
        let name = name.get(..MAX_NAMED_BYTES).unwrap_or(name);
        let header = String::from_utf8_lossy(name).into();
        return Some(ForwardedError::NotRemovable { header, proxy: proxy.name() });
    }
    let is_unchanged = |name: &str| {
        let is_set = mutations.set.iter().any(|(set, _)| set.as_str() == name);
        !is_set && !mutations.remove.iter().any(|removed| removed == name.as_bytes())
    };
    let is_lost = |name: &&&str| !proxy.removes_named() && is_repeated(client, name) && is_unchanged(name);
    let repeated = governed.iter().find(is_lost)?;
    Some(ForwardedError::NotReturnable { header: (*repeated).into(), proxy: proxy.name() })
}

/// Returns the HTTP response for the proxy. `client` are the headers of its request, `governed` those of the configuration.
#[must_use]
pub fn response(check: CheckResponse, client: &HeaderMap, governed: &[&str], proxy: Proxy) -> Response<Full<Bytes>> {
    let CheckResponse { status, http_response, dynamic_metadata: _ } = check;
    let is_ok = matches!(status, Some(RpcStatus { code: 0, .. }));
    match http_response {
        Some(HttpResponse::OkResponse(ok)) if is_ok => {
            allow(ok, client, governed, proxy).unwrap_or_else(|| without_answer(proxy))
        }
        Some(HttpResponse::DeniedResponse(denied)) if status.is_some() && !is_ok => denial(denied, false, proxy),
        Some(HttpResponse::ErrorResponse(denied)) if status.is_some() && !is_ok => denial(denied, true, proxy),
        Some(_) | None => without_answer(proxy),
    }
}

/// Builds the response to an allowed request; `None` if the proxy can't carry out all of it.
fn allow(ok: OkHttpResponse, client: &HeaderMap, governed: &[&str], proxy: Proxy) -> Option<Response<Full<Bytes>>> {
    let OkHttpResponse {
        headers: set,
        headers_to_remove: removed,
        dynamic_metadata,
        response_headers_to_add,
        query_parameters_to_set,
        query_parameters_to_remove,
    } = ok;
    let is_plain = dynamic_metadata.is_none()
        && response_headers_to_add.is_empty()
        && query_parameters_to_set.is_empty()
        && query_parameters_to_remove.is_empty();
    let is_governed = |name: &[u8]| governed.iter().any(|governed| governed.as_bytes() == name);
    let can_remove = |name: &Bytes| proxy.removes_named() || is_governed(name);
    if !is_plain || !removed.iter().all(can_remove) {
        return None;
    }
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    for option in set {
        let HeaderValueOption { header, .. } = option;
        let EnvoyHeader { key, value, raw_value: _ } = header?;
        if !is_governed(&key) || removed.contains(&key) {
            return None;
        }
        let earlier = headers.insert(HeaderName::from_bytes(&key).ok()?, HeaderValue::from_maybe_shared(value).ok()?);
        if earlier.is_some() {
            return None;
        }
    }
    for name in governed {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if headers.contains_key(&name) {
            continue;
        }
        let is_removed = removed.iter().any(|removed| removed == name.as_str().as_bytes());
        // The proxy's own header is not the client's.
        let value = if is_removed || proxy.describes_in(name.as_str()) {
            HeaderValue::from_static("")
        } else if proxy.removes_named() && is_repeated(client, name.as_str()) {
            // Envoy changes no header that the response does not name.
            continue;
        } else {
            unchanged(client, &name)?
        };
        headers.insert(name, value);
    }
    match proxy {
        Proxy::Haproxy => {
            headers.insert(GOVERNED_HEADER, HeaderValue::from_str(&governed.join(", ")).ok()?);
        }
        Proxy::Envoy => {
            let empty = headers.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.as_str().as_bytes());
            let mut names: Vec<&[u8]> = empty.chain(removed.iter().map(|name| &**name)).collect();
            names.sort_unstable();
            names.dedup();
            if !names.is_empty() {
                let names = HeaderValue::from_bytes(&names.join(&b","[..])).ok()?;
                headers.insert(REMOVE_HEADER, names);
            }
        }
        Proxy::Nginx | Proxy::Traefik | Proxy::Caddy => {}
    }
    Some(response)
}

/// Returns true if the client sent several headers of this name. Several cookies are one header, written in parts (RFC 9113 §8.2.3).
fn is_repeated(client: &HeaderMap, name: &str) -> bool {
    name != "cookie" && client.get_all(name).iter().nth(1).is_some()
}

/// Returns the client's own value of a header, empty if there is none; `None` if one response header can't give it back.
fn unchanged(client: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let values: Vec<&HeaderValue> = client.get_all(name).iter().collect();
    match values.as_slice() {
        [] => Some(HeaderValue::from_static("")),
        [value] => Some((*value).clone()),
        cookies if *name == header::COOKIE => {
            let cookies: Vec<&[u8]> = cookies.iter().map(|value| value.as_bytes()).collect();
            HeaderValue::from_bytes(&cookies.join(&b"; "[..])).ok()
        }
        _ => None,
    }
}

/// Builds a denial. `is_undecided` is true if the operator leaves it to Envoy's `failure_mode_allow`.
fn denial(denied: DeniedHttpResponse, is_undecided: bool, proxy: Proxy) -> Response<Full<Bytes>> {
    let DeniedHttpResponse { status, headers, body } = denied;
    let code = status.and_then(|HttpStatus { code }| u16::try_from(code).ok());
    let status = code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|status| is_denial(*status));
    let Some(status) = status else { return without_answer(proxy) };
    let body_header = body_header(&body).filter(|_| proxy == Proxy::Nginx);
    let mut response = Response::new(Full::new(body));
    for HeaderValueOption { header, .. } in headers {
        let Some(EnvoyHeader { key, value, raw_value: _ }) = header else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&key), HeaderValue::from_maybe_shared(value)) {
            // Only cookies come more than once.
            response.headers_mut().append(name, value);
        }
    }
    if let Some(value) = body_header {
        response.headers_mut().insert(BODY_HEADER, value);
    }
    set_status(&mut response, status, is_undecided, proxy);
    response
}

/// Returns a body as the value of a header, for nginx, which drops bodies of such responses. `None` if it is not one line of UTF-8, or too long.
fn body_header(body: &Bytes) -> Option<HeaderValue> {
    let text = str::from_utf8(body).ok()?;
    let is_line =
        (1..=MAX_HEADER_BODY_BYTES).contains(&text.len()) && !text.contains(char::is_control) && text.trim() == text;
    HeaderValue::from_maybe_shared(body.clone()).ok().filter(|_| is_line)
}

/// Builds the denial for a response that no check is answered with.
fn without_answer(proxy: Proxy) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    set_status(&mut response, StatusCode::SERVICE_UNAVAILABLE, false, proxy);
    response
}

/// Returns true if no proxy takes the status for an allowed request.
fn is_denial(status: StatusCode) -> bool {
    status.is_redirection() || status.is_client_error() || status.is_server_error()
}

/// Sets the status of a denial, in the form that the proxy understands.
fn set_status(response: &mut Response<Full<Bytes>>, status: StatusCode, is_undecided: bool, proxy: Proxy) {
    *response.status_mut() = match proxy {
        // `auth_request` takes any other status but 2xx for a fault of the subrequest.
        Proxy::Nginx if status == StatusCode::UNAUTHORIZED || status.is_redirection() => StatusCode::UNAUTHORIZED,
        Proxy::Nginx if status.is_client_error() => StatusCode::FORBIDDEN,
        // `failure_mode_allow` admits the request upon any 5xx.
        Proxy::Envoy if status.is_server_error() && !is_undecided => StatusCode::FORBIDDEN,
        Proxy::Envoy | Proxy::Nginx | Proxy::Traefik | Proxy::Caddy | Proxy::Haproxy => status,
    };
    if proxy == Proxy::Nginx
        && let Ok(value) = HeaderValue::from_str(status.as_str())
    {
        response.headers_mut().insert(STATUS_HEADER, value);
    }
}
