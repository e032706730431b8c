//! What a route in Envoy says along, as `docs/authorization.md` shows it: it narrows, and opens only what says that its name opens.

use super::seen::Seen;
use super::tokens::{IDENTITY, claims, jwt, sign, with};
use super::{ask, logged, replaced, testbed};
use crate::readme::block;
use modgud_testbed::Setup;
use serde_json::json;

/// Between the name of a section and its end.
fn after<'a>(text: &'a str, start: &str) -> &'a str {
    text.split_once(start).unwrap_or_else(|| panic!("`{start}` is not there")).1
}

/// What the documentation shows, on the routes of the modules: `crm` is for staff, `documents` is open, and `/crm` itself names
/// nothing that is there. The virtual host adds a permission for all of them.
fn edit(yaml: &str) -> String {
    let shown = block("docs/authorization.md", "yaml envoy route");
    let permission = "modgud.require_permission: read # a permission, or several with spaces between: all of them\n";
    let of_route = replaced(&shown, &format!("        {permission}"), "");
    let indented = |text: &str, by: usize| -> String {
        let indent = " ".repeat(by);
        text.lines().flat_map(|line| [indent.as_str(), line, "\n"]).collect()
    };
    let of_crm = indented(&of_route, 26);
    let of_documents = of_crm.replace("modgud.rule: staff", "modgud.rule: webhooks");
    let of_no_module = of_crm.replace("modgud.rule: staff", "modgud.rule: nobody");
    // Beside what the virtual host has for the CORS filter.
    let settings = after(&shown, "typed_per_filter_config:\n");
    let of_host = settings.replace("        modgud.rule: staff              # the name of a rule\n", "");
    let line = "                      typed_per_filter_config:\n";
    let mut yaml = replaced(yaml, line, &format!("{line}{}", indented(&of_host, 22)));
    for (route, more) in [
        ("- match: { path_separated_prefix: /crm }\n", of_crm),
        ("- match: { path_separated_prefix: /documents }\n", of_documents),
    ] {
        yaml = replaced(&yaml, route, &format!("{route}{more}"));
    }
    // A route for `/crm` alone, before that of the module.
    let route = "                        - match: { path_separated_prefix: /crm }\n";
    let alone = "                        - match: { path: /crm }\n";
    let rest = "                          route: { cluster: crm, prefix_rewrite: / }\n";
    yaml = replaced(&yaml, route, &format!("{alone}{of_no_module}{rest}{route}"));
    yaml
}

/// The second configuration of the document.
fn configuration() -> &'static str {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/authorization.md")).unwrap();
    let text = after(after(&text, "## What a route in Envoy can add"), "```yaml modgud\n");
    text.split_once("```").unwrap().0.to_owned().leak()
}

#[tokio::test]
async fn a_route_restricts_and_opens_rules_that_allow_it() {
    let setup = Setup { config: Some(configuration()), edit: Some(edit), ..Setup::default() };
    let mut testbed = testbed(setup).await;
    let of = |roles: &[&str], scope: &str| {
        let claims = with(with(claims(), "roles", json!(roles)), "scope", json!(scope));
        vec![jwt(&sign(&testbed.key, &claims))]
    };
    let (staff, clerk, blind) = (of(&["staff"], "read write"), of(&[], "read write"), of(&["staff"], "write"));
    // What a client says there is a header like any other.
    let pretending = |lines: &[String]| [lines, &["modgud.rule: webhooks".to_owned()]].concat();
    for (path, lines, status, reason) in [
        ("/crm/a", staff.clone(), 200, ""),
        ("/crm/a", clerk.clone(), 403, "role_missing"),
        ("/crm/a", pretending(&clerk), 403, "role_missing"),
        ("/crm/a", pretending(&[]), 401, "credential_missing"),
        ("/crm/a", blind.clone(), 403, "permission_missing"),
        ("/crm", staff.clone(), 403, "rule_unknown"),
        // Routes that say nothing themselves.
        ("/user/", clerk.clone(), 200, ""),
        ("/user/", blind.clone(), 403, "permission_missing"),
        ("/user/", vec![], 401, "credential_missing"),
        ("/admin/", staff.clone(), 403, "rule_denied"),
        // Open by name; the virtual host's permission counts all the same.
        ("/documents/hook", vec![], 401, "credential_missing"),
        ("/documents/hook", clerk.clone(), 200, ""),
    ] {
        let answer = ask(testbed.gateway, "GET", path, &lines).await;
        assert_eq!(answer.status, status, "{path} {reason}");
        if status == 200 {
            let identity: Vec<(&str, &str)> = IDENTITY.to_vec();
            assert_eq!(Seen::of(&answer).identity(), identity, "{path}");
        } else {
            let event = logged(&mut testbed.modgud).await;
            assert_eq!(event["reason"], reason, "{path}: {event}");
            if reason == "rule_unknown" {
                assert!(event["detail"].as_str().unwrap().contains("`nobody`"), "{event}");
            }
        }
    }
    testbed.stop().await;
}

/// Without the virtual host's permission.
fn open(yaml: &str) -> String {
    let edited = edit(yaml);
    let permission = "modgud.require_permission: read # a permission, or several with spaces between: all of them";
    replaced(&edited, permission, "tenant: acme")
}

#[tokio::test]
async fn a_route_that_names_an_open_rule_is_open() {
    let testbed = testbed(Setup { config: Some(configuration()), edit: Some(open), ..Setup::default() }).await;
    let spoofed = ["x-username: admin".to_owned(), "authorization: Basic dTpw".to_owned()];
    let seen = Seen::of(&ask(testbed.gateway, "POST", "/documents/hook", &spoofed).await);
    assert_eq!((seen.identity(), seen.values("authorization")), (vec![], vec!["Basic dTpw"]));
    assert_eq!(ask(testbed.gateway, "POST", "/crm/hook", &spoofed).await.status, 401);
    testbed.stop().await;
}
