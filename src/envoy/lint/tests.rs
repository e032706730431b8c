//! Tests of single parts: matchers, rules for changes, and names of codes.

use super::code::{Code, Kind};
use super::finding::Findings;
use super::matcher::{TextMatcher, expression};
use super::view::At;
use super::{Document, Scope, fields, lint};
use std::collections::BTreeSet;

#[test]
fn codes_and_texts_are_unique_and_plain() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        let is_plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'0'..=b'9'));
        assert!(is_plain(code.name()) && !code.happens().ends_with('.') && !code.instead().ends_with('.'), "{code}");
    }
    assert_eq!([Kind::Hole, Kind::Breaks, Kind::Undecided].map(Kind::word), ["hole", "breaks", "undecided"]);
}

/// A field has one value in both spellings, `null` is none, and a path can be used in tools such as `yq`.
#[test]
fn fields_have_two_spellings() {
    let text = r#"{ "a_b": null, "cD": { "e_f": [ { "x.y": true } ] }, "aLongName": "1.5s", "n": "7" }"#;
    let document = Document::parse("a", text).unwrap();
    let findings = Findings::default();
    let root = At::root(&document.root, &findings);
    assert!(root.field("a_b").is_none());
    let items = root.field("c_d").unwrap().items("e_f");
    let entries = items.first().unwrap().entries();
    let (key, entry) = entries.first().unwrap();
    assert_eq!((*key, entry.path()), ("x.y", "cD.e_f[0][\"x.y\"]"));
    assert_eq!(root.duration("a_long_name"), Some(std::time::Duration::from_millis(1_500)));
    assert_eq!(root.number("n"), Some(7));
    assert_eq!(findings.report(Vec::new()).count(Kind::Undecided), 0);
}

#[test]
fn matchers_compare_whole_names_without_case() {
    let matches = |yaml: &str, name: &str| {
        let document = Document::parse("a", yaml).unwrap();
        TextMatcher::of(&At::root(&document.root, &Findings::default())).matches(name)
    };
    for (yaml, yes, no) in [
        ("{ exact: X-User, ignore_case: true }", "x-user", "x-users"),
        ("exact: x-user", "x-user", "X-User"),
        ("{ prefix: X-Core-, ignoreCase: true }", "x-core-a", "x-corea"),
        ("suffix: -id", "x-id", "x-ids"),
        ("contains: core", "x-core-a", "x-cora"),
        ("safe_regex: { regex: 'x-.|y' }", "x-a", "x-ab"),
        ("{ safeRegex: { regex: 'a' } }", "a", "aa"),
    ] {
        assert!(matches(yaml, yes) && !matches(yaml, no), "{yaml}");
    }
    // What can't be evaluated removes nothing.
    for yaml in ["{ custom: {} }", "safe_regex: { regex: '(' }", "{}", "exact: 1", "exact: A", "prefix: A"] {
        assert!(!matches(yaml, "a"), "{yaml}");
    }
    assert!(expression("a{1000}{1000}{1000}").is_none());
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let filters = "{ typed_config: { '@type': type.googleapis.com/a.B } }, ".repeat(1_200);
    let text = format!("{{ static_resources: {{ listeners: [{{ filter_chains: [{{ filters: [{filters}] }}] }}] }} }}");
    let report = lint(&[Document::parse("a", &text).unwrap()], None, &Scope::default()).unwrap();
    // And `no-listener`.
    assert_eq!((report.findings.len(), report.unlisted(), report.count(Kind::Undecided)), (1_000, 201, 1_201));
}

/// Of the many findings, those that are listed are the worst.
#[test]
fn a_hole_after_many_undecided_findings_is_listed() {
    let route = "{ match: { safe_regex: { regex: '/a' } }, route: { cluster: a } }, ".repeat(1_200);
    let check = "{ name: a, typed_config: { '@type': a/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, failure_mode_allow: true } }";
    let manager = format!(
        "{{ '@type': a/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, http_filters: [{check}], route_config: {{ virtual_hosts: [{{ routes: [{route}] }}] }} }}"
    );
    let text = format!(
        "{{ static_resources: {{ listeners: [{{ filter_chains: [{{ filters: [{{ typed_config: {manager} }}] }}] }}] }} }}"
    );
    let report = lint(&[Document::parse("a", &text).unwrap()], None, &Scope::default()).unwrap();
    assert!(report.findings.iter().any(|finding| finding.code() == Code::FailOpen));
    assert_eq!((report.findings.len(), report.count(Kind::Undecided) > 1_200), (1_000, true));
}

/// A field that is said to be examined is named by a check.
#[test]
fn examined_fields_are_read() {
    let mut source = String::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/envoy/lint");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("fields.rs") && !path.ends_with("tests.rs") {
            source.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let all = [
        fields::MANAGER,
        fields::HTTP_FILTER,
        fields::EXT_AUTHZ,
        fields::PER_ROUTE,
        fields::CHECK_SETTINGS,
        fields::ROUTE_CONFIGURATION,
        fields::VIRTUAL_HOST,
        fields::ROUTE,
        fields::ROUTE_MATCH,
        fields::ROUTE_ACTION,
        fields::WEIGHTED_CLUSTER,
    ];
    for name in all.iter().flat_map(|one| one.examined) {
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
    }
}
