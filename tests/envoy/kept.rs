//! `keep_prefix`: modules that receive whole paths, through Envoy with the routes of `modgud envoy`. The module that receives a request, and
//! the path that it sees, are those that rules, access lists and `modgud explain` are about.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign, with};
use super::written::Row;
use super::{ask, keeps_parameters_of_dot_segments, table, testbed};
use crate::cli::process::{KEY_VARIABLE, run_in};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// Two modules with their prefixes, one inside the other, and one without inside both.
const CONFIGURATION: &str = "
profile: bifrost
modules:
  - { name: crm, prefix: /api/, keep_prefix: true, upstream: '{crm}', access: [{ organization: any, allow: [read] }] }
  - { name: documents, prefix: /api/users, keep_prefix: true, upstream: '{documents}' }
  - { name: old, prefix: /api/users/o.ld, upstream: '{crm}' }
core: { upstream: '{core}', reserved: [admin] }
rules:
  - { name: core-admin, match: { paths: ['/admin/{*rest}'] }, access: denied }
  - { name: closed, match: { paths: ['/api/users/{id}/secret'] }, access: denied }
  - { name: by-path, match: { paths: ['/api/when/{*rest}'] }, when: request.path == '/api/when/a' }
";

#[tokio::test]
async fn each_path_reaches_its_own_module_whole() {
    let setup = Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let token = sign(&testbed.key, &claims());
    let folder = TempDir::new().unwrap();
    let services = ["crm", "documents", "core"];
    let configuration = services
        .iter()
        .fold(CONFIGURATION.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), &format!("{name}:80")));
    fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
    let key = testbed.key.public_pem().unwrap();
    for Row { sent, method, status, by, sees } in table::<Row>(include_str!("../data/envoy/kept.yaml")) {
        let jwt = jwt(&token);
        let request = format!(
            "{method} {sent} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: 0\r\n{jwt}\r\n\r\n"
        );
        let answer = Exchange::raw(testbed.gateway, request.as_bytes()).await.unwrap();
        let status = if keeps_parameters_of_dot_segments(&sent) { 400 } else { status };
        assert_eq!(answer.status, status, "{method} {sent}");
        if status != 200 {
            assert!(answer.json()["module"].is_null(), "{method} {sent} reached a module");
            continue;
        }
        let seen = Seen::of(&answer);
        assert_eq!((Some(&seen.module), Some(&seen.path)), (by.as_ref(), sees.as_ref()), "{method} {sent}");
        // Envoy has rewritten these before modgud sees them; `explain` takes paths as Envoy sends them.
        if ["//", "/.", "/%6", "/%7", "\\"].iter().any(|odd| sent.contains(odd)) || seen.module == "core" {
            continue;
        }
        let explain =
            ["explain", "--config", "modgud.yaml", "--json", "--method", &method, "--path", &sent, "--header", &jwt];
        let told = run_in(folder.path(), &[(KEY_VARIABLE, &key)], &explain).await;
        let told: Value = serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{sent}: {error}: {told:?}"));
        let module = &told["module"];
        assert_eq!(module["path"].as_str(), seen.path.split('?').next(), "{sent}");
        assert_eq!(module["upstream"].as_str().unwrap(), format!("{}:80", seen.module), "{sent}");
    }
    testbed.stop().await;
}

/// The services of the exercise behind the profile `bearer`, with the key of the testbed.
const EXERCISE: &str = "
profile: bearer
authenticators:
  - name: bearer
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: https://auth.example.com, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }], require: [sub] }
modules:
  - { name: users, prefix: /api/users, keep_prefix: true, upstream: '{crm}' }
  - { name: users-v2, prefix: /api/v2/users, keep_prefix: true, upstream: '{crm}' }
  - { name: orders, prefix: /api/orders, keep_prefix: true, upstream: '{documents}' }
rules:
  - { name: delete, match: { methods: [DELETE], paths: ['/api/users/{id}'] }, require: { permissions: [delete] } }
";

#[tokio::test]
async fn the_profile_bearer_forwards_whole_paths_with_the_caller() {
    let setup = Setup { config: Some(EXERCISE), envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let claims = with(claims(), "iss", json!("https://auth.example.com"));
    let claims = with(with(claims, "sub", json!("user123")), "roles", json!(["admin", "user"]));
    let bearer =
        format!("Authorization: Bearer {}", sign(&testbed.key, &with(claims, "permissions", json!(["read", "write"]))));
    let spoofed = [bearer, "X-User-ID: root".to_owned()];
    for (path, module) in [
        ("/api/users/123", "crm"),
        ("/api/v2/users/123?fields=name", "crm"),
        ("/api/orders", "documents"),
        ("/api/users/../orders/7", "documents"),
    ] {
        let seen = Seen::of(&ask(testbed.gateway, "GET", path, &spoofed).await);
        let resolved = path.replace("/users/..", "");
        assert_eq!((seen.module.as_str(), seen.path.as_str()), (module, resolved.as_str()));
        assert_eq!((seen.values("x-user-id"), seen.values("x-user-role")), (vec!["user123"], vec!["admin"]), "{path}");
        assert_eq!((seen.values("x-user-permissions"), seen.values("authorization")), (vec!["read,write"], vec![]));
    }
    let denied = ask(testbed.gateway, "DELETE", "/api/users/123", &spoofed).await;
    assert_eq!(denied.status, 403);
    assert_eq!(denied.json()["error"], "Insufficient permissions: required [delete], have [read, write]");
    assert_eq!(ask(testbed.gateway, "GET", "/api/users/123", &[]).await.status, 401);
    assert_eq!(ask(testbed.gateway, "GET", "/api/payments", &spoofed).await.status, 404);
    testbed.stop().await;
}
