//! Credentials in cookies and in the query: the module never sees them, and receives all the rest as `docs/places.md` describes.

use super::seen::Seen;
use super::tokens::{IDENTITY, claims, sign};
use super::{PATIENCE, ask, replaced, table, testbed};
use modgud_testbed::Setup;
use serde::Deserialize;
use std::cell::Cell;

/// Looks everywhere, and hands nothing on.
const EVERYWHERE: &str = "
profile: bifrost
authenticators:
  - name: bifrost
    from:
      - { header: authorization, schemes: [JWT] }
      - { cookie: session }
      - { query: access_token }
    jwt:
      issuer: bifrost
      algorithms: [RS256]
      keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }]
      require: [core_user_uuid, username]
upstream: { credential: remove }
";

const HELD_BACK: &str = "
                      disallowed_headers:
                        patterns:
                          - exact: cookie
                            ignore_case: true
";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    send: String,
    module: String,
}

/// modgud gets to see cookies; it may change them in any case.
fn as_documented(yaml: &str) -> String {
    replaced(yaml, HELD_BACK, "\n")
}

/// An Envoy that keeps modgud from changing cookies.
fn unchangeable(yaml: &str) -> String {
    replaced(&as_documented(yaml), "regex: \"accept|connection|", "regex: \"accept|cookie|connection|")
}

#[tokio::test]
async fn a_query_credential_reaches_no_module() {
    let mut testbed = testbed(Setup { config: Some(EVERYWHERE), ..Setup::default() }).await;
    let token = sign(&testbed.key, &claims());
    let rows: Vec<Row> = table(include_str!("../data/envoy/places.yaml"));
    let mut wrong = Vec::new();
    for Row { send, module } in &rows {
        let query = send.replace("{}", &format!("access_token={token}"));
        // A module, for which Envoy rewrites the path, and the core service, for which it does not.
        for (path, at, original) in [("/crm/a/", "/a/", true), ("/user/", "/user/", false)] {
            let seen = Seen::of(&ask(testbed.gateway, "GET", &format!("{path}?{query}"), &[]).await);
            let originals: Vec<String> = if original { vec![format!("{path}{module}")] } else { Vec::new() };
            if seen.path != format!("{at}{module}") || seen.values("x-envoy-original-path") != originals {
                wrong.push(format!("{send}: {} {:?}", seen.path, seen.values("x-envoy-original-path")));
            }
            assert_eq!(seen.identity(), IDENTITY);
            assert!(seen.values("authorization").is_empty());
            assert!(!format!("{seen:?}").contains(&token), "{send}: {seen:?}");
        }
    }
    assert!(wrong.is_empty(), "{} queries arrive otherwise:\n{}", wrong.len(), wrong.join("\n"));

    // A query without a credential is not touched at all.
    let header = [format!("Authorization: JWT {token}")];
    let untouched = ask(testbed.gateway, "GET", "/crm/a/?z&&a=%2f&=&", &header).await;
    assert_eq!(Seen::of(&untouched).path, "/a/?z&&a=%2f&=&");
    // Nor does the log of Envoy show one, or that of a denial.
    let twice = format!("/crm/last/?access_token={token}&access_token={token}");
    assert_eq!(ask(testbed.gateway, "GET", &twice, &[]).await.status, 401);
    let shown = Cell::new(false);
    let last = |line: &str| {
        shown.set(shown.get() || line.contains(&token) || line.contains("access_token"));
        line.contains("/crm/last/").then(|| line.contains("\"status\":401"))
    };
    assert!(testbed.envoy.wait_for(PATIENCE, last).await.unwrap());
    assert!(!shown.get(), "Envoy's log shows the credential");
    testbed.stop().await;
}

#[tokio::test]
async fn a_cookie_credential_is_taken_out_and_the_other_cookies_stay() {
    let testbed = testbed(Setup { config: Some(EVERYWHERE), edit: Some(as_documented), ..Setup::default() }).await;
    let token = sign(&testbed.key, &claims());
    for (cookies, core) in [
        (vec!["session={}"], vec![]),
        (vec!["a=1; session={}; b=\"2\""], vec!["a=1; b=\"2\""]),
        (vec!["session={}; a=%20=; a=2"], vec!["a=%20=; a=2"]),
        (vec!["a=1", "session={}", "b=2"], vec!["a=1; b=2"]),
    ] {
        let lines: Vec<String> = cookies.iter().map(|line| format!("Cookie: {}", line.replace("{}", &token))).collect();
        let seen = Seen::of(&ask(testbed.gateway, "GET", "/user/", &lines).await);
        assert_eq!((seen.values("cookie"), seen.identity()), (core, IDENTITY.to_vec()), "{cookies:?}");
        assert!(!format!("{seen:?}").contains(&token), "{cookies:?}: {seen:?}");
        // Modules get no cookies at all: the sample's routes say so.
        let module = Seen::of(&ask(testbed.gateway, "GET", "/crm/", &lines).await);
        assert_eq!((module.values("cookie"), module.identity()), (vec![], IDENTITY.to_vec()), "{cookies:?}");
    }
    let twice = format!("Cookie: session={token}; session={token}");
    assert_eq!(ask(testbed.gateway, "GET", "/user/", &[twice]).await.status, 401);
    testbed.stop().await;
}

#[tokio::test]
async fn a_cookie_that_envoy_holds_back_is_no_credential() {
    let testbed = testbed(Setup { config: Some(EVERYWHERE), ..Setup::default() }).await;
    let cookie = format!("Cookie: session={}", sign(&testbed.key, &claims()));
    assert_eq!(ask(testbed.gateway, "GET", "/user/", &[cookie]).await.status, 401);
    testbed.stop().await;
}

#[tokio::test]
async fn a_cookie_that_modgud_may_not_change_admits_no_request() {
    let testbed = testbed(Setup { config: Some(EVERYWHERE), edit: Some(unchangeable), ..Setup::default() }).await;
    let token = sign(&testbed.key, &claims());
    for cookie in [format!("Cookie: session={token}"), format!("Cookie: a=1; session={token}")] {
        assert_eq!(ask(testbed.gateway, "GET", "/user/", &[cookie]).await.status, 500);
    }
    testbed.stop().await;
}
