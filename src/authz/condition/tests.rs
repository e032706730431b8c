//! Which expressions are taken, and what they come to. The properties are in `tests/properties`.

mod bounds;
mod refused;

use super::{Callers, Condition, EvaluationFault, Expression, ExpressionFault, Inputs, Scope};
use crate::authz::{AuthzFault, PathPattern};
use crate::clock::Timestamp;
use crate::jose::Claims;
use crate::principal::{AbsentValues, AuthenticatorName, Identity, Principal, Proof, Reach};
use crate::request::{Context, Field, Headers, Request};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const PATTERN: &str = "/orgs/{org}/{*rest}";
const TARGET: &[u8] = b"/orgs/acme/reports/7?debug&q=a%20b&n=7&two=1&two=2&bad=%zz&plus=a+b&x;org=1";
/// 2023-11-14T22:13:20.500Z.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

pub(super) fn compile(text: &str) -> Result<Expression, Vec<ExpressionFault>> {
    let patterns = [PathPattern::parse(PATTERN).unwrap()];
    Expression::compile(text, &Scope { callers: Callers::Asked, patterns: &patterns })
}

fn principal() -> Principal {
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
        reach: Reach::Everything,
    };
    let absent = Arc::new(AbsentValues::new(["None", ""]));
    Principal::new(AuthenticatorName::new("bifrost"), Claims::of_json(claims), identity, absent, Proof::Token)
}

/// Does something with the inputs of these tests, with a caller or without.
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
    act(&Inputs { request: &request, pattern: Some(&pattern), principal: caller, now: NOW })
}

pub(super) fn evaluate(text: &str) -> Result<Value, EvaluationFault> {
    let expression = compile(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
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
        ("claims.nested", json!({"deep": {"er": [1, {"x": "y"}]}})),
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
    use EvaluationFault::{
        Ambiguous, Arithmetic, Conversion, Index, Missing, MissingMember, Result as NoBool, TooManySteps, Types,
    };
    let (yes, no) = (Ok(true), Ok(false));
    let missing = |name: &str| Err(Missing(name.into()));
    let ambiguous = |name: &str| Err(Ambiguous(name.into()));
    let types = |name: &str| Err(Types(name.into()));
    let conversion = |name: &str| Err(Conversion(name.into()));
    let table: &[(&str, Result<bool, EvaluationFault>)] = &[
        // What is there.
        ("true", yes.clone()),
        ("!true", no.clone()),
        ("claims.org == path.org", yes.clone()),
        ("claims.org == 'ACME'", no.clone()),
        ("claims.org != path.org", no.clone()),
        ("claims.level >= 3 && claims.level < 4", yes.clone()),
        ("claims.level == 3.0", yes.clone()),
        ("claims.admin", yes.clone()),
        ("principal.organization == path.org", yes.clone()),
        ("'editor' in principal.roles", yes.clone()),
        ("'Editor' in principal.roles", no.clone()),
        // What a role grants by `*` is not listed.
        ("'write' in principal.permissions", no.clone()),
        ("path.rest.startsWith('reports/') && path.rest.endsWith('7') && path.rest.contains('s/')", yes.clone()),
        ("request.method in ['GET', 'HEAD']", yes.clone()),
        ("claims.roles.exists(r, r == 'b')", yes.clone()),
        ("claims.roles.all(r, r in ['a', 'b'])", yes.clone()),
        ("claims.roles.exists_one(r, r > 'a')", yes.clone()),
        ("claims.roles.filter(r, r != 'a') == ['b']", yes.clone()),
        ("['b'] == claims.roles.filter(r, r != 'a')", yes.clone()),
        ("claims.roles.map(r, size(r)).all(n, n == 1)", yes.clone()),
        ("claims.level > 2 ? claims.admin : false", yes.clone()),
        ("now < timestamp('2030-01-01T00:00:00Z') && now - timestamp(claims.auth_time) < duration('5m')", yes.clone()),
        ("now.getFullYear() == 2023 && now.getMonth() == 10", yes.clone()),
        ("type(claims.roles) == list && type(claims.level) == int", yes.clone()),
        ("'tier' in context && context.tier == 'gold'", yes.clone()),
        ("claims.some.all(a, claims.roles.all(b, string(a) != b))", yes.clone()),
        // What is not there.
        ("has(claims.org) && !has(claims.organization)", yes.clone()),
        ("has(claims.nested.deep.er) && !has(claims.nested.other)", yes.clone()),
        ("has(request.headers.nope) || 'nope' in query || has(context.nope)", no.clone()),
        ("has(query.debug) && 'q' in query", yes.clone()),
        ("claims.organization == path.org", missing("organization")),
        ("claims.nested.other == 1", missing("other")),
        ("request.headers['x-none'] == ''", missing("x-none")),
        ("query.none == ''", missing("none")),
        ("context[claims.org] == ''", Err(MissingMember)),
        ("claims[query.q] == ''", Err(MissingMember)),
        // `null` and what stands for no value are not there.
        ("has(claims.nothing) || has(claims.none) || has(claims.nested.none) || ('null' in claims.nested)", no.clone()),
        ("claims.none == 'None'", missing("none")),
        ("claims.nothing == null", missing("nothing")),
        // What can be read in two ways is neither there nor not there, whatever stands around it.
        ("query.two == '1'", ambiguous("query.two")),
        ("!has(query.two)", ambiguous("query.two")),
        ("'two' in query", ambiguous("query.two")),
        ("true || query.two == '1'", ambiguous("query.two")),
        ("query.bad != 'x'", ambiguous("query.bad")),
        ("query.plus != 'x'", ambiguous("query.plus")),
        ("has(query.org)", ambiguous("query.org")),
        ("size(query) > 0", ambiguous("query")),
        ("query[claims.org] == ''", ambiguous("query")),
        ("request.headers['x-twice'] == '1'", ambiguous("request.headers['x-twice']")),
        ("'x-under' in request.headers", ambiguous("request.headers['x-under']")),
        ("request.headers['x-bytes'] != ''", ambiguous("request.headers['x-bytes']")),
        ("claims.roles.exists(r, r in request.headers)", ambiguous("request.headers")),
        // Errors.
        ("claims.level / 0 == 1", Err(Arithmetic)),
        ("claims.level % 0 == 1", Err(Arithmetic)),
        ("claims.max + 1 > 0", Err(Arithmetic)),
        ("-claims.min > 0", Err(Arithmetic)),
        ("claims.min / -1 > 0", Err(Arithmetic)),
        ("claims.min % -1 == 0", Err(Arithmetic)),
        ("claims.max * 2 > 0", Err(Arithmetic)),
        ("claims.big + 1u > 0u", Err(Arithmetic)),
        ("timestamp('9999-12-31T23:59:59Z') + duration('1s') > now", Err(Arithmetic)),
        ("duration('9000000000s') + duration('9000000000s') > duration('1s')", Err(Arithmetic)),
        ("claims.roles[2] == ''", Err(Index)),
        ("claims.roles[-1] == ''", Err(Index)),
        ("int(claims.org) == 1", conversion("int")),
        ("timestamp(claims.max) > now", conversion("timestamp")),
        ("duration(claims.org) > duration('1s')", conversion("duration")),
        ("claims.org > 1", types(">")),
        ("claims.org + 1 == ''", types("add")),
        ("claims.level.startsWith('3')", types("startsWith")),
        ("claims.org.x == 1", types(".")),
        ("'a' in claims.org", types("in")),
        ("!claims.org", types("!")),
        ("claims.level", Err(NoBool)),
        ("claims.roles.map(r, r)", Err(NoBool)),
        ("claims.org && true", types("&&")),
        ("claims.level ? true : false", types("an operator")),
        ("claims.org.all(c, true)", types("an operator")),
        // `false && error` is false, and `true || error` is true: what a part comes to that nothing depends on is no matter.
        ("claims.nope == 1 && false", no.clone()),
        ("claims.nope == 1 || true", yes.clone()),
        ("claims.nope == 1 && true", missing("nope")),
        ("claims.nope == 1 || false", missing("nope")),
        ("!(claims.nope == 1)", missing("nope")),
        ("claims.level != 'three'", yes.clone()),
        // Work.
        ("claims.many.exists(x, x < 0)", Err(TooManySteps)),
        ("claims.some.all(a, claims.some.all(b, a + b >= 0))", Err(TooManySteps)),
        ("claims.some.map(a, a).map(a, a).all(a, a >= 0)", yes),
    ];
    assert!(table.len() > 60);
    let caller = principal();
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let patterns = [PathPattern::parse(PATTERN).unwrap()];
        let scope = Scope { callers: Callers::Asked, patterns: &patterns };
        let condition = match Condition::compile(text, &scope) {
            Ok(condition) => condition,
            Err(faults) => {
                wrong.push(format!("{text}: {faults:?}"));
                continue;
            }
        };
        let found = with_inputs(Some(&caller), |inputs| condition.check(inputs));
        let expected = match expected.clone() {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthzFault::ConditionFalse),
            Err(fault) => Err(AuthzFault::ConditionError(fault)),
        };
        if found != expected {
            wrong.push(format!("{text}: {found:?}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_nobody_nothing_is_known() {
    for (text, expected) in [
        ("has(principal.subject)", Ok(json!(false))),
        ("has(claims.org) || 'org' in claims", Ok(json!(false))),
        ("size(principal) + size(claims)", Ok(json!(0))),
        ("principal.subject == ''", Err(EvaluationFault::Missing("subject".into()))),
        ("size(principal.roles) == 0", Err(EvaluationFault::Missing("roles".into()))),
        ("claims.org == path.org", Err(EvaluationFault::Missing("org".into()))),
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
        let fault = evaluate(text).unwrap_err();
        for value in ["acme", "a b"] {
            assert!(!format!("{fault} {fault:?}").contains(value), "{text}: {fault:?}");
        }
        told.push(fault.to_string());
    }
    assert!(told.iter().all(|text| text.starts_with("the expression ")), "{told:?}");
}

#[test]
fn what_was_read_is_told_to_the_one_who_asks() {
    let condition = |text: &str| {
        let patterns = [PathPattern::parse(PATTERN).unwrap()];
        Condition::compile(text, &Scope { callers: Callers::Asked, patterns: &patterns }).unwrap()
    };
    for (text, expected) in [
        ("claims.org == path.org", "`claims.org == path.org` is true: path.org = \"acme\", claims.org = \"acme\""),
        ("has(claims.x)", "`has(claims.x)` is false: claims.x is not there"),
        (
            "claims.x",
            "`claims.x`: the rule's condition can't be told: the expression reads `x`, which is not there: claims.x is not there",
        ),
        (
            "query.two == ''",
            "`query.two == ''`: the rule's condition can't be told: the expression reads `query.two`, which stands there more than once or can be read in more than one way",
        ),
        (
            "size(claims.many) > 3",
            "`size(claims.many) > 3` is true: claims.many = [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29…",
        ),
        (
            "request.headers['authorization'] == request.headers['x-one'] || size(principal) == 6",
            "`request.headers['authorization'] == request.headers['x-one'] || size(principal) == 6` is true: principal with its 6 members, request.headers.authorization = \"(not shown)\", request.headers['x-one'] = \"1\"",
        ),
        (
            "now.getDate() == 14 && request.method == 'GET'",
            "`now.getDate() == 14 && request.method == 'GET'` is true: request.method = \"GET\", now = \"2023-11-14T22:13:20.500Z\"",
        ),
        ("true", "`true` is true"),
    ] {
        let caller = principal();
        let step = with_inputs(Some(&caller), |inputs| {
            let condition = condition(text);
            condition.describe(inputs, &condition.check(inputs))
        });
        assert_eq!(step.found, expected);
    }
}
