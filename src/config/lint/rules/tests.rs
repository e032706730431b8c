use super::{PathPattern, find, matches_everything};
use crate::config::de;
use crate::config::diagnostic::Diagnostics;
use crate::config::raw::Document;
use crate::config::validate::{self, Templates};
use crate::diagnostic::Diagnostic;
use crate::yaml::{Bounds, Node};

/// The profile of these tests, whose rules deny some requests.
const PROFILE: &str = r#"
rules:
  - { name: admin, match: { paths: ["/admin/{*rest}", "/a b/{id}"] }, access: denied }
  - { name: help, match: { paths: ["/admin/help"] }, access: public }
  - { name: writes, match: { methods: [PUT, DELETE], paths: [/files] }, access: denied }
fallback: authenticated
"#;

fn document(yaml: &str) -> (Document, Node) {
    let mut root = Node::read("test", yaml, Bounds::CONFIGURATION).unwrap();
    let (document, errors) = de::read::<Document>(&mut root);
    assert!(errors.is_empty(), "{errors:?}");
    (document.unwrap(), root)
}

/// Returns the warnings about rules.
fn warnings(profile: &str, yaml: &str) -> Vec<Diagnostic> {
    let (profile, _) = document(profile);
    let (document, root) = document(yaml);
    let mut diagnostics = Diagnostics::default();
    let rules = validate::rules::check(
        &document.rules,
        (&Templates::default(), document.fallback),
        &[],
        None,
        &mut diagnostics,
    );
    diagnostics.into_result().unwrap();
    let mut diagnostics = Diagnostics::default();
    find(&document, &profile, &rules, &mut diagnostics);
    diagnostics.located(&root, &[])
}

/// Returns the patterns that are no longer denied, each with what decides instead, and the patterns that are open to all.
fn found(profile: &str, yaml: &str) -> Vec<String> {
    let shown = |warning: Diagnostic| match warning.code {
        "rule-of-profile-lost" => {
            let (before, after) = warning.message.split_once(", but your rules").unwrap();
            let (_, pattern) = before.split_once(" denies ").unwrap();
            let (_, decider) = after.split_once(": now ").unwrap();
            format!("{pattern}: {}", decider.trim_end_matches(" decides such requests"))
        }
        "rule-open-to-all" => format!("{} is open", warning.message.split_once(" matches").unwrap().0),
        _ => panic!("{warning}"),
    };
    let closed = |warning: &Diagnostic| warning.code != "open-rule-of-profile-lost";
    warnings(profile, yaml).into_iter().filter(closed).map(shown).collect()
}

/// Returns rules that keep everything denied, except for the pattern of the test.
fn with_the_others(rule: &str) -> String {
    format!(
        "fallback: authenticated\nrules:\n  - {rule}\n  - {{ name: rest, match: {{ paths: [\"/a b/{{id}}\", /files] }}, access: denied }}\n"
    )
}

#[test]
fn what_was_denied_and_is_decided_by_something_else_is_found() {
    const FALLBACK: &str = "`/admin/{*rest}`: the fallback `authenticated`";
    let rule = |access: &str| format!("`/admin/{{*rest}}`: rule `one` (access `{access}`)");
    for (rule, expected) in [
        // Still denied, or denied by a rule that covers it.
        ("{ name: one, match: { paths: ['/admin/{*rest}'] }, access: denied }", None),
        ("{ name: one, match: { paths: ['/{*rest}'] }, access: denied }", None),
        ("{ name: one, match: { paths: ['/{first}', '/{first}/{*rest}'] }, access: denied }", None),
        ("{ name: one, match: { paths: ['/admin', '/admin/{one}', '/admin/{one}/{*rest}'] }, access: denied }", None),
        // Opened on purpose: the rule matches nothing else.
        ("{ name: one, match: { paths: ['/admin/{*rest}'] } }", None),
        ("{ name: one, match: { paths: ['/admin/{*other}'] }, access: public }", None),
        // Matched by no rule, or only in part.
        ("{ name: one, match: { paths: ['/other'] } }", Some(FALLBACK.to_owned())),
        ("{ name: one, match: { paths: ['/admin'] }, access: denied }", Some(FALLBACK.to_owned())),
        ("{ name: one, match: { paths: ['/admin/{id}'] }, access: denied }", Some(FALLBACK.to_owned())),
        ("{ name: one, match: { paths: ['/admins/{*rest}'] }, access: denied }", Some(FALLBACK.to_owned())),
        (
            "{ name: one, match: { methods: [GET, POST], paths: ['/admin/{*rest}'] }, access: denied }",
            Some(FALLBACK.to_owned()),
        ),
        ("{ name: one, match: { paths: ['/admin/help'] } }", Some(FALLBACK.to_owned())),
        // Opened in passing, by a wider rule.
        ("{ name: one, match: { paths: ['/{first}/{*rest}'] } }", Some(rule("authenticated"))),
        ("{ name: one, match: { paths: ['/{first}'] }, access: optional }", Some(rule("optional"))),
    ] {
        let expected: Vec<String> = expected.into_iter().collect();
        assert_eq!(found(PROFILE, &with_the_others(rule)), expected, "{rule}");
    }
    // A fallback that denies leaves nothing to repeat.
    assert_eq!(found(PROFILE, "fallback: denied\nrules: []\n"), [""; 0]);
    assert_eq!(found(PROFILE, PROFILE), [""; 0]);
}

/// A rule can open denied requests by a method, a host, a word or a length that no other rule has.
#[test]
fn what_a_wider_rule_opens_in_passing_is_found() {
    let all = ["/admin/{*rest}", "/a b/{id}", "/files"];
    for (rule, opened) in [
        ("{ methods: [GET], paths: ['/{service}/{id}'] }, access: public", &all[..2]),
        ("{ methods: [PROPFIND], paths: ['/{service}/{id}'] }, access: public", &all[..2]),
        ("{ paths: ['/{service}/login'] }, access: public", &all[..2]),
        ("{ paths: ['/{service}/{model}/login'] }, access: public", &all[..1]),
        ("{ paths: ['/{service}/help'] }, access: public", &all[1..2]),
        ("{ methods: [GET], paths: ['/{*rest}'] }", &all[..2]),
        ("{ methods: [GET, DELETE], paths: ['/{*rest}'] }", &all),
        ("{ methods: [PUT], paths: ['/{file}'] }, access: optional", &[all[0], all[2]]),
        ("{ hosts: [a.example.com], paths: ['/{service}/{id}'] }", &all[..2]),
        ("{ hosts: ['*.example.com'], paths: ['/{service}/login'] }", &all[..2]),
        ("{ paths: ['/{a}/{b}/{c}/{d}/{e}'] }", &all[..1]),
        ("{ paths: ['/{a}/{b}/{c}/{d}/{e}/{*rest}'] }", &all[..1]),
        // Opens nothing that was denied, or all of it on purpose.
        ("{ methods: [GET], paths: ['/{file}/{*rest}'] }, access: denied", &[]),
        ("{ methods: [POST], paths: ['/{file}'] }, access: public", &all[..1]),
        ("{ paths: ['/reports/login', '/{a}/help/{c}/{d}'] }, access: public", &all[..1]),
        ("{ paths: ['/admin/login', '/a b/login'] }, access: public", &[]),
    ] {
        let expected: Vec<String> = opened.iter().map(|pattern| format!("`{pattern}`")).collect();
        let yaml = format!("fallback: denied\nrules: [{{ name: one, match: {rule} }}]\n");
        let warnings = found(PROFILE, &yaml);
        let patterns: Vec<&str> = warnings.iter().filter_map(|text| text.split(": rule `one`").next()).collect();
        let patterns: Vec<&str> = patterns.into_iter().filter(|text| !text.ends_with("is open")).collect();
        assert_eq!(patterns, expected, "{rule}");
    }
}

/// A rule that denies `GET` denies `HEAD`, until there is a rule for `HEAD`.
#[test]
fn a_rule_for_head_opens_what_one_for_get_denied() {
    const READS: &str =
        "{ rules: [{ name: reads, match: { methods: [GET], paths: ['/admin/{*rest}'] }, access: denied }] }";
    let with = |rule: &str| {
        format!(
            "fallback: denied\nrules:\n  - {rule}\n  \
             - {{ name: reads, match: {{ methods: [GET], paths: ['/admin/{{*rest}}'] }}, access: denied }}\n"
        )
    };
    let head = with("{ name: one, match: { methods: [HEAD], paths: ['/{service}/{*rest}'] }, access: public }");
    assert_eq!(found(READS, &head), ["`/{service}/{*rest}` is open"]);
    let head = with("{ name: one, match: { methods: [HEAD], paths: ['/admin/{id}', '/{a}/{b}'] } }");
    assert_eq!(found(READS, &head), [""; 0]);
    let head = with("{ name: one, match: { methods: [HEAD], paths: ['/admin/{*rest}'] } }");
    assert_eq!(found(READS, &head), [""; 0]);
    let opened = "fallback: denied\nrules: [{ name: one, match: { methods: [HEAD], paths: ['/{a}/{b}'] } }]\n";
    assert_eq!(found(READS, opened), ["`/admin/{*rest}`: rule `one` (access `authenticated`)"]);
}

#[test]
fn each_pattern_and_each_method_counts() {
    let all =
        ["/admin/{*rest}", "/a b/{id}", "/files"].map(|pattern| format!("`{pattern}`: the fallback `authenticated`"));
    assert_eq!(found(PROFILE, "rules: []\nfallback: authenticated\n"), all);
    let denied = |methods: &str| {
        format!(
            "fallback: authenticated\nrules:\n  - {{ name: one, match: {{ paths: ['/admin/{{*rest}}', '/a b/{{name}}'] }}, access: denied }}\n  \
             - {{ name: files, match: {{ {methods}paths: [/files] }}, access: denied }}\n"
        )
    };
    assert_eq!(found(PROFILE, &denied("methods: [DELETE, PUT], ")), [""; 0]);
    assert_eq!(found(PROFILE, &denied("")), [""; 0]);
    assert_eq!(found(PROFILE, &denied("methods: [PUT], ")), all[2..]);
}

/// Of two rules that denied a request, the warning names the one that decided.
#[test]
fn the_rule_is_named_that_decided_before() {
    const DENIED_BY_TWO: &str = r#"
rules:
  - { name: all, match: { paths: ["/x/{*rest}"] }, access: denied }
  - { name: one, match: { paths: ["/x/{id}"] }, access: denied }
"#;
    let yaml = "fallback: authenticated\nrules:\n  - { name: most, match: { paths: [/x, '/x/{a}/{b}/{*rest}'] }, access: denied }\n";
    assert_eq!(found(DENIED_BY_TWO, yaml), ["`/x/{id}`: the fallback `authenticated`"]);
}

#[test]
fn rules_that_match_everything_are_open_only_if_they_ask_for_nothing() {
    let rule = |path: &str, access: &str| {
        format!("rules:\n  - {{ name: one, match: {{ paths: [/one, '{path}'] }}, access: {access} }}\n")
    };
    for path in ["/{*rest}", "/{*all}/", "/{one}/{*rest}", "/{one}/{two}/{*rest}"] {
        let open = [format!("`{path}` is open")];
        assert_eq!(found("{}", &rule(path, "public")), open);
        assert_eq!(found("{}", &rule(path, "optional")), open);
        assert_eq!(found("{}", &rule(path, "authenticated")), [""; 0]);
        assert_eq!(found("{}", &rule(path, "denied")), [""; 0]);
    }
    for path in ["/", "/{one}", "/static/{*rest}", "/{one}/static/{*rest}"] {
        assert_eq!(found("{}", &rule(path, "public")), [""; 0], "{path}");
        assert!(!matches_everything(&PathPattern::parse(path).unwrap()));
    }
}

/// Requests that the profile admits without a credential, and that need one now, are found; what is closed on purpose is not.
#[test]
fn what_was_open_and_is_decided_by_something_else_is_found() {
    const OPENS: &str = r#"
core: { reserved: [oauth, docs] }
rules:
  - { name: public, match: { paths: ["/oauth/{*rest}", "/docs/{*rest}"] }, access: public }
  - { name: reads, match: { methods: [GET], paths: [/files] }, access: optional }
  - { name: later, match: { paths: [/later] }, access: public, shadow: true }
fallback: authenticated
"#;
    let reads = "  - { name: files, match: { methods: [GET], paths: [/files] }, access: optional }\n";
    for (fallback, rules, expected) in [
        (
            "authenticated",
            "{ name: one, match: { paths: ['/oauth/{*rest}', '/docs/{*rest}'] }, access: public }",
            &[][..],
        ),
        ("denied", "{ name: one, match: { paths: ['/oauth/{*rest}', '/docs/{*rest}'] }, access: optional }", &[]),
        // Closed on purpose: the rules match nothing else.
        ("authenticated", "{ name: one, match: { paths: ['/oauth/{*rest}', '/docs/{*rest}'] } }", &[]),
        ("authenticated", "{ name: one, match: { paths: ['/oauth/{*rest}', '/docs/{*rest}'] }, access: denied }", &[]),
        // Matched by no rule, or only in part.
        (
            "authenticated",
            "{ name: one, match: { paths: [/crm] } }",
            &["`/oauth/{*rest}`, `/docs/{*rest}`: the fallback `authenticated`"],
        ),
        // Such a fallback is written on purpose.
        ("denied", "{ name: one, match: { paths: [/crm] } }", &[]),
        (
            "authenticated",
            "{ name: one, match: { paths: ['/oauth/{*rest}', /docs] }, access: public }",
            &["`/docs/{*rest}`: the fallback `authenticated`"],
        ),
        (
            "authenticated",
            "{ name: one, match: { methods: [POST], paths: ['/oauth/{*rest}', '/docs/{*rest}'] }, access: public }",
            &["`/oauth/{*rest}`, `/docs/{*rest}`: the fallback `authenticated`"],
        ),
        // Closed in passing, by a wider rule.
        (
            "denied",
            "{ name: one, match: { paths: ['/{service}/{*rest}'] } }",
            &["`/oauth/{*rest}`, `/docs/{*rest}`: rule `one` (access `authenticated`)"],
        ),
        // Closed on purpose, in part.
        (
            "authenticated",
            "{ name: one, match: { paths: ['/oauth/{*rest}', '/docs/{*rest}'] }, access: public }\n  - { name: two, match: { paths: \
             [/oauth/login] }, access: denied }",
            &[],
        ),
    ] {
        let yaml = format!("core: {{ reserved: [oauth, docs] }}\nfallback: {fallback}\nrules:\n  - {rules}\n{reads}");
        assert_eq!(no_longer_open(OPENS, &yaml), expected, "{rules}");
    }
    // Other reserved names, so other paths.
    assert_eq!(
        no_longer_open(OPENS, "core: { reserved: [] }\nfallback: authenticated\nrules: []\n"),
        ["`/files`: the fallback `authenticated`"]
    );
    assert_eq!(no_longer_open(OPENS, OPENS), [""; 0]);
}

/// Returns the patterns of each rule that are no longer open, with what decides instead.
fn no_longer_open(profile: &str, yaml: &str) -> Vec<String> {
    let shown = |warning: &Diagnostic| {
        let (before, after) = warning.message.split_once(" without a credential, but your rules").unwrap();
        let (_, patterns) = before.split_once(" admits requests to ").unwrap();
        let (_, decider) = after.split_once(": now ").unwrap();
        format!("{patterns}: {}", decider.trim_end_matches(" decides such requests"))
    };
    let warnings = warnings(profile, yaml);
    warnings.iter().filter(|warning| warning.code == "open-rule-of-profile-lost").map(shown).collect()
}
