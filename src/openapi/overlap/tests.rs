//! Tests that no rule is more lenient than an operation that the module may choose for the request.

use super::super::draft::{self, Draft};
use super::super::finding::Finding;
use super::super::path_set::rank;
use super::super::template;
use super::super::{Api, Mount, rules};
use super::resolve_overlaps;
use crate::diagnostic::Located;
use modgud_core::authz::{ModulePrefix, PathPattern};
use modgud_core::http::path::RequestTarget;
use serde_json::{Map, Value, json};

/// Returns a description in which each path requires its own scope.
fn document(operations: &[(&str, &str)]) -> String {
    let mut paths = Map::new();
    for (number, (method, path)) in operations.iter().enumerate() {
        let item = paths.entry((*path).to_owned()).or_insert_with(|| json!({}));
        item[*method] = json!({ "security": [{ "login": [format!("s{number}")] }] });
    }
    let schemes = json!({ "login": { "type": "oauth2" } });
    json!({ "openapi": "3.0.0", "components": { "securitySchemes": schemes }, "paths": paths }).to_string()
}

fn printed(document: &str) -> (String, Vec<Finding>) {
    let api = Api::read("test", document).unwrap();
    let made = rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).unwrap();
    (made.text, made.warnings.iter().map(|found| found.what().clone()).collect())
}

/// Returns the rule that decides a request; `None` if there is none.
fn asked<'d>(rules: &'d [Draft], method: &str, path: &str) -> Option<&'d Draft> {
    let target = RequestTarget::parse(path.as_bytes()).unwrap();
    let mut best: Option<(Vec<u8>, bool, &Draft)> = None;
    for rule in rules.iter().filter(|rule| rule.method == method || (rule.method == "GET" && method == "HEAD")) {
        for pattern in rule.patterns.iter().filter(|text| PathPattern::parse(text).unwrap().matches(&target.path)) {
            let this = (
                rank(&template::read("", &pattern.replace("{*", "{+")).unwrap().segments),
                rule.method != method,
                rule,
            );
            if best.as_ref().is_none_or(|best| (&this.0, this.1) < (&best.0, best.1)) {
                best = Some(this);
            }
        }
    }
    best.map(|(_, _, rule)| rule)
}

/// Returns how specific each segment of a template is for a request; lower is more specific. `None` if it does not
/// match.
fn matched(template: &[&str], request: &[&str]) -> Option<Vec<u8>> {
    let mut places = Vec::new();
    for (number, segment) in request.iter().enumerate() {
        let place = match template.get(number).or_else(|| template.last().filter(|last| **last == "{r+}")) {
            Some(&"{r+}") => 3,
            Some(&"{x}") => 2,
            Some(&"{x}.j") if segment.strip_suffix(".j").is_some() => 1,
            Some(literal) if literal == segment => 0,
            Some(_) | None => return None,
        };
        places.push(place);
    }
    (request.len() >= template.len()).then_some(places)
}

/// Checks all requests: the module may choose any matching operation that no other one is more specific than in every
/// segment.
fn hold(operations: &[(&str, &str)], requests: &[Vec<&str>]) {
    let document = document(operations);
    let api = Api::read("test", &document).unwrap();
    let Ok(made) =
        draft::drafts(&api, "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).and_then(resolve_overlaps)
    else {
        panic!("{operations:?}: no rules")
    };
    for (outside, method) in [(false, "GET"), (false, "HEAD"), (true, "GET"), (true, "HEAD")] {
        for request in requests {
            let path = format!("/{}", request.join("/"));
            let taken: Vec<(usize, &str, Vec<u8>)> = operations
                .iter()
                .enumerate()
                .filter(|(_, (own, _))| own.eq_ignore_ascii_case(method) || (*own == "get" && method == "HEAD"))
                .filter_map(|(number, (own, template))| {
                    let inner: Vec<&str> = template.split('/').skip(1).collect();
                    let whole = match inner.first() {
                        Some(&"crm") if outside => inner,
                        Some(_) | None => [vec!["crm"], inner].concat(),
                    };
                    Some((number, *own, matched(&whole, request)?))
                })
                .collect();
            for (number, own, places) in &taken {
                let beaten = taken.iter().any(|(_, other, more)| {
                    // A module with another operation for `HEAD` need not choose the one for `GET`.
                    more != places && more.iter().zip(places).all(|(a, b)| a <= b) && (*own, *other) != ("head", "get")
                        || more == places && *own == "get" && *other == "head"
                });
                if beaten {
                    continue;
                }
                let rule =
                    asked(&made.rules, method, &path).unwrap_or_else(|| panic!("{operations:?} {path}: no rule"));
                let reported = format!("{:?}", rule.access);
                assert!(
                    reported.contains(&format!("\"s{number}\"")),
                    "{operations:?} {method} {path} {outside}: {reported}"
                );
            }
        }
    }
}

fn all(first: &[&'static str], second: &[&'static str]) -> Vec<String> {
    let two = first.iter().flat_map(|one| second.iter().map(move |other| format!("/{one}/{other}")));
    two.chain(second.iter().map(|one| format!("/{one}"))).collect()
}

fn requests(segments: &[&'static str]) -> Vec<Vec<&'static str>> {
    let mut requests = vec![vec!["crm"]];
    let mut last = requests.clone();
    for _ in 0..3 {
        last =
            last.iter().flat_map(|before| segments.iter().map(|one| [before.as_slice(), &[*one]].concat())).collect();
        requests.extend(last.clone());
    }
    requests
}

#[test]
fn no_rule_asks_less_than_an_operation_that_the_module_may_take() {
    for (templates, segments) in [
        (all(&["a", "b", "{x}", "{x}.j"], &["a", "{x}", "{x}.j", "{r+}"]), ["a", "b.j", "c"]),
        (all(&["crm", "{x}", "a"], &["a", "crm", "{x}", "{r+}"]), ["a", "crm", "c"]),
    ] {
        let requests = requests(&segments);
        for (third, one) in templates.iter().enumerate() {
            for (second, other) in templates.iter().take(third).enumerate() {
                for another in templates.iter().take(second) {
                    hold(&[("get", one), ("get", other), ("get", another)], &requests);
                }
                hold(&[("get", one), ("head", other)], &requests);
                hold(&[("head", one), ("get", other)], &requests);
            }
        }
    }
}

#[test]
fn three_that_differ_have_rules_for_what_they_have_in_common() {
    let templates = ["/a/{x}/{y}", "/{x}/b/{y}", "/{x}/{y}/c"];
    let operations: Vec<(&str, &str)> = templates.iter().map(|template| ("get", *template)).collect();
    hold(&operations, &requests(&["a", "b", "c"]));
    let (text, warnings) = printed(&document(&operations));
    for (path, scopes) in [
        ("/crm/a/b/{p4}", "\"s0\", \"s1\", \"s2\""),
        ("/crm/a/{p3}/c", "\"s0\", \"s1\", \"s2\""),
        ("/crm/{p2}/b/c", "\"s0\", \"s1\", \"s2\""),
        ("/crm/a/{x}/{y}", "\"s0\""),
    ] {
        let rule = format!("paths: [\"{path}\"] }}\n    require: {{ scopes: [{scopes}] }}\n");
        assert!(text.contains(&rule), "{path}: {text}");
    }
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|one| matches!(one, Finding::Ambiguous { .. })), "{warnings:?}");
    assert!(text.contains("AMBIGUOUS"), "{text}");
}

#[test]
fn many_overlaps_make_the_rule_itself_stricter() {
    let templates: Vec<String> = (0..100)
        .map(|number| format!("/a{number}/{{x}}"))
        .chain((0..100).map(|number| format!("/{{x}}/b{number}")))
        .collect();
    let operations: Vec<(&str, &str)> = templates.iter().map(|template| ("get", template.as_str())).collect();
    let (text, warnings) = printed(&document(&operations));
    assert_eq!(text.matches("  - name: ").count(), 200);
    assert_eq!(warnings.len(), 100);
    hold(&operations, &[vec!["crm", "a7", "b9"], vec!["crm", "a7", "x"], vec!["crm", "x", "b9"]]);
}

/// Checks overlaps of `HEAD` and `GET`. A module may choose its `HEAD` operation over a more specific `GET`, which must
/// not make `GET` requests stricter.
#[test]
fn a_head_of_a_less_specific_path_has_a_rule_where_a_get_is() {
    let (text, _) = printed(&document(&[("get", "/a/me"), ("head", "/a/{id}")]));
    for rule in [
        "methods: [HEAD], paths: [\"/crm/a/me\"] }\n    require: { scopes: [\"s0\", \"s1\"] }\n",
        "methods: [GET], paths: [\"/crm/a/me\"] }\n    require: { scopes: [\"s0\"] }\n",
    ] {
        assert!(text.contains(rule), "{rule}: {text}");
    }
    for reported in [
        &[("get", "/a/me"), ("head", "/a/me"), ("head", "/a/{id}")][..],
        &[("get", "/a/{r+}"), ("head", "/a/{r+}")],
        &[("get", "/a/{x}.j"), ("head", "/a/{x}.j")],
    ] {
        let (text, warnings) = printed(&document(reported));
        assert_eq!((text.matches("  - name: ").count(), warnings.len()), (reported.len(), 0), "{text}");
    }
}

/// Checks that a path without requests of its own gets no rule: such a rule would make the configuration invalid.
#[test]
fn what_others_decide_as_a_whole_has_no_rule() {
    let (text, _) = printed(&document(&[("get", "/a/{x}"), ("get", "/a/{x}/{y}/{r+}"), ("get", "/a/{x}/{r+}")]));
    assert!(text.contains("  # GET /a/{x}/{r+}\n") && text.contains("decide all of its requests\n"), "{text}");
    assert!(!text.contains("paths: [\"/crm/a/{x}/{*r}\"]") && text.contains("/crm/a/{x}/{y}/{*r}"), "{text}");
}

/// Checks that similar names, and literals that no lookup reaches, cost constant time per rule.
#[test]
fn many_paths_are_read_in_time() {
    let alike = |number: u32| char::from_u32(0x4e00 + number).unwrap();
    let templates: Vec<String> =
        (0..20_000).map(|number| format!("/{}{}", alike(number % 1_000), alike(number / 1_000))).collect();
    let operations: Vec<(&str, &str)> = templates.iter().map(|template| ("get", template.as_str())).collect();
    let (text, _) = printed(&document(&operations));
    assert!(text.contains("name: crm.GET/---20000\n"));
    let crossed: Vec<String> =
        (0..6_000).flat_map(|number| [format!("/a{number}"), format!("/{{x}}/b{number}")]).collect();
    let operations: Vec<(&str, &str)> = crossed.iter().map(|template| ("get", template.as_str())).collect();
    let api = Api::read("test", &document(&operations)).unwrap();
    let Err(reported) =
        draft::drafts(&api, "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).and_then(resolve_overlaps)
    else {
        panic!("no bound")
    };
    assert!(matches!(reported.first().map(Located::what), Some(Finding::NotCompared)));
}

/// Checks that a path which begins with the module's prefix requires a credential in both places.
#[test]
fn a_path_that_begins_with_the_prefix_has_rules_for_both_readings() {
    let open = json!({ "swagger": "2.0", "basePath": "/crm", "paths": { "/open": { "get": { "security": [] } } } });
    let (text, warnings): (String, Vec<Value>) = {
        let (text, warnings) = printed(&open.to_string());
        (text, warnings.iter().map(|one| Value::from(one.to_string())).collect())
    };
    assert!(text.contains("paths: [\"/crm/open\", \"/crm/crm/open\"] }\n"), "{text}");
    assert!(!text.contains("access: public"), "{text}");
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("rules cover both paths"), "{warnings:?}");
}
