//! The scheme is what Envoy's listener saw, and not what a client on HTTP/2 writes into `:scheme`.

use super::{ask, testbed};
use crate::guarantee::frames::{Connection, End, get_by};
use modgud::net::listen_addr::ListenAddr;
use modgud_testbed::Setup;

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
