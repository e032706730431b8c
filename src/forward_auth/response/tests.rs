//! Every response to a check that is not an allowed one in each of its parts becomes a denial.

use super::response;
use crate::envoy::proto::{
    CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus, OkHttpResponse,
    QueryParameter, RpcStatus,
};
use crate::forward_auth::Proxy;
use http::HeaderMap;

const PROXIES: [Proxy; 5] = [Proxy::Envoy, Proxy::Nginx, Proxy::Traefik, Proxy::Caddy, Proxy::Haproxy];

fn check(code: Option<i32>, http_response: Option<HttpResponse>) -> CheckResponse {
    let status = code.map(|code| RpcStatus { code, ..RpcStatus::default() });
    CheckResponse { status, http_response, ..CheckResponse::default() }
}

fn header(name: &'static str, value: &'static [u8]) -> HeaderValueOption {
    let header = HeaderValue { key: name.into(), value: value.into(), ..HeaderValue::default() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

fn ok(ok: OkHttpResponse) -> CheckResponse {
    check(Some(0), Some(HttpResponse::OkResponse(ok)))
}

fn denied(code: Option<i32>) -> DeniedHttpResponse {
    DeniedHttpResponse { status: code.map(|code| HttpStatus { code }), ..DeniedHttpResponse::default() }
}

fn status(check: &CheckResponse, proxy: Proxy) -> u16 {
    response(check.clone(), &HeaderMap::new(), &["x-user"], proxy).status().as_u16()
}

#[test]
fn only_an_allowed_response_is_200() {
    let allowed = ok(OkHttpResponse { headers: vec![header("x-user", b"a")], ..OkHttpResponse::default() });
    let mut denials = vec![
        CheckResponse::default(),
        check(Some(0), None),
        check(Some(7), None),
        check(None, Some(HttpResponse::OkResponse(OkHttpResponse::default()))),
        check(Some(7), Some(HttpResponse::OkResponse(OkHttpResponse::default()))),
        check(Some(-1), Some(HttpResponse::OkResponse(OkHttpResponse::default()))),
        check(None, Some(HttpResponse::DeniedResponse(denied(Some(403))))),
        check(Some(0), Some(HttpResponse::DeniedResponse(denied(Some(403))))),
        check(Some(0), Some(HttpResponse::ErrorResponse(denied(Some(503))))),
    ];
    for code in
        [None, Some(0), Some(-200), Some(99), Some(100), Some(200), Some(204), Some(299), Some(600), Some(65_736)]
    {
        for body in [HttpResponse::DeniedResponse, HttpResponse::ErrorResponse] {
            denials.push(check(Some(7), Some(body(denied(code)))));
        }
    }
    for proxy in PROXIES {
        assert_eq!(status(&allowed, proxy), 200, "{}", proxy.name());
        for (number, denial) in denials.iter().enumerate() {
            let status = status(denial, proxy);
            assert!((300..600).contains(&status), "{}: {number}: {status}", proxy.name());
        }
    }
}

/// Whatever of an allowed response the proxy could not carry out.
#[test]
fn what_the_proxy_can_not_carry_out_is_not_200() {
    let all = OkHttpResponse::default;
    for (number, (response, also_envoy)) in [
        (OkHttpResponse { headers: vec![header("x-other", b"a")], ..all() }, true),
        (OkHttpResponse { headers: vec![header("x-user", b"a"), header("x-user", b"b")], ..all() }, true),
        (OkHttpResponse { headers: vec![header("x-user", b"a\r\nx: b")], ..all() }, true),
        (OkHttpResponse { headers: vec![header("x user", b"a")], ..all() }, true),
        (OkHttpResponse { headers: vec![HeaderValueOption::default()], ..all() }, true),
        (
            OkHttpResponse { headers: vec![header("x-user", b"a")], headers_to_remove: vec!["x-user".into()], ..all() },
            true,
        ),
        (OkHttpResponse { headers_to_remove: vec!["x_user".into()], ..all() }, false),
        (OkHttpResponse { response_headers_to_add: vec![header("x-user", b"a")], ..all() }, true),
        (OkHttpResponse { query_parameters_to_remove: vec!["token".into()], ..all() }, true),
        (OkHttpResponse { query_parameters_to_set: vec![QueryParameter::default()], ..all() }, true),
    ]
    .into_iter()
    .enumerate()
    {
        for proxy in PROXIES {
            let is_denied = also_envoy || proxy != Proxy::Envoy;
            assert_eq!(status(&ok(response.clone()), proxy) != 200, is_denied, "{}: {number}", proxy.name());
        }
    }
}

/// A client's headers have no effect on the status, and none of them replaces modgud's.
#[test]
fn a_client_that_sends_governed_headers_gets_no_other_response() {
    let mut client = HeaderMap::new();
    client.insert("x-user", "forged".parse().unwrap());
    client.append("x-user", "forged".parse().unwrap());
    for proxy in PROXIES {
        let ours = ok(OkHttpResponse { headers: vec![header("x-user", b"a")], ..OkHttpResponse::default() });
        let found = response(ours, &client, &["x-user"], proxy);
        assert_eq!((found.status().as_u16(), &found.headers()["x-user"]), (200, &"a".parse().unwrap()));
        let removed = ok(OkHttpResponse { headers_to_remove: vec!["x-user".into()], ..OkHttpResponse::default() });
        let found = response(removed, &client, &["x-user"], proxy);
        assert_eq!((found.status().as_u16(), &found.headers()["x-user"]), (200, &"".parse().unwrap()));
    }
}
