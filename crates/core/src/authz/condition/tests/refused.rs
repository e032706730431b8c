//! Expressions that are rejected at load.

use super::compile;
use crate::authz::PathPattern;
use crate::authz::condition::{CallerPresence, Condition, Env, Expression};

fn told(text: &str) -> String {
    let errors = compile(text).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let functions = format!("use one of {}", super::super::declarations::functions());
    assert!(functions.contains("`size`, `contains`, ") && functions.ends_with("`filter`"));
    let variables = "use one of `request`, `path`, `query`, `claims`, `principal`, `context`, `now`";
    for (text, expected) in [
        ("", "an expression is empty; write one such as `claims.organization == path.org`".to_owned()),
        (" \n", "an expression is empty; write one such as `claims.organization == path.org`".to_owned()),
        ("claims.org ==", "is not a CEL expression from character 14 on".to_owned()),
        ("claims.org = path.org", "is not a CEL expression from character 12 on, at `= path.org`".to_owned()),
        ("claims.org == 'acme", "is not a CEL expression from character 15 on, at `'acme`".to_owned()),
        ("true\n&& &&", "is not a CEL expression from character 9 on, at `&&`".to_owned()),
        ("1 2", "is not a CEL expression from character 3 on, at `2`".to_owned()),
        ("foo == 1", format!("`foo`, at character 1, is not a variable; {variables}")),
        ("true && Claims.org == ''", format!("`Claims`, at character 9, is not a variable; {variables}")),
        (
            "claim.org == user.org",
            format!("`claim`, at character 1, is not a variable; {variables}; `user`, at character 14, is not a variable; {variables}"),
        ),
        ("claims.roles.all(r, s)", format!("`s`, at character 21, is not a variable; {variables}")),
        ("claims.roles.all(r, true) && r", format!("`r`, at character 30, is not a variable; {variables}")),
        (
            "request.metod == 'GET'",
            "`request` has no `metod` (character 8); use one of `method`, `scheme`, `host`, `port`, `path`, `headers`".to_owned(),
        ),
        (
            "principal['nme'] == ''",
            "`principal` has no `nme` (character 10); use one of `subject`, `organization`, `roles`, `permissions`, `scopes`, `authenticator`"
                .to_owned(),
        ),
        ("'nme' in request", "`request` has no `nme` (character 7); use one of `method`, `scheme`, `host`, `port`, `path`, `headers`".to_owned()),
        ("path.id == ''", "`path.id`, at character 5, is not a parameter of every pattern in the rule's `paths`".to_owned()),
        ("has(path.id)", "`path.id`, at character 4, is not a parameter of every pattern in the rule's `paths`".to_owned()),
        ("request.method.x == 1", "the value before `.x`, at character 15, has no members".to_owned()),
        ("principal.roles.x == 1", "the value before `.x`, at character 16, has no members".to_owned()),
        ("now.x == 1", "the value before `.x`, at character 4, has no members".to_owned()),
        ("query.a[0] == ''", "the value before `.[…]`, at character 8, has no members".to_owned()),
        ("request.headers['X-One'] == ''", "`X-One`, at character 16, is not a header name in lower case".to_owned()),
        ("'a b' in request.headers", "`a b`, at character 7, is not a header name in lower case".to_owned()),
        (
            "query['a[]'] == ''",
            "`a[]`, at character 6, is a query parameter that servers read differently; use a name of letters, digits, `-`, `.`, `_` and `~`"
                .to_owned(),
        ),
        ("claims.org.matches('a.*')", format!("`matches`, at character 19, is not a function; {functions}")),
        ("optional.of(1)", format!("`of`, at character 12, is not a function; {functions}; `optional`, at character 1, is not a variable; {variables}")),
        ("lower(claims.org)", format!("`lower`, at character 6, is not a function; {functions}")),
        ("size(claims.org, 1)", "`size`, at character 5, is called in another way; write `size(x)` or `x.size()`".to_owned()),
        ("claims.org.startsWith()", "`startsWith`, at character 22, is called in another way; write `text.startsWith('part')`".to_owned()),
        ("startsWith(claims.org, 'a')", "`startsWith`, at character 11, is called in another way; write `text.startsWith('part')`".to_owned()),
        ("claims.roles.all(true)", "`all`, at character 17, is called in another way; write `list.all(x, condition on x)`".to_owned()),
        (
            "claims.roles.all(path, path == '')",
            "`path`, at character 17, is the name of a variable; use another name for the elements of the list; `path`".to_owned(),
        ),
        ("a.?b", "is not a CEL expression from character 2 on, at `.?b`".to_owned()),
        ("Name{a: 1}", "a message (`Name{…}`), at character 5, is not supported".to_owned()),
        (
            "[1].all(a, [1].all(b, [1].all(c, true)))",
            "the loop at character 30 is inside 2 others; use at most 2 levels".to_owned(),
        ),
    ] {
        let found = told(text);
        assert!(found == expected || (expected.ends_with("; `path`") && expected.starts_with(&found)), "{text}\n{found}\n{expected}");
    }
}

#[test]
fn what_can_be_neither_true_nor_false_is_no_condition() {
    let patterns = [PathPattern::parse(super::PATTERN).unwrap()];
    let scope = Env::Rule { callers: CallerPresence::Possible, patterns: &patterns };
    for (text, what) in [
        ("'x'", "a text, a number or a time"),
        ("1", "a text, a number or a time"),
        ("null", "a text, a number or a time"),
        ("query.debug", "a text, a number or a time"),
        ("request.headers['x-one']", "a text, a number or a time"),
        ("principal.subject", "a text, a number or a time"),
        ("now", "a text, a number or a time"),
        ("principal.roles", "a list"),
        ("[true]", "a list"),
        ("claims", "a map"),
        ("request.headers", "a map"),
    ] {
        let errors = Condition::compile(text, &scope).unwrap_err();
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let expected = format!("results in {what}, and a condition must be true or false; compare it with a value");
        assert_eq!(told, [expected], "{text}");
    }
}

#[test]
fn a_condition_without_authentication_reads_no_caller() {
    let scope = Env::Rule { callers: CallerPresence::Never, patterns: &[] };
    for (text, expected) in [
        (
            "claims.a == 1",
            "`claims`, at character 1, is about the caller, whom this rule does not authenticate; leave it out, or use `access: optional`",
        ),
        (
            "has(principal.roles)",
            "`principal`, at character 5, is about the caller, whom this rule does not authenticate; leave it out, or use `access: optional`",
        ),
        ("path.org == ''", "`path.org`, at character 5, is not a parameter of every pattern in the rule's `paths`"),
    ] {
        let errors = Expression::compile(text, &scope).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected], "{text}");
    }
    assert!(Expression::compile("has(query.debug) && request.method == 'GET' && now.getDate() > 1", &scope).is_ok());
}

#[test]
fn a_computed_value_reads_no_client_data() {
    let known = "use one of `request`, `claims`, `principal`, `context`, `now`, `rule`";
    let clients_own = |name: &str, at: usize| {
        format!(
            "`{name}`, at character {at}, is client data, which readers would take for a fact of modgud; leave it out, because the module receives it anyway"
        )
    };
    for (text, expected) in [
        ("path.org", format!("`path`, at character 1, is not a variable; {known}")),
        ("rules", format!("`rules`, at character 1, is not a variable; {known}")),
        ("query.a", clients_own("query", 1)),
        ("'q' in query", clients_own("query", 8)),
        ("request.headers['x-user']", clients_own("request.headers", 16)),
        ("[request].map(r, r.headers['x-user'])", clients_own("request.headers", 14)),
        ("request.headers.map(name, name)", clients_own("request.headers", 20)),
        ("dyn(request)['head' + 'ers']", clients_own("request.headers", 13)),
        ("rule.name", "the value before `.name`, at character 5, has no members".to_owned()),
    ] {
        let errors = Expression::compile(text, &Env::Value).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected], "{text}");
    }
    for text in
        ["rule", "rule == 'a' ? 1 : 2", "principal.roles.filter(r, r != 'x')", "request.host", "context.a", "now"]
    {
        assert!(Expression::compile(text, &Env::Value).is_ok(), "{text}");
    }
}

#[test]
fn a_path_parameter_is_one_of_every_pattern() {
    let compile = |patterns: &[&str]| {
        let patterns: Vec<PathPattern> = patterns.iter().map(|text| PathPattern::parse(text).unwrap()).collect();
        Expression::compile("path.org == ''", &Env::Rule { callers: CallerPresence::Possible, patterns: &patterns })
            .is_ok()
    };
    assert!(compile(&["/{org}", "/a/{x}/{*org}"]));
    assert!(!compile(&["/{org}", "/a/{x}"]));
    assert!(!compile(&["/org"]));
}
