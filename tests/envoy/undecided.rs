//! Checks that modgud can't decide, because the issuer's keys are unavailable: a denial with `Retry-After`, or an error that Envoy
//! decides about.

use super::seen::Seen;
use super::{ask, body, envoy_minor, replaced, testbed};
use crate::support::{KEY, claims};
use modgud_testbed::Setup;
use modgud_testbed::http::Exchange;

/// Nothing listens at port 1.
const DENY: &str = "
profile: bifrost
authenticators:
  - name: away
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ jwks: { url: 'http://127.0.0.1:1/jwks' } }], require: [] }
rules:
  - { name: closed, match: { paths: ['/admin/{*rest}'] }, access: denied }
";

const LEAVE: &str = "
profile: bifrost
authenticators:
  - name: away
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ jwks: { url: 'http://127.0.0.1:1/jwks' } }], require: [] }
rules:
  - { name: closed, match: { paths: ['/admin/{*rest}'] }, access: denied }
denials: { unavailable: error }
";

fn open_on_failure(yaml: &str) -> String {
    replaced(yaml, "failure_mode_allow: false", "failure_mode_allow: true")
}

/// The result for a caller with a token, for one without, and for a denied path.
async fn asked(config: &'static str, edit: Option<fn(&str) -> String>) -> [Exchange; 3] {
    let testbed = testbed(Setup { config: Some(config), edit, ..Setup::default() }).await;
    let token = [format!("Authorization: JWT {}", KEY.sign(&claims()).unwrap())];
    let gateway = testbed.gateway;
    let answers = [
        ask(gateway, "GET", "/crm/", &token).await,
        ask(gateway, "GET", "/crm/", &[]).await,
        ask(gateway, "GET", "/admin/", &token).await,
    ];
    testbed.stop().await;
    answers
}

#[tokio::test]
async fn a_denial_has_retry_after_whatever_envoy_does_with_errors() {
    for edit in [None, Some(open_on_failure as fn(&str) -> String)] {
        let [undecided, anonymous, closed] = asked(DENY, edit).await;
        assert_eq!((undecided.status, undecided.header("retry-after")), (503, Some("10")));
        assert!(undecided.json()["detail"].is_string(), "{}", body(&undecided));
        assert_eq!((anonymous.status, closed.status), (401, 403));
        assert_eq!(anonymous.header("retry-after"), None);
    }
}

#[tokio::test]
async fn an_error_keeps_people_out_unless_envoy_lets_errors_pass() {
    let [undecided, anonymous, closed] = asked(LEAVE, None).await;
    // Before 1.37 Envoy does not know `error_response`, and takes it for a denial: docs/envoy-versions.md.
    let leaves_it = envoy_minor() >= 37;
    assert_eq!(undecided.status, if leaves_it { 503 } else { 403 }, "{}", body(&undecided));
    assert_eq!((anonymous.status, closed.status), (401, 403));

    let [undecided, anonymous, closed] = asked(LEAVE, Some(open_on_failure)).await;
    if leaves_it {
        // The module is asked, which refuses a token whose key it does not know.
        assert_eq!(Seen::of(&undecided).module.as_str(), "crm");
    } else {
        assert_eq!(undecided.status, 403);
    }
    // What was decided is decided.
    assert_eq!((anonymous.status, closed.status), (401, 403));
}
