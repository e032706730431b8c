use super::{Case, ModuleReading, PathReadings, ReadingError, folded};
use crate::authz::{
    Access, AuthzError, Enforcement, Fallback, ModulePrefix, PathPattern, RequestConstraints, Requirement,
    RouteReference, Rule, RuleName, Rules,
};
use crate::http::request::{Headers, Request};
use std::borrow::Cow;
use std::sync::Arc;

fn module(prefix: &str, case: Case, suffixes: &[&str]) -> (ModulePrefix, ModuleReading) {
    let suffixes = suffixes.iter().map(|suffix| (*suffix).into()).collect();
    (ModulePrefix::parse(prefix).unwrap(), ModuleReading { case, suffixes })
}

/// Builds a rule per pattern, which is also its name; a pattern that begins with `~` folds.
fn rules(modules: Vec<(ModulePrefix, ModuleReading)>, patterns: &[&str]) -> Rules {
    let readings = PathReadings::new(modules, patterns.iter().any(|text| text.starts_with('~')));
    let mut rules = Rules::reading(Fallback::Denied, readings.clone());
    for text in patterns {
        let case = if text.starts_with('~') { Case::Fold } else { Case::Exact };
        let pattern = PathPattern::parse(text.trim_start_matches('~')).unwrap().read(case, readings.clone());
        let rule = Rule {
            name: RuleName::new(text),
            access: Access::Public,
            require: Requirement::default(),
            constraints: Some(RequestConstraints { pattern: pattern.clone(), same_organization: None, when: None }),
            pattern: text.trim_start_matches('~').into(),
            enforcement: Enforcement::Enforced,
            by_name: RouteReference::Require,
        };
        rules.add(rule, None, &[], &pattern).unwrap();
    }
    rules
}

/// Returns the rule of a target with the values of its parameters, or the reason of the denial.
fn found(rules: &Rules, target: &str) -> String {
    let request = Request::parse(b"GET", target.as_bytes(), b"a.example", Headers::default()).unwrap();
    if let Err(refusal) = rules.select(&request) {
        return match refusal.error {
            AuthzError::NoRule => "none".to_owned(),
            AuthzError::Reading(ReadingError::OtherRule) => "other rule".to_owned(),
            AuthzError::Reading(ReadingError::Suffixes) => "suffixes".to_owned(),
            AuthzError::Reading(ReadingError::SuffixCase) => "suffix case".to_owned(),
            error => panic!("{error}"),
        };
    }
    let rule = rules.find(&request).unwrap();
    let constraints = rule.constraints.as_ref().unwrap();
    let values = constraints.pattern.parameters(&request.path).map(|(name, value)| format!(" {name}={value}"));
    format!("{}{}", rule.name.as_str(), values.collect::<String>())
}

fn all(rules: &Rules, cases: &[(&str, &str)]) {
    for (target, expected) in cases {
        assert_eq!(found(rules, target), *expected, "{target}");
    }
}

#[test]
fn case_fold_of_a_rule_takes_every_spelling_and_of_others_none() {
    let rules = rules(Vec::new(), &["~/crm/Admin/{*rest}", "/crm/{*rest}", "/Crm/open"]);
    all(
        &rules,
        &[
            ("/crm/admin/x", "~/crm/Admin/{*rest} rest=x"),
            ("/CRM/aDMIN/X", "~/crm/Admin/{*rest} rest=X"),
            ("/crm/Admin", "~/crm/Admin/{*rest} rest="),
            ("/crm/adminx", "/crm/{*rest} rest=adminx"),
            ("/CRM/x", "none"),
            ("/Crm/open", "/Crm/open"),
            ("/crm/open", "/crm/{*rest} rest=open"),
        ],
    );
}

/// A literal that folds is as specific as one that does not: the deeper pattern decides.
#[test]
fn a_rule_that_folds_is_not_less_specific_for_it() {
    let rules = rules(Vec::new(), &["/admin/{*rest}", "~/ADMIN/secret/{*rest}", "/{any}/secret/open"]);
    all(
        &rules,
        &[
            ("/admin/secret/open", "~/ADMIN/secret/{*rest} rest=open"),
            ("/Admin/Secret", "~/ADMIN/secret/{*rest} rest="),
            ("/admin/other", "/admin/{*rest} rest=other"),
            ("/x/secret/open", "/{any}/secret/open any=x"),
        ],
    );
}

#[test]
fn a_letter_beyond_ascii_never_escapes_a_rule_that_folds_and_never_is_let_through_by_it() {
    let rules = rules(Vec::new(), &["~/kiss/{*rest}", "~/straße", "/{*rest}"]);
    all(
        &rules,
        &[
            ("/KISS/x", "~/kiss/{*rest} rest=x"),
            ("/%E2%84%AAiss/x", "other rule"), // K, the sign of the kelvin
            ("/ki%C5%BFs", "other rule"),      // ſ
            ("/k%C4%B1ss", "other rule"),      // ı
            ("/k%C4%B0ss", "other rule"),      // İ
            ("/stra%C3%9Fe", "~/straße"),
            ("/STRA%C3%9Fe", "~/straße"),
            ("/stra%E1%BA%9Ee", "other rule"), // ẞ
            ("/strasse", "other rule"),
            ("/strass", "/{*rest} rest=strass"),
            ("/%C3%BCber/kiss", "/{*rest} rest=über/kiss"),
            ("/kiss/%C3%9Cber", "~/kiss/{*rest} rest=Über"),
        ],
    );
}

#[test]
fn case_fold_of_a_module_is_for_what_is_below_its_prefix_and_for_every_rule_there() {
    let modules = vec![module("/crm", Case::Fold, &[]), module("/crm/old", Case::Exact, &[])];
    let rules = rules(modules, &["/crm/Admin/{*rest}", "/{module}/{id}/Close", "/crm/old/Admin", "/{*rest}"]);
    all(
        &rules,
        &[
            ("/crm/admin/x", "/crm/Admin/{*rest} rest=x"),
            ("/CRM/admin/x", "/{*rest} rest=CRM/admin/x"),
            ("/crm/7/CLOSE", "/{module}/{id}/Close module=crm id=7"),
            ("/other/7/CLOSE", "/{*rest} rest=other/7/CLOSE"),
            ("/other/7/Close", "/{module}/{id}/Close module=other id=7"),
            ("/crm/old/admin", "/{*rest} rest=crm/old/admin"),
            ("/crm/old/Admin", "/crm/old/Admin"),
            // The inner module does not contain this path, so the outer one reads it.
            ("/crm/OLD/admin", "/crm/old/Admin"),
        ],
    );
}

#[test]
fn suffixes_of_a_module_are_cut_off_the_last_segment() {
    let modules = vec![module("/crm", Case::Exact, &["json", "html"]), module("/app", Case::Fold, &["json"])];
    let patterns =
        ["/crm/admin/{*rest}", "/crm/users/{id}", "/crm/data.json", "/crm/{*rest}", "/app/Admin", "/{*rest}"];
    let rules = rules(modules, &patterns);
    all(
        &rules,
        &[
            ("/crm/admin.json", "/crm/admin/{*rest} rest="),
            ("/crm/admin.json/", "/crm/admin/{*rest} rest="),
            ("/crm/admin/x.html", "/crm/admin/{*rest} rest=x"),
            ("/crm/admin.xml", "/crm/{*rest} rest=admin.xml"),
            ("/crm/users/7.json", "/crm/users/{id} id=7"),
            ("/crm/users/7.8.json", "/crm/users/{id} id=7.8"),
            ("/crm/data.json", "/crm/data.json"),
            ("/crm/data", "/crm/{*rest} rest=data"),
            ("/crm/data.html", "/crm/{*rest} rest=data"),
            // Services differ unpredictably in their reading of these.
            ("/crm/admin.json.html", "suffixes"),
            ("/crm/.json", "suffixes"),
            ("/crm/admin.JSON", "suffix case"),
            ("/crm/admin.j%C5%BFon", "suffix case"),
            ("/crm/admin.json/x", "other rule"),
            ("/crm/files.json/x", "/crm/{*rest} rest=files.json/x"),
            // Outside of the prefix.
            ("/crm.json", "/{*rest} rest=crm.json"),
            ("/other/admin.json.html", "/{*rest} rest=other/admin.json.html"),
            ("/app/ADMIN.JSON", "/app/Admin"),
        ],
    );
}

#[test]
fn letters_fold_as_widely_as_any_service_may() {
    for (text, expected) in
        [("Admin", "admin"), ("\u{212a}iß", "kiss"), ("ıİſ", "iis"), ("ς", "σ"), ("ﬁ", "fi"), ("/ÀẞB/c", "/àssb/c")]
    {
        assert_eq!(folded(text), expected, "{text}");
    }
    assert!(matches!(folded("admin/x.json"), Cow::Borrowed(_)), "nothing is allocated");
}

#[test]
fn two_patterns_that_differ_in_case_only_meet_where_one_of_them_folds() {
    let readings = PathReadings::new(vec![module("/crm", Case::Fold, &[])], true);
    let pattern = |text: &str, case| PathPattern::parse(text).unwrap().read(case, readings.as_ref().map(Arc::clone));
    let exact = |text| pattern(text, Case::Exact);
    let fold = |text| pattern(text, Case::Fold);
    for (one, other, expected) in [
        (fold("/Admin"), exact("/admin"), true),
        (exact("/Admin"), exact("/admin"), false),
        (exact("/admin"), exact("/admin"), true),
        (exact("/crm/Admin"), exact("/crm/admin"), true),
        (exact("/CRM/admin"), exact("/crm/admin"), false),
        (exact("/{module}/Admin"), exact("/{module}/admin"), true),
        (exact("/{module}/{*rest}"), exact("/{module}/{*rest}"), true),
    ] {
        assert_eq!((one.meets(&other), other.meets(&one)), (expected, expected), "{one} {other}");
    }
}
