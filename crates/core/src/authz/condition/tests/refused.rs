//! Expressions that are rejected at load.

use super::compile;
use crate::authz::PathPattern;
use crate::authz::condition::{CallerPresence, Condition, Env, Expression, never_equal};

fn told(text: &str) -> String {
    let errors = compile(text).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let functions = format!("use one of {}", super::super::declarations::functions());
    assert!(functions.contains("`size`, `contains`, ") && functions.ends_with("`isGlobalUnicast`"));
    let variables = "use one of `request`, `path`, `query`, `claims`, `principal`, `context`, `source`, `now`";
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
            "`request` has no `metod` (character 8); use one of `method`, `scheme`, `host`, `port`, `path`, `size`, `headers`".to_owned(),
        ),
        (
            "principal['nme'] == ''",
            "`principal` has no `nme` (character 10); use one of `subject`, `organization`, `roles`, `permissions`, `scopes`, `authenticator`"
                .to_owned(),
        ),
        ("'nme' in request", "`request` has no `nme` (character 7); use one of `method`, `scheme`, `host`, `port`, `path`, `size`, `headers`".to_owned()),
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
        (
            "claims.org.matches('a.*')",
            format!("`matches`, at character 19, is not a function; regular expressions are not supported: write `startsWith`, `endsWith` or `contains`, or a pattern in `match.paths`; or {functions}"),
        ),
        (
            "request.remote_ip == ''",
            "`request` has no `remote_ip` (character 8); the client's address is `source.address`, as in `cidr('10.0.0.0/8').containsIP(source.address)`; or use one of `method`, `scheme`, `host`, `port`, `path`, `size`, `headers`".to_owned(),
        ),
        (
            "request.body.operationName != 'DeleteUser'",
            "`request` has no `body` (character 8); bodies are not available: give each operation a path or a method of its own, or let the service decide; or use one of `method`, `scheme`, `host`, `port`, `path`, `size`, `headers`".to_owned(),
        ),
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
    let known = "use one of `request`, `claims`, `principal`, `context`, `source`, `now`, `rule`";
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

/// A constant that fails would fail for every request.
#[test]
fn a_constant_that_always_fails_is_refused_with_its_place() {
    let time = "is not a time; write one such as `2030-01-31T12:00:00Z`";
    let duration = "is not a duration; write numbers with `h`, `m`, `s`, `ms`, `us` or `ns`, such as `24h` or `1h30m`";
    let zone = "is not a time zone; write one such as `Europe/Berlin` or `+02:00`";
    for (text, expected) in [
        ("now < timestamp('2030-01-01')", format!("`timestamp`, at character 16, always fails: `2030-01-01` {time}")),
        (
            "now - timestamp(claims.iat) < duration('1d')",
            format!("`duration`, at character 39, always fails: `1d` {duration}"),
        ),
        // CEL would read these as 15 minutes and as one hour.
        (
            "now - timestamp(claims.iat) < duration('15min')",
            format!("`duration`, at character 39, always fails: `15min` {duration}"),
        ),
        (
            "now - timestamp(claims.iat) < duration('1h30')",
            format!("`duration`, at character 39, always fails: `1h30` {duration}"),
        ),
        (
            "now - timestamp(claims.iat) < duration('')",
            format!("`duration`, at character 39, always fails: `` {duration}"),
        ),
        (
            "now.getHours('Europe/Berln') >= 0",
            format!("`getHours`, at character 13, always fails: `Europe/Berln` {zone}"),
        ),
        (
            "timestamp('2030-01-31T12:00:00Z').getDate('Mars') > 1",
            format!("`getDate`, at character 42, always fails: `Mars` {zone}"),
        ),
        (
            "claims.exp > int('abc')",
            "`int`, at character 17, always fails: `abc` is not a whole number in range; write one such as `42`"
                .to_owned(),
        ),
        (
            "claims.exp > uint('-1')",
            "`uint`, at character 18, always fails: `-1` is not a whole number in range; write one such as `42`"
                .to_owned(),
        ),
        (
            "claims.exp > double('x')",
            "`double`, at character 20, always fails: `x` is not a number; write one such as `0.5`".to_owned(),
        ),
        (
            "claims.a == bool('yes')",
            "`bool`, at character 17, always fails: `yes` is not a truth value; write `true` or `false`".to_owned(),
        ),
        (
            "claims.n > 10 / 0",
            "`/`, at character 15, always fails: it divides by zero, or a number overflows".to_owned(),
        ),
        ("claims.n == 'a' + 1", "`+`, at character 17, always fails: its values have unsupported types".to_owned()),
        ("claims.n == {'a': 1}['b']", "`[]`, at character 21, always fails: the map has no such member".to_owned()),
        // Also where its value would not count: a reader of the expression takes it for a check.
        (
            "claims.roles.all(r, r == 'x' || now > timestamp('tomorrow'))",
            format!("`timestamp`, at character 48, always fails: `tomorrow` {time}"),
        ),
        (
            "now > timestamp('a') || now - now < duration('b')",
            format!(
                "`timestamp`, at character 16, always fails: `a` {time}; `duration`, at character 45, always fails: `b` {duration}"
            ),
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
    for text in [
        "now < timestamp('2030-01-01T00:00:00Z') && now.getHours('Europe/Berlin') < 8 && now.getHours('-02:00') > 2",
        "now - timestamp(claims.iat) < duration('-1.5h30m1s2ms3us4ns') || duration('0') < duration(claims.d)",
        "int('42') + 1 == claims.n && type(claims.n) == int && [1, 2].exists(x, x == int(claims.n))",
        "{'a': [1]}['a'][0] == claims.n && claims.x.getHours(claims.zone) == 1 && 1 < 2 && size('abc') == 3",
    ] {
        assert_eq!(told(text), "", "{text}");
    }
}

/// The request is normalized: such a comparison decides every request in the same way.
#[test]
fn a_comparison_that_is_never_true_is_found() {
    let found = |text: &str| {
        assert_eq!(told(text), "", "{text}");
        never_equal(text).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (text, expected) in [
        (
            "request.host == 'API.example.com'",
            "compares `request.host` with `API.example.com` at character 14, and the two are never alike: hosts are in lower case; write `api.example.com`",
        ),
        (
            "request.host == 'api.example.com:443'",
            "compares `request.host` with `api.example.com:443` at character 14, and the two are never alike: the host has no port; write `api.example.com`, and `request.port == 443` too",
        ),
        (
            "'https://a' == request.host",
            "compares `request.host` with `https://a` at character 13, and the two are never alike: a host has neither scheme nor path; write its name alone",
        ),
        (
            "request.host.endsWith('.example.com.')",
            "compares `request.host` with `.example.com.` at character 22, and the two are never alike: a host has no dot at its end; write `.example.com`",
        ),
        (
            "request['host'] in ['a.example.com', 'B.example.com']",
            "compares `request.host` with `B.example.com` at character 17, and the two are never alike: hosts are in lower case; write `b.example.com`",
        ),
        (
            "request.method == 'get'",
            "compares `request.method` with `get` at character 16, and the two are never alike: methods are in capitals; write `GET`",
        ),
        (
            "request.scheme != 'HTTPS'",
            "compares `request.scheme` with `HTTPS` at character 16, and the two are never alike: it is `http` or `https`; write one of them",
        ),
        (
            "request.path == '/admin/'",
            "compares `request.path` with `/admin/` at character 14, and the two are never alike: the path has no slash at its end; write `/admin`",
        ),
        (
            "request.host.endsWith(':443')",
            "compares `request.host` with `:443` at character 22, and the two are never alike: the host has no port; write `request.port == 443`",
        ),
        (
            "request.path.endsWith('/delete/')",
            "compares `request.path` with `/delete/` at character 22, and the two are never alike: the path has no slash at its end; write `/delete`",
        ),
        (
            "request.path == '/a?b=1'",
            "compares `request.path` with `/a?b=1` at character 14, and the two are never alike: the path has no query; compare a parameter, such as `query.page`",
        ),
        (
            "request.path.contains('//')",
            "compares `request.path` with `//` at character 22, and the two are never alike: requests with such a path are denied before; leave it out",
        ),
        (
            "request.path == '/a%20b'",
            "compares `request.path` with `/a%20b` at character 14, and the two are never alike: the path is decoded; write the characters themselves",
        ),
        (
            "request.path.startsWith('admin')",
            "compares `request.path` with `admin` at character 24, and the two are never alike: paths begin with `/`; write `/admin`",
        ),
        (
            "request.port == '443'",
            "compares `request.port` with `443` at character 14, and the two are never alike: it is a number; write `443`",
        ),
        (
            "path.org == 5",
            "compares `path.org` with `5` at character 10, and the two are never alike: it is a text; write `'5'`",
        ),
        (
            "query.page > 1",
            "compares `query.page` with `1` at character 12, and the two are never alike: it is a text; write `'1'`",
        ),
        (
            "request.headers['x-a'] == true",
            "compares `request.headers['x-a']` with `true` at character 24, and the two are never alike: it is a text; write `'true'`",
        ),
        (
            "now > '2030-01-31T12:00:00Z'",
            "compares `now` with `2030-01-31T12:00:00Z` at character 5, and the two are never alike: it is a time; write one such as `timestamp('2030-01-31T12:00:00Z')`",
        ),
    ] {
        assert_eq!(found(text), [expected], "{text}");
    }
    for text in [
        "request.host == 'api.example.com' && request.port == 443 && request.method in ['GET', 'M-SEARCH']",
        "request.host == '[2001:db8::1]' || request.host.endsWith('.example.com') || request.scheme == 'https'",
        "request.path == '/' || request.path == '/100% sure' || request.path.startsWith('/a/') || request.path.endsWith('/')",
        "request.path.contains('/x/') || request.path.endsWith('x') || request.path.startsWith('')",
        "path.org == '5' || query.page > '1' || claims.n == 5 || claims.host == 'A:1' || request.port > 1024",
        "now > timestamp('2030-01-31T12:00:00Z') && principal.subject != 'A'",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
    assert_eq!(never_equal("request.host =="), []);
}
