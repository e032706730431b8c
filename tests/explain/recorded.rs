//! `modgud explain --diff --log`: a line that does not have all that decides is undecided, never unchanged or changed.

use super::diff::{diff, line};
use crate::cli::process::{KEY_VARIABLE, run_with_input};
use crate::support::{KEY, NOW};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// Returns a configuration with these rules.
fn rules(rules: &[&str]) -> String {
    format!("profile: none\nrules:\n  - {}\n", rules.join("\n  - "))
}

/// Compares by two configurations. The first line of the output and the exit code are expected, and so is the cause, if there is one.
async fn assert_compared(configurations: [&str; 2], arguments: &[&str], log: &str, expected: (&str, i32, &str)) {
    let [old, new] = configurations;
    let output = diff(old, new, &[&["--log", "-"], arguments].concat(), log).await;
    let (first, code, cause) = expected;
    assert_eq!((output.code, output.err.as_str()), (Some(code), ""), "{log}{output:?}");
    assert_eq!(output.out.lines().next(), Some(first), "{log}{output:?}");
    assert!(output.out.contains(cause), "{cause}: {log}{output:?}");
}

const UNCHANGED: &str = "1 line: 1 unchanged, 0 changed, 0 undecided, 0 skipped";
const CHANGED: &str = "1 line: 0 unchanged, 1 changed, 0 undecided, 0 skipped";
const UNDECIDED: &str = "1 line: 0 unchanged, 0 changed, 1 undecided, 0 skipped";

const ORDERS: &str = "{ name: orders, match: { paths: ['/orders/{id}'] }, access: public }";
const NO_ORDERS: &str = "{ name: orders, match: { paths: ['/orders/{id}'] }, access: denied }";

/// The log has decoded paths.
#[tokio::test]
async fn recorded_paths_are_encoded_again() {
    let (old, new) = (rules(&[ORDERS]), rules(&[NO_ORDERS]));
    for path in ["/orders/a b", "/orders/ü", "/orders/100%", "/orders/a:b@(c)", "/orders/\u{202e}\"<>[]"] {
        let log = line(path, "orders", "");
        assert_compared([&old, &new], &[], &log, (CHANGED, 1, "`orders` allowed → `orders` denied (rule_denied)"))
            .await;
        assert_compared([&old, &old], &[], &log, (UNCHANGED, 0, "")).await;
    }
}

#[tokio::test]
async fn denials_for_the_form_of_a_request_are_undecided() {
    let configuration = rules(&[ORDERS]);
    for reason in ["path_ambiguous", "request_malformed", "host_ambiguous", "uri_too_long", "request_too_large"] {
        let log = line("/orders/a%2fb", "orders", reason).replace(r#""rule":"orders","#, "");
        assert!(!log.contains("rule"), "{log}");
        let expected = (UNDECIDED, 4, "the request's form decided: no log has it as sent");
        assert_compared([&configuration, &configuration], &[], &log, expected).await;
    }
}

/// A line of another configuration, or with facts that no log has.
#[tokio::test]
async fn a_line_that_the_old_configuration_does_not_reproduce_is_undecided() {
    let (old, new) = (rules(&[ORDERS]), rules(&[NO_ORDERS]));
    let allowed = line("/orders/1", "orders", "");
    for log in [
        line("/orders/1", "other", ""),
        line("/orders/1", "orders", "condition_false"),
        line("/orders/1", "orders", "overloaded").replace("denied", "unavailable"),
        line("/orders/a%2fb", "orders", ""),
        allowed.replace(r#""rule":"orders","#, ""),
    ] {
        for new in [&old, &new] {
            let expected = (UNDECIDED, 4, "the old configuration does not decide as recorded");
            assert_compared([&old, new], &[], &log, expected).await;
        }
    }
    // A rule that accepts callers denies for reasons of its own.
    let callers = rules(&["{ name: orders, match: { paths: ['/orders/{id}'] } }"]);
    let expected = (UNDECIDED, 4, "the old configuration does not decide as recorded");
    assert_compared([&callers, &new], &[], &line("/orders/1", "orders", "rule_denied"), expected).await;
    let expected = (CHANGED, 1, "`orders` decides by the credential → `orders` denied (rule_denied)");
    assert_compared([&callers, &new], &[], &line("/orders/1", "orders", "token_expired"), expected).await;
}

/// Returns a configuration with an authenticator that reads this header, and a rule for its callers.
fn reading(header: &str) -> String {
    format!(
        "profile: none
authenticators:
  - name: bifrost
    from: [{{ header: {header}, schemes: [JWT] }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], audiences: any, keys: [{{ pem: {{ env: {KEY_VARIABLE} }} }}] }}
rules:
  - {{ name: staff, match: {{ paths: [/staff] }} }}
"
    )
}

#[tokio::test]
async fn only_a_header_in_a_credential_location_is_a_credential() {
    let (old, moved) = (reading("authorization"), reading("x-token"));
    let expected = (UNDECIDED, 4, "the credential decides by both: no log has it; use --header");
    for reason in ["", "role_missing"] {
        let log = line("/staff", "staff", reason);
        assert_compared([&old, &old], &["--header", "x-other: 1"], &log, expected).await;
    }
    // Without a credential where the old configuration looked, a request may have one where the new one looks.
    let log = line("/staff", "staff", "credential_missing");
    assert_compared([&old, &moved], &[], &log, expected).await;
    assert_compared([&old, &old], &["--header", "authorization: JWT a"], &log, (UNCHANGED, 0, "")).await;
    let malformed = line("/staff", "staff", "token_malformed");
    let header = ["--header", "authorization: JWT a"];
    assert_compared([&old, &old], &header, &malformed, (UNCHANGED, 0, "")).await;
    assert_compared([&old, &moved], &header, &malformed, expected).await;
}

/// Of what conditions read, only what the command line names is known.
#[tokio::test]
async fn facts_that_conditions_read_are_known_by_name() {
    let reading = |condition: &str| {
        rules(&[&format!(
            "{{ name: orders, match: {{ paths: ['/orders/{{id}}'] }}, access: public, when: \"{condition}\" }}"
        )])
    };
    let (headers, context) = ("a rule reads headers", "a rule reads context extensions");
    let (connection, given) = ("a rule reads the scheme, the port or the size", "");
    for (condition, arguments, reason, cause) in [
        ("has(request.headers.tenant)", &["--header", "x-other: 1"][..], "condition_false", headers),
        ("has(request.headers.tenant)", &[], "condition_false", headers),
        ("has(request.headers.tenant)", &["--header", "Tenant: a"], "", given),
        ("has(context.tier)", &[], "condition_false", context),
        ("has(context.tier)", &["--context", "other=1"], "condition_false", context),
        ("has(context.tier)", &["--context", "tier=1"], "", given),
        ("request.scheme == 'https'", &[], "condition_false", connection),
        ("request.scheme == 'https'", &["--header", "x-forwarded-proto: https"], "", given),
        ("has(request.port)", &[], "condition_false", connection),
    ] {
        let configuration = reading(condition);
        let log = line("/orders/1", "orders", reason);
        let (first, code) = if cause == given { (UNCHANGED, 0) } else { (UNDECIDED, 4) };
        assert_compared([&configuration, &configuration], arguments, &log, (first, code, cause)).await;
    }
    // The helper's line has no address of the client.
    let client = "a rule reads the client's address";
    for rule in [
        "{ name: orders, match: { paths: ['/orders/{id}'] }, access: public, require: { clients: [10.0.0.0/8] } }",
        "{ name: orders, match: { paths: ['/orders/{id}'] }, access: public, when: \"cidr('10.0.0.0/8').containsIP(source.address)\" }",
    ] {
        let configuration = rules(&[rule]);
        let log = line("/orders/1", "orders", "");
        assert_compared([&configuration, &configuration], &[], &log, (UNDECIDED, 4, client)).await;
        let given = ["--client", "10.0.0.7"];
        assert_compared([&configuration, &configuration], &given, &log, (UNCHANGED, 0, "")).await;
        let recorded = log.replacen('{', r#"{"client.address":"10.0.0.7","#, 1);
        assert_compared([&configuration, &configuration], &[], &recorded, (UNCHANGED, 0, "")).await;
        let masked = log.replacen('{', r#"{"client.address":"10.0.0.0/24","#, 1);
        assert_compared([&configuration, &configuration], &[], &masked, (UNDECIDED, 4, client)).await;
        let external = format!("request: {{ client: external }}\n{configuration}");
        assert_compared([&configuration, &external], &[], &recorded, (UNDECIDED, 4, client)).await;
    }
    let https = format!("request: {{ scheme: https }}\n{}", reading("request.scheme == 'https'"));
    assert_compared([&https, &https], &[], &line("/orders/1", "orders", ""), (UNCHANGED, 0, "")).await;
}

#[tokio::test]
async fn options_that_may_be_a_preflight_is_undecided() {
    let old = rules(&[ORDERS]);
    let new = rules(&[ORDERS, "{ name: cors, match: { paths: ['/orders/{id}'] }, access: preflight }"]);
    let log = line("/orders/1", "orders", "").replace("GET", "OPTIONS");
    let cause = "no log says if `OPTIONS` was a preflight";
    assert_compared([&old, &new], &[], &log, (UNDECIDED, 4, cause)).await;
    assert_compared([&new, &old], &[], &log, (UNDECIDED, 4, cause)).await;
    assert_compared([&old, &old], &[], &log, (UNCHANGED, 0, "")).await;
    assert_compared([&old, &new], &[], &line("/orders/1", "orders", ""), (UNCHANGED, 0, "")).await;
    let preflight = ["--header", "origin: https://a.example.com", "--header", "access-control-request-method: PUT"];
    let changed = (CHANGED, 1, "`orders` allowed → `cors` allowed");
    assert_compared([&old, &new], &preflight, &log, changed).await;
}

#[tokio::test]
async fn one_request_is_undecided_if_a_lookup_failed() {
    let configuration = reading("authorization")
        .replace(&format!("{{ pem: {{ env: {KEY_VARIABLE} }} }}"), "{ jwks: { url: 'http://127.0.0.1:1/' } }");
    let claims = json!({ "iss": "bifrost", "exp": NOW + 60 }).to_string();
    let token = KEY.sign_raw(r#"{"alg":"RS256","kid":"a"}"#, &claims).unwrap();
    let (header, at) = (format!("authorization: JWT {token}"), NOW.to_string());
    let arguments = ["--path", "/staff", "--at", &at, "--header", &header];
    let output = diff(&configuration, &configuration, &arguments, "").await;
    assert_eq!(output.code, Some(4), "{output:?}");
    let expected = "\nundecided   a lookup for the decision failed; see the messages on standard error\n";
    assert!(output.out.ends_with(expected) && output.err.contains("127.0.0.1:1"), "{output:?}");
    let output = diff(&configuration, &rules(&[ORDERS]), &[&arguments[..], &["--json"]].concat(), "").await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((output.code, &json["is_changed"], &json["is_undecided"]), (Some(4), &json!(false), &json!(true)));
}

/// JSON escapes what a terminal would act on, or show as another text.
#[tokio::test]
async fn json_has_no_control_and_no_invisible_characters() {
    let path = "/orders/\u{202e}\u{e0041}\u{ad}x";
    let log = line(path, "orders", "").replace("api.example", "\u{9b}1m\u{7f}.api.example");
    let raw = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{e0041}' | '\u{ad}');
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("modgud.yaml"), rules(&[ORDERS])).unwrap();
    let arguments = ["explain", "--config", "modgud.yaml", "--log", "-", "--json"];
    let output = run_with_input(folder.path(), &[], &arguments, &log).await;
    assert_eq!(output.out.find(raw), None, "{output:?}");
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(
        (&json["recorded"]["path"], &json["recorded"]["host"]),
        (&json!(path), &json!("\u{9b}1m\u{7f}.api.example.com"))
    );
    let log = line(path, "orders", "");
    let output = diff(&rules(&[ORDERS]), &rules(&[NO_ORDERS]), &["--log", "-", "--json"], &log).await;
    assert_eq!((output.code, output.out.find(raw)), (Some(1), None), "{output:?}");
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(json["changes"][0]["example"]["path"], json!(path));
}
