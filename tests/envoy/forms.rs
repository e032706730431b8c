//! Denials in the forms that clients read, as they come out of Envoy.

use super::{ask, body, testbed};
use modgud_testbed::Setup;
use modgud_testbed::http::Exchange;

const CONFIG: &str = concat!(
    "
profile: bifrost
denials:
  headers: { x-frame-options: DENY }
  redirect: { to: 'https://login.example.com/', hosts: [api.example.com] }
rules:
  - name: hidden
    match: { paths: ['/admin/{*rest}'] }
    access: denied
    deny: { status: 404, detail: 'Nothing <here>' }
  - name: own
    match: { paths: ['/crm/own/{*rest}'] }
    access: denied
    deny:
      page: '",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/envoy/404.html'
      retry_after: 1m
      headers: { X-Frame-Options: SAMEORIGIN }
      set_cookies: ['session=; Max-Age=0; Path=/', 'csrf=; Max-Age=0']
  - name: open
    match: { paths: ['/crm/open/{*rest}'] }
    access: public
    respond: { headers: { cache-control: private, x-cache: 'no' } }
"
);

fn values<'a>(answer: &'a Exchange, name: &str) -> Vec<&'a str> {
    answer.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn a_browser_gets_a_page_or_is_sent_to_log_in_and_others_get_what_they_read() {
    let testbed = testbed(Setup { config: Some(CONFIG), ..Setup::default() }).await;
    let get = async |path: &str, lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        ask(testbed.gateway, "GET", path, &lines).await
    };

    let page = get("/admin/", &["Accept: text/html,application/xhtml+xml,*/*;q=0.8"]).await;
    assert_eq!(page.status, 404);
    assert_eq!(values(&page, "content-type"), ["text/html; charset=utf-8"]);
    assert_eq!(values(&page, "cache-control"), ["no-store"]);
    assert_eq!(values(&page, "x-content-type-options"), ["nosniff"]);
    assert_eq!(values(&page, "x-frame-options"), ["DENY"]);
    assert!(values(&page, "content-security-policy")[0].starts_with("default-src 'none'"));
    assert!(body(&page).contains("<h1>404 Not Found</h1>\n<p>Nothing &lt;here&gt;</p>"), "{}", body(&page));

    let text = get("/admin/", &["Accept: text/plain"]).await;
    assert_eq!((text.status, body(&text).as_str()), (404, "Nothing <here>\n"));
    assert_eq!(values(&text, "content-type"), ["text/plain; charset=utf-8"]);

    let json = get("/admin/", &["Accept: */*"]).await;
    assert_eq!((json.status, body(&json).as_str()), (404, r#"{"detail":"Nothing <here>"}"#));

    let login = get("/crm/a%20b?c=d&e", &["Accept: text/html", "Sec-Fetch-Mode: navigate"]).await;
    assert_eq!((login.status, body(&login).as_str()), (302, ""));
    let back = "https://login.example.com/?return_to=https%3A%2F%2Fapi.example.com%2Fcrm%2Fa%2520b%3Fc%3Dd%26e";
    // The scheme is the one that the client used with Envoy, which is plain here.
    assert_eq!(values(&login, "location"), [back.replace("https%3A", "http%3A")]);
    assert_eq!(values(&login, "cache-control"), ["no-store"]);
    assert_eq!(values(&login, "www-authenticate"), [""; 0]);

    // Envoy merges the slashes before the check: the log has the path of the decision.
    let merged = get("//evil.example.net/%2e%2e", &["Accept: text/html", "Host: evil.example.net"]).await;
    for value in values(&merged, "location") {
        assert!(value.starts_with("https://login.example.com/?return_to=%2F") && !value.contains("%2F%2F"), "{value}");
    }

    // A rule's own page, headers and cookies; only a browser gets the page.
    let own = get("/crm/own/", &["Accept: text/html"]).await;
    assert_eq!((own.status, values(&own, "retry-after")), (403, vec!["60"]));
    assert!(body(&own).contains("<p>There is no such page.</p>"), "{}", body(&own));
    assert!(values(&own, "content-security-policy")[0].contains("img-src 'self' data:"));
    let json = get("/crm/own/", &["Accept: */*"]).await;
    assert_eq!(body(&json), r#"{"detail":"Forbidden"}"#);
    for answer in [&own, &json] {
        assert_eq!(values(answer, "x-frame-options"), ["SAMEORIGIN"]);
        assert_eq!(values(answer, "set-cookie"), ["session=; Max-Age=0; Path=/", "csrf=; Max-Age=0"]);
    }
    let head = {
        let lines = ["Accept: text/html".to_owned()];
        ask(testbed.gateway, "HEAD", "/crm/own/", &lines).await
    };
    assert_eq!((head.status, body(&head).as_str()), (403, ""));

    // The headers of a rule on the module's response; on other rules' responses there are none.
    let open = get("/crm/open/", &[]).await;
    assert_eq!(
        (open.status, values(&open, "x-cache"), values(&open, "cache-control")),
        (200, vec!["no"], vec!["private"])
    );

    let api = get("/crm/", &["Accept: application/json"]).await;
    assert_eq!(values(&api, "x-cache"), [""; 0]);
    assert_eq!(api.status, 401);
    assert_eq!(values(&api, "www-authenticate"), [r#"Bearer realm="modgud""#]);
    testbed.stop().await;
}
