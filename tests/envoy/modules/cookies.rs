//! `cookies: remove | keep`, for modules and for the core service. A credential in a cookie reaches neither.

use super::super::ask;
use super::super::seen::Seen;
use super::super::tokens::{claims, sign};
use super::gateway;

const CONFIGURATION: &str = "
profile: bifrost
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT, Bearer] }, { cookie: session }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }], require: [core_user_uuid] }
modules:
  - { name: crm, prefix: /crm, upstream: '{crm}' }
  - { name: keeping, prefix: /keeping, upstream: '{crm}', cookies: keep }
  - { name: open, prefix: /open, upstream: '{crm}', cookies: keep }
  - { name: removing, prefix: /removing, upstream: '{crm}', cookies: remove }
core: { upstream: '{core}', reserved: [user], COOKIES }
rules:
  - { name: open, match: { paths: ['/open/{*rest}'] }, access: public }
";

#[tokio::test]
async fn services_get_the_cookies_that_their_key_lets_through() {
    for (of_core, core_gets) in [("", vec!["a=1; b=2"]), ("cookies: remove", vec![])] {
        let (testbed, token) = gateway(CONFIGURATION.replace(", COOKIES", &format!(", {of_core}"))).await;
        let (name, value) = token.split_once(": JWT ").unwrap();
        assert_eq!(name, "Authorization");
        let session = sign(&testbed.key, &claims());
        for (path, gets) in [
            ("/crm/a", vec![]),
            ("/removing/a", vec![]),
            ("/keeping/a", vec!["a=1; b=2"]),
            ("/user/a", core_gets.clone()),
        ] {
            for lines in [
                [token.clone(), "Cookie: a=1; b=2".to_owned()].as_slice(),
                &[format!("Cookie: a=1; session={session}; b=2")],
                &[format!("Cookie: session={session}"), "Cookie: a=1; b=2".to_owned()],
            ] {
                let seen = Seen::of(&ask(testbed.gateway, "GET", path, lines).await);
                assert_eq!(seen.values("cookie"), gets, "{path} with {} lines", lines.len());
                assert_eq!(seen.values("x-username"), ["admin"], "{path}");
                assert!(!seen.headers.iter().any(|(name, text)| name != "authorization" && text.contains(value)));
            }
        }
        // A public rule looks at no credential and changes none.
        let cookies = format!("a=1; session={session}");
        let answer = ask(testbed.gateway, "GET", "/open/a", &[format!("Cookie: {cookies}")]).await;
        assert_eq!(answer.json()["headers"].to_string().matches(&session).count(), 1, "{}", answer.json());
        testbed.stop().await;
    }
}
