//! The way of a client that knows only the API: a denial through a real Envoy names the metadata, and that names the authorization server
//! (RFC 9728 §5). Here a client looks up names itself: the host of each URL is that of the gateway.

use super::tokens::{claims, sign};
use super::{ask, replaced, testbed};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use serde_json::{Value, json};

const CONFIGURATION: &str = "
profile: none
authenticators:
  - name: login
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
rules:
  - { name: tools, match: { paths: ['/crm/tools/{*rest}'] }, require: { scopes: [tools.call, tools.list] } }
  - { name: readers, match: { paths: ['/crm/readers'] }, require: { scopes: [read] } }
  - { name: hidden, match: { paths: ['/crm/hidden'] }, require: { scopes: [secret] }, deny: { status: 404 } }
  - { name: planned, match: { paths: ['/crm/tools/call'] }, require: { scopes: [planned] }, shadow: true }
denials: { challenge: { scope: true, resource_metadata: true } }
protected_resource:
  resource: https://api.example.com/crm/mcp
  authorization_servers: ['https://login.example.com/realms/acme', 'https://acme.eu.auth0.com/']
";

/// The parameters of a challenge, as a client reads them (RFC 9110 §11.2).
fn parameters(answer: &Exchange) -> Vec<(&str, &str)> {
    let challenges: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
    assert_eq!(challenges.len(), 1, "{answer:?}");
    let rest = challenges[0].1.strip_prefix("Bearer ").unwrap();
    rest.split("\", ").map(|part| part.trim_end_matches('"').split_once("=\"").unwrap()).collect()
}

fn parameter<'a>(answer: &'a Exchange, name: &str) -> Option<&'a str> {
    parameters(answer).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Gets what a URL of the API's host names.
async fn fetch(testbed: &Testbed, url: &str) -> Exchange {
    let path = url.strip_prefix("https://api.example.com").unwrap_or_else(|| panic!("{url}"));
    ask(testbed.gateway, "GET", path, &["Origin: https://elsewhere.example".to_owned()]).await
}

#[tokio::test]
async fn a_client_finds_the_authorization_servers_from_a_denial() {
    let testbed = testbed(Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, ..Setup::default() }).await;
    let denied = ask(testbed.gateway, "POST", "/crm/tools/call", &[]).await;
    assert_eq!((denied.status, parameter(&denied, "error")), (401, None));
    assert_eq!(parameter(&denied, "scope"), Some("tools.call tools.list"));
    let url = parameter(&denied, "resource_metadata").unwrap();
    assert_eq!(url, "https://api.example.com/.well-known/oauth-protected-resource/crm/mcp");

    let metadata = fetch(&testbed, url).await;
    assert_eq!((metadata.status, metadata.header("content-type")), (200, Some("application/json")), "{metadata:?}");
    assert_eq!(metadata.header("access-control-allow-origin"), Some("*"));
    let expected = json!({
        "resource": "https://api.example.com/crm/mcp",
        "authorization_servers": ["https://login.example.com/realms/acme", "https://acme.eu.auth0.com/"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "tools.call", "tools.list"],
    });
    assert_eq!(metadata.json(), expected);
    // A client that was told of no URL looks there, too (RFC 9728 §3.1).
    let well_known = "/.well-known/oauth-protected-resource";
    assert_eq!(fetch(&testbed, &format!("https://api.example.com{well_known}")).await.json(), expected);
    // The rule opens these paths with a slash, too, and no module gets such a request.
    for path in ["", "/crm/mcp"] {
        let url = format!("https://api.example.com{well_known}{path}/");
        assert_eq!(fetch(&testbed, &url).await.json(), expected, "{url}");
    }
    // modgud has the same document at its own port.
    for path in [well_known.to_owned(), format!("{well_known}/crm/mcp")] {
        let own = Exchange::get(testbed.modgud_admin, &path).await.unwrap();
        assert_eq!((own.status, own.header("content-type")), (200, Some("application/json")), "{path}");
        assert_eq!(own.json(), expected, "{path}");
    }
    for path in ["/crm", "/other", "x"] {
        let own = Exchange::get(testbed.modgud_admin, &format!("{well_known}{path}")).await.unwrap();
        assert_eq!(own.status, 404, "{path}");
        assert_ne!(ask(testbed.gateway, "GET", &format!("{well_known}{path}"), &[]).await.status, 200, "{path}");
    }
    // Only what reads is open.
    assert_eq!(ask(testbed.gateway, "POST", well_known, &[]).await.status, 403);
    testbed.stop().await;
}

#[tokio::test]
async fn a_token_without_a_scope_is_told_which_one() {
    let testbed = testbed(Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, ..Setup::default() }).await;
    let bearer = [format!("Authorization: Bearer {}", sign(&testbed.key, &claims()))];
    // The token has the scopes `read` and `write`.
    assert_eq!(ask(testbed.gateway, "GET", "/crm/readers", &bearer).await.status, 200);
    let denied = ask(testbed.gateway, "POST", "/crm/tools/call", &bearer).await;
    assert_eq!(denied.status, 403);
    assert_eq!(
        parameters(&denied),
        [
            ("realm", "modgud"),
            ("error", "insufficient_scope"),
            ("error_description", "This is not allowed."),
            ("scope", "tools.call tools.list"),
            ("resource_metadata", "https://api.example.com/.well-known/oauth-protected-resource/crm/mcp"),
        ]
    );
    let unknown = [bearer[0].replace("Bearer ey", "Bearer eyX")];
    let denied = ask(testbed.gateway, "POST", "/crm/tools/call", &unknown).await;
    assert_eq!((denied.status, parameter(&denied, "error")), (401, Some("invalid_token")));
    assert_eq!(parameter(&denied, "scope"), Some("tools.call tools.list"));
    testbed.stop().await;
}

/// What is opened is what the file says: without `challenge`, no denial says more than before.
#[tokio::test]
async fn without_the_key_a_challenge_names_neither() {
    let quiet = replaced(CONFIGURATION, "denials: { challenge: { scope: true, resource_metadata: true } }\n", "");
    let testbed = testbed(Setup { config: Some(quiet.leak()), envoy: EnvoyYaml::Written, ..Setup::default() }).await;
    let denied = ask(testbed.gateway, "POST", "/crm/tools/call", &[]).await;
    assert_eq!((denied.status, parameters(&denied)), (401, vec![("realm", "modgud")]));
    let bearer = [format!("Authorization: Bearer {}", sign(&testbed.key, &claims()))];
    let denied = ask(testbed.gateway, "POST", "/crm/tools/call", &bearer).await;
    assert_eq!((denied.status, denied.header("www-authenticate")), (403, None));
    let metadata = fetch(&testbed, "https://api.example.com/.well-known/oauth-protected-resource").await.json();
    assert_eq!(metadata.get("scopes_supported"), None::<&Value>);
    testbed.stop().await;
}
