//! CORS preflights that Envoy's own filter does not answer: a rule lets them through, and nothing that only looks like one.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{ask, testbed};
use modgud_testbed::Setup;

const CONFIGURATION: &str = "
profile: bifrost
rules:
  - name: browsers
    match: { paths: [\"/crm/{*rest}\"] }
    access: preflight
";

#[tokio::test]
async fn a_preflight_reaches_the_module_and_nothing_else_does() {
    let testbed = testbed(Setup { config: Some(CONFIGURATION), ..Setup::default() }).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    // An origin that the sample's CORS filter does not know: it goes on to modgud.
    let (origin, asked) = ("Origin: https://elsewhere.example.com", "Access-Control-Request-Method: PATCH");
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    for (method, path, sent, status) in [
        ("OPTIONS", "/crm/a", lines(&[origin, asked]), 200),
        ("OPTIONS", "/crm/a", lines(&[asked, origin, "Access-Control-Request-Headers: authorization"]), 200),
        ("OPTIONS", "/crm/a", lines(&[origin, asked, "x-username: admin"]), 200),
        ("OPTIONS", "/documents/a", lines(&[origin, asked]), 401),
        ("OPTIONS", "/crm/a", lines(&[]), 401),
        ("OPTIONS", "/crm/a", lines(&[asked]), 401),
        ("OPTIONS", "/crm/a", lines(&[origin]), 401),
        ("OPTIONS", "/crm/a", lines(&[origin, origin, asked]), 401),
        ("OPTIONS", "/crm/a", lines(&[origin, asked, asked]), 401),
        ("GET", "/crm/a", lines(&[origin, asked]), 401),
        ("PATCH", "/crm/a", lines(&[origin, asked]), 401),
        // With a token it is a request like any other.
        ("OPTIONS", "/crm/a", lines(&[&token]), 200),
    ] {
        let answer = ask(testbed.gateway, method, path, &sent).await;
        assert_eq!(answer.status, status, "{method} {path} {sent:?}");
        if status == 200 {
            let seen = Seen::of(&answer);
            assert_eq!((seen.method.as_str(), seen.path.as_str()), (method, "/a"));
            assert_eq!(seen.identity().is_empty(), sent.len() > 1, "{sent:?}");
        }
    }
    testbed.stop().await;
}
