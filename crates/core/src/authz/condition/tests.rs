//! Tests of valid expressions and their results.

mod bounds;
mod networks;
mod random;
mod refused;
mod table;
mod time_windows;

use super::{CallerPresence, Condition, Env, EvaluationError, Expression, ExpressionError, Inputs};
use crate::authz::{AuthzError, PathPattern};
use crate::http::request::{Context, Field, Headers, Request};
use crate::principal::{Identity, NullStrings, PermissionScope, Principal};
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use table::CONDITIONS;

pub(super) const PATTERN: &str = "/orgs/{org}/{*rest}";
const TARGET: &[u8] = b"/orgs/acme/reports/7?debug&q=a%20b&n=7&two=1&two=2&bad=%zz&plus=a+b&x;org=1";
/// 2023-11-14T22:13:20.500Z.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

pub(super) fn compile(text: &str) -> Result<Expression, Vec<ExpressionError>> {
    let patterns = [PathPattern::parse(PATTERN).unwrap()];
    Expression::compile(text, &Env::Rule { callers: CallerPresence::Possible, patterns: &patterns })
}

pub(super) fn principal() -> Principal {
    let claims = json!({
        "sub": "u1", "org": "acme", "level": 3, "big": 18_446_744_073_709_551_615_u64, "ratio": 0.5, "admin": true, "nothing": null,
        "none": "None", "roles": ["a", "b"], "nested": {"deep": {"er": [1, {"x": "y"}]}, "none": "None", "null": null},
        "https://example.com/org": "acme", "auth_time": 1_699_999_900, "text": "é\u{1f600}", "max": i64::MAX, "min": i64::MIN,
        "many": (0..=1_000).collect::<Vec<i32>>(), "some": (0..40).collect::<Vec<i32>>(),
    });
    let texts = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect();
    let identity = Identity {
        subject: Some("u1".into()),
        organization: Some("acme".into()),
        roles: texts(&["reader", "editor"]),
        permissions: texts(&["read"]),
        scopes: vec![],
        permission_scope: PermissionScope::All,
    };
    let absent = Arc::new(NullStrings::new(["None", ""]));
    Principal::of(claims, &identity, absent)
}

/// Calls a function with the inputs of these tests, with or without a caller.
pub(super) fn with_inputs<T>(caller: Option<&Principal>, act: impl FnOnce(&Inputs<'_>) -> T) -> T {
    let fields: &[(&[u8], &[u8])] = &[
        (b"x-one", b"1"),
        (b"X-Upper", b"U"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"x_under", b"1"),
        (b"x-bytes", b"\xff"),
        (b"authorization", b"Bearer secret"),
    ];
    let headers = Headers::new(fields.iter().map(|(name, value)| Field { name, value }).collect());
    let mut request = Request::parse(b"GET", TARGET, b"API.example.com:8443", headers).unwrap();
    request.scheme = b"https";
    request.context = Context::new(vec![("tier", "gold"), ("modgud.rule", "r")]);
    let pattern = PathPattern::parse(PATTERN).unwrap();
    act(&Inputs { request: &request, pattern: Some(&pattern), rule: None, principal: caller, now: NOW })
}

pub(super) fn evaluate(text: &str) -> Result<Value, EvaluationError> {
    let expression = compile(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    with_inputs(Some(&principal()), |inputs| expression.evaluate(inputs))
}

#[test]
fn expressions_come_to_values() {
    for (text, expected) in [
        ("request.method", json!("GET")),
        ("request.scheme + '://' + request.host", json!("https://api.example.com")),
        ("request.port", json!(8443)),
        ("request.path", json!("/orgs/acme/reports/7")),
        ("request.headers['x-one']", json!("1")),
        ("request.headers['x-upper']", json!("U")),
        ("path", json!({"org": "acme", "rest": "reports/7"})),
        ("path.org + path['rest']", json!("acmereports/7")),
        ("query.q", json!("a b")),
        ("query.debug", json!("")),
        ("int(query.n) + 1", json!(8)),
        ("context", json!({"tier": "gold", "modgud.rule": "r"})),
        ("context['modgud.rule']", json!("r")),
        ("now", json!("2023-11-14T22:13:20.500Z")),
        ("now - timestamp(claims.auth_time)", json!("100.5s")),
        ("now.getHours('Europe/Berlin')", json!(23)),
        ("claims.nested.deep", json!({"er": [1, {"x": "y"}]})),
        // A claim that is passed on keeps the members that count as none for a condition, as `claim: nested` does.
        ("claims.nested", json!({"deep": {"er": [1, {"x": "y"}]}, "none": "None", "null": null})),
        ("claims['nested']", json!({"deep": {"er": [1, {"x": "y"}]}, "none": "None", "null": null})),
        ("{'a': claims.nested}", json!({"a": {"deep": {"er": [1, {"x": "y"}]}}})),
        ("claims.nested.deep.er[1].x", json!("y")),
        ("claims['https://example.com/org']", json!("acme")),
        ("claims.big", json!(18_446_744_073_709_551_615_u64)),
        ("claims.ratio * 4.0", json!(2.0)),
        ("size(claims.text)", json!(2)),
        ("claims.roles + ['c']", json!(["a", "b", "c"])),
        ("principal.roles", json!(["reader", "editor"])),
        ("principal.scopes", json!([])),
        ("principal.authenticator", json!("bifrost")),
        ("principal.permissions.map(p, p + '!')", json!(["read!"])),
        ("{'a': 1, 2: [null]}", json!({"a": 1, "2": [null]})),
        ("null", json!(null)),
    ] {
        assert_eq!(evaluate(text), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_are_true_or_false_or_neither() {
    assert!(CONDITIONS.len() > 60);
    let caller = principal();
    let mut wrong = Vec::new();
    for (text, expected) in CONDITIONS {
        let patterns = [PathPattern::parse(PATTERN).unwrap()];
        let found =
            match Condition::compile(text, &Env::Rule { callers: CallerPresence::Possible, patterns: &patterns }) {
                Err(errors) => format!("{errors:?}"),
                Ok(condition) => match with_inputs(Some(&caller), |inputs| condition.check(inputs)) {
                    Ok(()) => "true".to_owned(),
                    Err(AuthzError::ConditionFalse) => "false".to_owned(),
                    Err(AuthzError::ConditionError(error)) => format!("{error:?}"),
                    Err(error) => panic!("{text}: {error:?}"),
                },
            };
        if found != *expected {
            wrong.push(format!("{text}: {found}, and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_caller_its_facts_are_missing() {
    for (text, expected) in [
        ("has(principal.subject)", Ok(json!(false))),
        ("has(claims.org) || 'org' in claims", Ok(json!(false))),
        ("size(principal) + size(claims)", Ok(json!(0))),
        ("principal.subject == ''", Err(EvaluationError::Missing("subject".into()))),
        ("size(principal.roles) == 0", Err(EvaluationError::Missing("roles".into()))),
        ("claims.org == path.org", Err(EvaluationError::Missing("org".into()))),
    ] {
        let found = with_inputs(None, |inputs| compile(text).unwrap().evaluate(inputs));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn no_fault_tells_a_value() {
    let mut told = Vec::new();
    for text in [
        "claims[claims.org]",
        "path[query.q]",
        "claims.org + 1",
        "int(claims.org)",
        "claims.org / 2",
        "claims.org[0]",
        "claims.org ? 1 : 2",
        "timestamp(claims.org)",
        "bool(claims.org)",
        "claims.org.all(x, x)",
        "query[claims.org]",
        "request.headers[claims.org]",
        "double(claims.org)",
        "{claims.org: 1, claims.org: 2}",
    ] {
        let error = evaluate(text).unwrap_err();
        for value in ["acme", "a b"] {
            assert!(!format!("{error} {error:?}").contains(value), "{text}: {error:?}");
        }
        told.push(error.to_string());
    }
    assert!(told.iter().all(|text| text.starts_with("the expression ")), "{told:?}");
}

#[test]
fn explain_shows_the_values_that_were_read() {
    let condition = |text: &str| {
        let patterns = [PathPattern::parse(PATTERN).unwrap()];
        Condition::compile(text, &Env::Rule { callers: CallerPresence::Possible, patterns: &patterns }).unwrap()
    };
    for (text, expected) in [
        ("claims.org == path.org", "`claims.org == path.org` is true: path.org = \"acme\", claims.org = \"acme\""),
        ("has(claims.x)", "`has(claims.x)` is false: claims.x is missing"),
        (
            "claims.x",
            "`claims.x`: the rule's condition can't be evaluated: the expression reads `x`, which is missing: claims.x is missing",
        ),
        (
            "query.two == ''",
            "`query.two == ''`: the rule's condition can't be evaluated: the expression reads `query.two`, which is repeated or ambiguous",
        ),
        (
            "size(claims.many) > 3",
            "`size(claims.many) > 3` is true: claims.many = [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29…",
        ),
        (
            "request.headers['authorization'] == request.headers['x-one'] || size(principal) == 6",
            "`request.headers['authorization'] == request.headers['x-one'] || size(principal) == 6` is true: principal with its 6 members, request.headers.authorization = \"(hidden)\", request.headers['x-one'] = \"1\"",
        ),
        (
            "now.getDate() == 14 && request.method == 'GET'",
            "`now.getDate() == 14 && request.method == 'GET'` is true: request.method = \"GET\", now = \"2023-11-14T22:13:20.500Z\"",
        ),
        ("true ||\n  false", "`true || false` is true"),
    ] {
        let caller = principal();
        let step = with_inputs(Some(&caller), |inputs| {
            let condition = condition(text);
            condition.describe(inputs, &condition.check(inputs))
        });
        assert_eq!(step.found, expected);
    }
}

/// The data of one request must not grow to gigabytes: successive and nested loops that enlarge it are bounded.
#[test]
fn loops_that_make_more_and_more_are_refused() {
    let scope = Env::Rule { callers: CallerPresence::Never, patterns: &[] };
    let grown = |text: &str| match Condition::compile(text, &scope) {
        Ok(_) => false,
        Err(errors) => errors.iter().all(|error| matches!(error, ExpressionError::Growth { .. })),
    };
    let eight = ["x"; 8].join("+");
    let list = ["x"; 8].join(", ");
    assert!(!grown(&format!("[query.a].map(x, {eight}).map(x, {eight}).size() == 1")));
    assert!(grown(&format!("[query.a].map(x, {eight}).map(x, {eight}).map(x, x + x).size() == 1")));
    assert!(grown(&format!("[query.a].map(x, [{list}]).map(x, [{list}]).map(x, [x, x]).size() == 1")));
    assert!(grown(&format!(
        "[query.a].map(x, [1].map(y, {eight}).map(y, y + x + {eight})).map(x, {eight}).size() == 1"
    )));
    let many = vec!["x == 'a'"; 70].join(" || ");
    assert!(!grown(&format!("[query.a].exists(x, {many})")));
}
