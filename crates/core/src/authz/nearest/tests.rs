//! The nearest rule: a readable table, and the property that each reported reason is true for the real matcher.

use super::{Difference, is_similar};
use crate::authz::{
    Access, Case, Enforcement, Fallback, HostPattern, PathPattern, PathReadings, Requirement, RouteReference, Rule,
    RuleName, Rules,
};
use crate::http::method::Method;
use crate::http::request::{Field, Headers, Request};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A rule of these tests: `[HOST ]METHODS PATTERN`, with `*` for any method, and `PREFLIGHT` for preflights. It is named by its text.
fn add(rules: &mut Rules, text: &str, case: Case) -> bool {
    let (served, path) = text.split_once(" /").unwrap();
    let pattern = format!("/{path}");
    let (host, methods) = match served.split_once(' ') {
        Some((host, methods)) => (Some(HostPattern::parse(host).unwrap()), methods),
        None => (None, served),
    };
    let access = if methods == "PREFLIGHT" { Access::Preflight } else { Access::Denied };
    let methods: Vec<Method<'_>> = match methods {
        "*" | "PREFLIGHT" => Vec::new(),
        methods => methods.split(',').map(|method| Method::parse(method).unwrap()).collect(),
    };
    let rule = Rule {
        name: RuleName::new(text),
        access,
        require: Requirement::default(),
        constraints: None,
        pattern: pattern.as_str().into(),
        enforcement: Enforcement::Enforced,
        by_name: RouteReference::Require,
    };
    let pattern = PathPattern::parse(&pattern).unwrap().read(case, rules.readings().cloned());
    rules.add(rule, host.as_ref(), &methods, &pattern).is_ok()
}

fn rules<S: AsRef<str>>(all: &[S], case: Case) -> Rules {
    let mut rules = Rules::reading(Fallback::Denied, PathReadings::new(Vec::new(), case == Case::Fold));
    for text in all {
        add(&mut rules, text.as_ref(), case);
    }
    rules
}

/// A request: its parts can be changed.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    host: String,
    segments: Vec<String>,
    is_preflight: bool,
}

impl Sent {
    fn with<T>(&self, test: impl FnOnce(&Request<'_>) -> T) -> T {
        let path = format!("/{}", self.segments.join("/"));
        let preflight = [("origin", "https://a.example"), ("access-control-request-method", "PUT")];
        let fields = preflight.iter().filter(|_| self.is_preflight);
        let fields = fields.map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() }).collect();
        let (method, host) = (self.method.as_bytes(), self.host.as_bytes());
        test(&Request::parse(method, path.as_bytes(), host, Headers::new(fields)).unwrap())
    }

    /// Changes the reported part as the report says.
    fn change(&mut self, difference: &Difference) {
        match difference {
            Difference::Host { wanted, found } => {
                assert_eq!(found.as_deref().unwrap_or_default(), self.host);
                self.host = wanted.to_string().replace('*', "any");
            }
            Difference::Segment { at, wanted, found } => {
                assert_eq!(self.segments[*at], **found);
                self.segments[*at] = wanted.to_string();
            }
            Difference::Length { wanted, rest, found } => {
                assert_eq!(self.segments.len(), *found);
                assert!(!rest || found < wanted, "{difference:?}");
            }
            Difference::Method { wanted, found } => {
                assert_eq!(self.method, **found);
                self.method = wanted.last().unwrap().to_string();
            }
            Difference::Preflight => self.is_preflight = true,
        }
    }

    /// Changes the length last: segments that are added have the texts of the pattern.
    fn lengthen(&mut self, difference: &Difference, pattern: &str) {
        if let Difference::Length { wanted, .. } = difference {
            let own = pattern.split('/').skip(1).map(|text| if text.starts_with('{') { "other" } else { text });
            let own: Vec<&str> = own.collect();
            self.segments.truncate(*wanted);
            while self.segments.len() < *wanted {
                self.segments.push(own[self.segments.len()].to_owned());
            }
        }
    }
}

fn sent(text: &str) -> Sent {
    let parts: Vec<&str> = text.split(' ').collect();
    let [method, host, path] = parts.as_slice() else { panic!("{text}") };
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    let host = if *host == "-" { "" } else { host };
    Sent { method: (*method).to_owned(), host: host.to_owned(), segments, is_preflight: false }
}

/// Returns the text about the nearest rule; empty without one.
fn nearest(all: &[&str], case: Case, request: &str) -> String {
    let rules = rules(all, case);
    sent(request).with(|request| rules.describe_nearest(request).map(|step| step.found).unwrap_or_default())
}

#[test]
fn the_first_difference_is_named_with_both_values() {
    let table: &[(&[&str], &str, &str)] = &[
        (
            &["GET,HEAD /reports/{id}"],
            "DELETE - /reports/7",
            "the rule is for `GET`, `HEAD`, and the method is `DELETE`",
        ),
        (&["* /crm/{id}"], "GET - /crm/a/b", "the pattern has 2 segments, and the path 3"),
        (&["* /crm/{id}"], "GET - /crm", "the pattern has 2 segments, and the path 1"),
        (&["* /a/{b}/{*rest}"], "GET - /a", "the pattern has at least 2 segments, and the path 1"),
        (&["* /api/users/{id}"], "GET - /api/user/1", "segment 2 of the pattern is `users`, and of the path `user`"),
        (
            &["* /crm/{*rest}"],
            "GET - /CRM/x",
            "segment 1 of the pattern is `crm`, and of the path `CRM` (in another case)",
        ),
        (
            &["api.example.com * /a"],
            "GET b.example.com /a",
            "the rule is for the host `api.example.com`, and the request's is `b.example.com`",
        ),
        (&["*.example.com * /a"], "GET - /a", "the rule is for the host `*.example.com`, and the request has none"),
        (
            &["PREFLIGHT /a"],
            "OPTIONS - /a",
            "the rule is for CORS preflights, and the request lacks one `Origin` or one `Access-Control-Request-Method`",
        ),
        (&["PREFLIGHT /a"], "GET - /a", ""),
        // Too little in common.
        (&["* /oauth/{*rest}", "* /docs"], "GET - /crm/", ""),
        (&["* /a/b/c/d"], "GET - /a/x/y/z", ""),
        (&[], "GET - /", ""),
    ];
    for (all, request, expected) in table {
        let text = nearest(all, Case::Exact, request);
        let end = text.split_once(" does not match: ").map_or("", |(_, end)| end);
        assert_eq!(end, *expected, "{all:?}, {request}: {text}");
    }
    let folded = nearest(&["* /Crm/{id}"], Case::Fold, "GET - /cRM/a/b");
    assert_eq!(folded, "`* /Crm/{id}` by `/Crm/{id}` does not match: the pattern has 2 segments, and the path 3");
}

#[test]
fn the_rule_with_the_most_in_common_is_the_nearest() {
    let all =
        ["GET /api/users/{id}", "* /api/orders/{id}", "* /api/users/{id}/keys", "host.example * /api/users/{*rest}"];
    for (request, expected) in [
        ("POST - /api/users/1", "GET /api/users/{id}"),
        ("POST - /api/order/1", "* /api/orders/{id}"),
        ("GET - /api/users/1/key", "* /api/users/{id}/keys"),
    ] {
        let text = nearest(&all, Case::Exact, request);
        assert!(text.starts_with(&format!("`{expected}` by ")), "{request}: {text}");
    }
}

#[test]
fn beside_a_rule_that_matches_only_one_that_would_take_precedence_is_near() {
    let all = ["* /{*rest}", "GET /crm/{id}", "* /crm/invoices/{id}"];
    for (request, expected) in [
        ("POST - /crm/7", "GET /crm/{id}"),
        ("GET - /crm/7/8", "GET /crm/{id}"),
        ("GET - /crm/invoice/8", "* /crm/invoices/{id}"),
        ("GET - /other", ""),
    ] {
        let text = nearest(&all, Case::Exact, request);
        let name = text.split('`').nth(1).unwrap_or_default();
        assert_eq!(name, expected, "{request}: {text}");
    }
}

#[test]
fn a_slip_is_recognized() {
    for (one, other) in
        [("crm", "CRM"), ("users", "user"), ("orders", "order"), ("contacts", "contcats"), ("report", "rebort")]
    {
        assert!(is_similar(one, other) && is_similar(other, one), "{one} {other}");
    }
    for (one, other) in [("crm", "x"), ("a", "ab"), ("users", "orders"), ("", "a"), ("admin", "static")] {
        assert!(!is_similar(one, other) && !is_similar(other, one), "{one} {other}");
    }
}

fn segment() -> impl Strategy<Value = String> {
    select(vec!["crm", "crms", "Crm", "api", "users", "user", "a b", "caf\u{e9}", "{x}"]).prop_map(str::to_owned)
}

prop_compose! {
    fn rule()(
        host in prop_oneof![3 => Just(""), 1 => Just("api.example.com "), 1 => Just("*.example.com ")],
        methods in prop_oneof![
            2 => subsequence(vec!["GET", "HEAD", "POST", "OPTIONS"], 1..=2).prop_map(|all| all.join(",")),
            2 => Just("*".to_owned()),
            1 => Just("PREFLIGHT".to_owned()),
        ],
        segments in proptest::collection::vec(segment(), 0..4),
        rest in any::<bool>(),
    ) -> String {
        let own = segments.iter().enumerate().map(|(at, text)| text.replace("{x}", &format!("{{p{at}}}")));
        let path: Vec<String> = own.chain(rest.then(|| "{*rest}".to_owned())).collect();
        format!("{host}{methods} /{}", path.join("/"))
    }
}

prop_compose! {
    fn request()(
        method in select(vec!["GET", "HEAD", "POST", "DELETE", "OPTIONS"]),
        host in select(vec!["", "api.example.com", "b.example.com", "example.org"]),
        segments in proptest::collection::vec(select(vec!["crm", "CRM", "api", "users", "x", "5"]), 0..5),
    ) -> Sent {
        let segments = segments.into_iter().map(str::to_owned).collect();
        Sent { method: method.to_owned(), host: host.to_owned(), segments, is_preflight: false }
    }
}

/// Returns true if a rule is among those that match a request, by the real matcher.
fn matches(rules: &Rules, name: &str, sent: &Sent) -> bool {
    let encoded = |text: &String| text.replace(' ', "%20").replace('\u{e9}', "%C3%A9");
    let sent = Sent { segments: sent.segments.iter().map(encoded).collect(), ..sent.clone() };
    // The name of a rule that is the only one of its set: no other takes precedence.
    let alone = rules_of(rules, name);
    sent.with(|request| alone.find(request).is_some())
}

/// The set with this rule only, whose name is its text.
fn rules_of(rules: &Rules, name: &str) -> Rules {
    self::rules(&[name], rules.widest_case())
}

proptest! {
    // Requests without a near rule are rejected, and too many of them would fail the test: a report is checked 2,000 times.
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(2_000) })]

    /// With every reported part changed the rule matches, and without one of the changes it does not.
    #[test]
    fn a_reported_reason_is_true(
        all in proptest::collection::vec(rule(), 1..10),
        sent in request(),
        folds in any::<bool>(),
    ) {
        let rules = rules(&all, if folds { Case::Fold } else { Case::Exact });
        let found = sent.with(|request| {
            let matched = rules.find(request);
            let nearest = rules.nearest(request, matched)?;
            Some((nearest.rule.name.as_str().to_owned(), nearest.rule.pattern.clone(), nearest.differences))
        });
        prop_assume!(found.is_some());
        if let Some((name, pattern, differences)) = found {
            prop_assert!(!differences.is_empty());
            prop_assert!(!matches(&rules, &name, &sent), "{} matches {:?}", name, sent);
            for left_out in (0..differences.len()).map(Some).chain([None]) {
                let mut changed = sent.clone();
                let kept = || differences.iter().enumerate().filter(|(at, _)| Some(*at) != left_out).map(|(_, one)| one);
                kept().for_each(|one| changed.change(one));
                kept().for_each(|one| changed.lengthen(one, &pattern));
                let matches = matches(&rules, &name, &changed);
                prop_assert_eq!(matches, left_out.is_none(), "{} and {:?}: {:?}", name, changed, differences);
            }
        }
    }
}
