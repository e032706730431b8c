//! The scheme is what Envoy's listener saw, and not what a client on HTTP/2 writes into `:scheme`.

use super::{ask, testbed};
use crate::guarantee::frames::{Connection, End, get_by};
use modgud::net::listen_addr::ListenAddr;
use modgud_testbed::Setup;
use std::future::poll_fn;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Endpoint;

const RULES: &str = "
profile: bifrost
rules:
  - { name: https, match: { paths: ['/crm/https'] }, access: public, when: request.scheme == 'https' }
  - { name: http, match: { paths: ['/crm/http'] }, access: public, when: request.scheme == 'http' }
";

#[tokio::test]
async fn a_client_on_http_2_does_not_choose_the_scheme() {
    let testbed = testbed(Setup { config: Some(RULES), ..Setup::default() }).await;
    let mut connection = Connection::open(&ListenAddr::Tcp(testbed.gateway)).await;
    let denied = super::detail("You do not have permission to perform this action.");
    for (stream, scheme, path, allowed) in [
        (1, "https", "/crm/https", false),
        (3, "https", "/crm/http", true),
        (5, "http", "/crm/http", true),
        (7, "http", "/crm/https", false),
    ] {
        // Nor by the header, which Envoy writes itself.
        connection.send(&get_by(scheme, stream, path, &[("x-forwarded-proto", "https")])).await;
        let End::Answered(body) = connection.end(stream).await else { panic!("{scheme} {path}: not answered") };
        assert_eq!(String::from_utf8_lossy(&body) != denied, allowed, "{scheme} {path}");
    }
    let lines = ["X-Forwarded-Proto: https".to_owned()];
    assert_eq!(ask(testbed.gateway, "GET", "/crm/https", &lines).await.status, 403);
    testbed.stop().await;
}

/// TLS ends before Envoy: its listener sees `http`, and the operator names the scheme.
const BEHIND_TLS: &str = "
profile: bifrost
request: { scheme: https }
denials: { redirect: { to: 'https://login.example.com/', parameter: return_to, hosts: [api.example.com] } }
";

#[tokio::test]
async fn return_to_has_the_scheme_of_the_request_behind_a_tls_terminating_proxy() {
    for (config, scheme) in
        [(BEHIND_TLS.to_owned(), "https"), (BEHIND_TLS.replace("request: { scheme: https }", ""), "http")]
    {
        let testbed = testbed(Setup { config: Some(config.leak()), ..Setup::default() }).await;
        let expected = format!("https://login.example.com/?return_to={scheme}%3A%2F%2Fapi.example.com%2Fcrm%2Fa");
        let lines = ["Accept: text/html".to_owned()];
        let answer = ask(testbed.gateway, "GET", "/crm/a", &lines).await;
        assert_eq!((answer.status, answer.header("location")), (302, Some(expected.as_str())));
        // On HTTP/2 with both schemes that a client or a proxy may write.
        for written in ["http", "https"] {
            let endpoint = Endpoint::from_shared(format!("http://{}", testbed.gateway)).unwrap();
            let origin = format!("{written}://api.example.com").parse().unwrap();
            let mut channel = endpoint.origin(origin).connect().await.unwrap();
            poll_fn(|context| channel.poll_ready(context)).await.unwrap();
            let request = http::Request::get("/crm/a").header("accept", "text/html").body(Body::empty()).unwrap();
            let answer = channel.call(request).await.unwrap();
            let location = answer.headers().get("location").map(|value| value.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), location), (302, Some(expected.as_str())), "{written}");
        }
        testbed.stop().await;
    }
}
