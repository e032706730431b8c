//! Tests of the precedence of entries: a readable table, and a comparison of every result with a second, naive router.

mod naive;

use super::{InsertError, Layer, MethodMatcher, MethodQuery, Router};
use crate::authz::pattern::PathPattern;
use crate::http::method::Method;
use crate::http::path::RequestTarget;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

/// Parses an entry of these tests: `GET,POST /a`, or `* /a` for any method.
fn parse(entry: &str) -> (Vec<Method<'_>>, PathPattern) {
    let (methods, pattern) = entry.split_once(' ').unwrap();
    let methods = methods.split(',').filter(|method| *method != "*").map(|method| Method::parse(method).unwrap());
    (methods.collect(), PathPattern::parse(pattern).unwrap())
}

fn router<S: AsRef<str>>(entries: &[S]) -> Router<&str> {
    let mut router = Router::default();
    for entry in entries.iter().map(AsRef::as_ref) {
        let (methods, pattern) = parse(entry);
        router
            .insert(Layer::Enforced, MethodMatcher::Methods(&methods), &pattern, entry)
            .unwrap_or_else(|error| panic!("{entry}: {error}"));
    }
    router
}

fn find<'a>(router: &Router<&'a str>, request: &str) -> Option<&'a str> {
    let (method, target) = request.split_once(' ').unwrap();
    let target = RequestTarget::parse(target.as_bytes()).unwrap();
    router.find(Layer::Enforced, Method::parse(method).unwrap(), &target.path).copied()
}

type Request = (&'static str, &'static str);

#[test]
fn the_most_specific_entry_that_matches_wins() {
    // entries, then requests, each with the entry that decides
    let none = "";
    let table: &[(&[&str], &[Request])] = &[
        (&[], &[("GET /", none), ("GET /a", none)]),
        (&["* /"], &[("GET /", "* /"), ("GET /?q", "* /"), ("GET /a", none)]),
        (&["* /a"], &[("GET /a", "* /a"), ("GET /a/", "* /a"), ("GET /a/b", none), ("GET /A", none), ("GET /", none)]),
        (&["* /a/"], &[("GET /a", "* /a/"), ("GET /a/", "* /a/")]),
        (&["* /{*rest}"], &[("GET /", "* /{*rest}"), ("GET /a/b/c/", "* /{*rest}")]),
        (&["* /{x}"], &[("GET /a", "* /{x}"), ("GET /", none), ("GET /a/b", none)]),
        // Segments are compared whole and case-sensitively; the query is ignored.
        (
            &["* /public/{*rest}"],
            &[
                ("GET /public", "* /public/{*rest}"),
                ("GET /public/", "* /public/{*rest}"),
                ("GET /public/a/b", "* /public/{*rest}"),
                ("GET /publicity", none),
                ("GET /Public/a", none),
                ("GET /admin?x=/public/", none),
                ("GET /admin/public/a", none),
            ],
        ),
        // Literals are decoded text.
        (&["* /a b/caf\u{e9}"], &[("GET /a%20b/caf%c3%A9", "* /a b/caf\u{e9}"), ("GET /a+b/caf%C3%A9", none)]),
        (&["* /@me", "* /{id}"], &[("GET /%40me", "* /@me"), ("GET /@me", "* /@me"), ("GET /@you", "* /{id}")]),
        // A literal comes before a parameter, and that before a rest; the path's end comes before a rest.
        (
            &["* /users/me", "* /users/{id}", "* /users/{*rest}", "* /users"],
            &[
                ("GET /users/me", "* /users/me"),
                ("GET /users/7", "* /users/{id}"),
                ("GET /users/7/x", "* /users/{*rest}"),
                ("GET /users/me/x", "* /users/{*rest}"),
                ("GET /users/", "* /users"),
            ],
        ),
        // The leftmost difference decides, even if the remaining segments are more specific.
        (&["* /a/{*rest}", "* /{x}/b"], &[("GET /a/b", "* /a/{*rest}"), ("GET /c/b", "* /{x}/b"), ("GET /c/c", none)]),
        (&["* /a/{y}/{*rest}", "* /a/{*rest}", "* /{x}/b/c"], &[("GET /a/b/c", "* /a/{y}/{*rest}")]),
        // Backtracking to the parameter if the literal leads to no entry.
        (&["* /a/b/c", "* /{x}/b/d"], &[("GET /a/b/d", "* /{x}/b/d"), ("GET /a/b/c", "* /a/b/c"), ("GET /a/b", none)]),
        (&["* /a/b/c", "* /a/{x}/d", "* /{*rest}"], &[("GET /a/b/d", "* /a/{x}/d"), ("GET /a/b/e", "* /{*rest}")]),
        // A named method comes before any method, for the same pattern only.
        (&["* /a", "GET /a"], &[("GET /a", "GET /a"), ("POST /a", "* /a")]),
        (&["GET /{x}", "* /a"], &[("GET /a", "* /a"), ("GET /b", "GET /{x}"), ("POST /b", none)]),
        (&["* /{x}", "GET /{y}"], &[("GET /a", "GET /{y}"), ("PUT /a", "* /{x}")]),
        (&["GET /a/{*rest}", "* /a"], &[("GET /a", "* /a"), ("GET /a/b", "GET /a/{*rest}")]),
        // A GET entry also serves HEAD, unless another entry names HEAD.
        (&["GET /a", "* /{x}"], &[("HEAD /a", "GET /a"), ("POST /a", "* /{x}"), ("HEAD /b", "* /{x}")]),
        (&["GET /a", "HEAD /a", "* /a"], &[("HEAD /a", "HEAD /a"), ("GET /a", "GET /a"), ("PUT /a", "* /a")]),
        (&["HEAD /a"], &[("GET /a", none)]),
        // An entry for other methods does not match at all.
        (
            &["POST /users/me", "GET,HEAD /users/{id}", "DELETE /users/{*rest}"],
            &[
                ("POST /users/me", "POST /users/me"),
                ("GET /users/me", "GET,HEAD /users/{id}"),
                ("HEAD /users/me", "GET,HEAD /users/{id}"),
                ("DELETE /users/me", "DELETE /users/{*rest}"),
                ("PUT /users/me", none),
                ("POST /users/7", none),
            ],
        ),
    ];
    for (entries, requests) in table {
        let reversed: Vec<_> = entries.iter().rev().copied().collect();
        for (request, winner) in *requests {
            for router in [router(entries), router(&reversed)] {
                assert_eq!(find(&router, request).unwrap_or_default(), *winner, "{request} among {entries:?}");
            }
        }
    }
}

#[test]
fn entries_that_no_request_tells_apart_collide() {
    // earlier, later, true if they collide
    let table = [
        ("* /a", "* /a", true),
        ("* /a", "* /a/", true),
        ("* /{x}", "* /{y}", true),
        ("* /{*x}", "* /{*y}", true),
        ("* /a/{x}/{*y}", "* /a/{y}/{*x}", true),
        ("GET /a", "GET /a", true),
        ("GET,POST /a", "PUT,POST /a", true),
        ("GET /{x}", "POST,GET /{y}", true),
        ("GET /a", "* /a", false),
        ("GET /a", "POST /a", false),
        ("* /a", "* /{x}", false),
        ("* /a", "* /a/{*x}", false),
        ("* /{x}", "* /{*x}", false),
        ("* /a/{x}", "* /{x}/a", false),
        ("* /a", "* /A", false),
    ];
    for (earlier, later, collide) in table {
        let entries = ["* /other", earlier];
        let mut router = router(&entries);
        let (methods, pattern) = parse(later);
        let expected = if collide { Err(InsertError { earlier: &earlier }) } else { Ok(()) };
        let served = MethodMatcher::Methods(&methods);
        assert_eq!(router.insert(Layer::Enforced, served, &pattern, later), expected, "{earlier} and {later}");
    }
}

#[test]
fn a_refused_entry_leaves_nothing_behind() {
    let mut router = router(&["GET /a"]);
    let (methods, pattern) = parse("PUT,GET /a");
    assert!(router.insert(Layer::Enforced, MethodMatcher::Methods(&methods), &pattern, "refused").is_err());
    assert_eq!(find(&router, "PUT /a"), None);
    assert_eq!(find(&router, "GET /a"), Some("GET /a"));
}

#[test]
fn one_entry_may_name_a_method_twice() {
    assert_eq!(find(&router(&["GET,GET /a"]), "GET /a"), Some("GET,GET /a"));
}

/// Builds a router of enforced entries, shadow entries (`^`) and preflight entries (`~`).
fn layered<'a>(entries: &[&'a str]) -> Router<&'a str> {
    let mut router = Router::default();
    for entry in entries {
        let plain = entry.trim_start_matches(['^', '~']);
        let (methods, pattern) = parse(plain);
        let layer = if entry.starts_with('^') { Layer::Shadow } else { Layer::Enforced };
        let served = if entry.contains('~') { MethodMatcher::Preflight } else { MethodMatcher::Methods(&methods) };
        router.insert(layer, served, &pattern, *entry).unwrap_or_else(|error| panic!("{entry}: {error}"));
    }
    router
}

#[test]
fn what_is_tried_out_hides_what_counts_for_the_same_requests_only() {
    let entries =
        ["GET,PUT /a", "^GET /a", "* /a", "^* /a", "^* /a/b", "* /{*rest}", "HEAD /h", "^GET /h", "^* /s/{*rest}"];
    for (request, enforced, shadow) in [
        ("GET /a", "GET,PUT /a", "^GET /a"),
        ("HEAD /a", "GET,PUT /a", "^GET /a"),
        ("PUT /a", "GET,PUT /a", "GET,PUT /a"),
        ("DELETE /a", "* /a", "^* /a"),
        ("GET /a/b", "* /{*rest}", "^* /a/b"),
        ("HEAD /h", "HEAD /h", "HEAD /h"),
        ("GET /h", "* /{*rest}", "^GET /h"),
        ("GET /s/t/u", "* /{*rest}", "^* /s/{*rest}"),
        ("GET /z", "* /{*rest}", "* /{*rest}"),
    ] {
        let reversed: Vec<&str> = entries.iter().rev().copied().collect();
        for router in [layered(&entries), layered(&reversed)] {
            let (method, target) = request.split_once(' ').unwrap();
            let target = RequestTarget::parse(target.as_bytes()).unwrap();
            let find = |layer| router.find(layer, Method::parse(method).unwrap(), &target.path).copied();
            assert_eq!((find(Layer::Enforced), find(Layer::Shadow)), (Some(enforced), Some(shadow)), "{request}");
        }
    }
}

#[test]
fn what_is_tried_out_collides_with_its_own_kind_only() {
    let mut router = layered(&["GET /a", "^PUT /a", "~* /a"]);
    let (methods, pattern) = parse("GET,PUT /{x}");
    let served = MethodMatcher::Methods(&methods);
    let (_, same) = parse("* /a");
    assert!(router.insert(Layer::Shadow, served, &same, "new").is_err());
    assert!(router.insert(Layer::Enforced, served, &same, "new").is_err());
    assert!(router.insert(Layer::Enforced, MethodMatcher::Preflight, &same, "new").is_err());
    assert!(router.insert(Layer::Shadow, MethodMatcher::Preflight, &same, "new").is_ok());
    assert!(router.insert(Layer::Shadow, served, &pattern, "new").is_ok());
}

#[test]
fn a_preflight_is_more_specific_than_its_method() {
    let router = layered(&["* /{*rest}", "~* /{*rest}", "OPTIONS /a", "~* /a", "* /a", "GET /a", "^~* /a"]);
    let target = RequestTarget::parse(b"/a").unwrap();
    let all = |layer, wanted| router.find_all(layer, wanted, &target.path).into_iter().copied().collect::<Vec<_>>();
    let options = MethodQuery::Method(Method::parse("OPTIONS").unwrap());
    assert_eq!(all(Layer::Enforced, options), ["OPTIONS /a", "* /a", "* /{*rest}"]);
    let preflight = ["~* /a", "OPTIONS /a", "* /a", "~* /{*rest}", "* /{*rest}"];
    assert_eq!(all(Layer::Enforced, MethodQuery::Preflight), preflight);
    assert_eq!(all(Layer::Shadow, MethodQuery::Preflight).first(), Some(&"^~* /a"));
    assert_eq!(all(Layer::Shadow, MethodQuery::Preflight).len(), preflight.len());
}

/// Generates entries such as `GET,PUT /a/{p1}/{*rest}` from few texts and methods, so that they often match.
fn entry() -> impl Strategy<Value = String> {
    let methods = subsequence(vec!["GET", "PUT", "POST"], 0..3);
    let segments = proptest::collection::vec(prop_oneof![3 => Just("a"), 2 => Just("b"), 3 => Just("{}")], 0..4);
    let end = prop_oneof![2 => Just(""), 1 => Just("/{*rest}"), 1 => Just("/")];
    (methods, segments, end).prop_map(|(methods, segments, end)| {
        let methods = if methods.is_empty() { "*".to_owned() } else { methods.join(",") };
        let named = |(index, segment): (usize, &&str)| match *segment {
            "{}" => format!("/{{p{index}}}"),
            literal => format!("/{literal}"),
        };
        let path: String = segments.iter().enumerate().map(named).collect();
        let pattern = if path.is_empty() && end.is_empty() { "/".to_owned() } else { format!("{path}{end}") };
        format!("{methods} {pattern}")
    })
}

fn request() -> impl Strategy<Value = (&'static str, String)> {
    let method = prop_oneof![Just("GET"), Just("PUT"), Just("PATCH")];
    (method, "(/[abc]){1,5}/?|/")
}

/// Generates entries of which some cover others.
fn few() -> impl Strategy<Value = String> {
    const PATHS: [&str; 6] = ["/", "/{*rest}", "/{p}", "/{p}/{*rest}", "/{p}/{q}", "/{p}/{q}/{*rest}"];
    let methods = prop_oneof![Just("*"), Just("GET"), Just("GET,PUT"), Just("HEAD")];
    (methods, proptest::sample::select(&PATHS[..])).prop_map(|(methods, path)| format!("{methods} {path}"))
}

/// Returns requests that an entry decides if it decides any: only this entry names their segments, and their method if it names
/// one.
fn own(entry: &str) -> Vec<String> {
    let (methods, pattern) = entry.split_once(' ').unwrap();
    let methods = methods.replace('*', "PROPFIND");
    let head = pattern.split("/{*").next().unwrap();
    let head: String = head
        .split('/')
        .skip(1)
        .filter(|one| !one.is_empty())
        .map(|one| if one.starts_with('{') { "/own".to_owned() } else { format!("/{one}") })
        .collect();
    let lengths = if pattern.contains("/{*") { 0..6 } else { 0..1 };
    let path = |more: usize| format!("{head}{}", "/own".repeat(more));
    let paths = lengths.map(path).map(|path| if path.is_empty() { "/".to_owned() } else { path });
    let read = methods.split(',').chain(methods.split(',').any(|one| one == "GET").then_some("HEAD"));
    let methods: Vec<&str> = read.collect();
    paths.flat_map(|path| methods.iter().map(move |method| format!("{method} {path}")).collect::<Vec<_>>()).collect()
}

/// An entry, and the entries that decide all of its requests.
type Covered = (&'static str, &'static [&'static str]);

#[test]
fn an_unreachable_entry_is_reported_with_those_that_decide() {
    let table: &[(&[&str], &[Covered])] = &[
        (&["* /{*rest}", "* /", "* /{a}"], &[]),
        (&["* /{*rest}", "* /{a}/{*rest}"], &[]),
        (&["* /{*rest}", "* /", "* /{a}/{*rest}"], &[("* /{*rest}", &["* /", "* /{a}/{*rest}"])]),
        (
            &["* /{a}/{b}/{*rest}", "* /{a}", "* /{*rest}", "* /"],
            &[("* /{*rest}", &["* /{a}/{b}/{*rest}", "* /{a}", "* /"])],
        ),
        (&["* /a/{*rest}", "* /a", "* /a/b/{*rest}"], &[]),
        (&["* /{*rest}", "GET /", "GET /{a}/{*rest}"], &[]),
        (&["GET /{*rest}", "* /", "* /{a}/{*rest}"], &[("GET /{*rest}", &["* /", "* /{a}/{*rest}"])]),
        (&["HEAD /{*rest}", "GET /", "* /{a}/{*rest}"], &[("HEAD /{*rest}", &["GET /", "* /{a}/{*rest}"])]),
        (&["GET,PUT /{*rest}", "GET /", "GET /{a}/{*rest}"], &[]),
        // A shadow entry takes no request from an enforced one, and is checked as if it were enforced.
        (&["* /{*rest}", "^* /", "* /{a}/{*rest}"], &[]),
        (&["^* /{*rest}", "* /", "* /{a}/{*rest}"], &[("^* /{*rest}", &["* /", "* /{a}/{*rest}"])]),
        (&["^* /{*rest}", "* /", "^* /", "^* /{a}/{*rest}"], &[("^* /{*rest}", &["^* /", "^* /{a}/{*rest}"])]),
        (&["^GET,PUT /{*rest}", "* /", "GET /{a}/{*rest}", "^POST /{a}/{*rest}"], &[]),
        (
            &["^GET,PUT /{*rest}", "* /", "GET /{a}/{*rest}", "^PUT /{a}/{*rest}"],
            &[("^GET,PUT /{*rest}", &["* /", "GET /{a}/{*rest}", "^PUT /{a}/{*rest}"])],
        ),
    ];
    for (entries, expected) in table {
        let router = layered(entries);
        let found: Vec<(&str, Vec<&str>)> = router
            .unreachable_rules()
            .into_iter()
            .map(|one| (*one.entry, one.by.into_iter().copied().collect()))
            .collect();
        let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(entry, by)| (*entry, by.to_vec())).collect();
        assert_eq!(found, expected, "{entries:?}");
    }
}

proptest! {
    #[test]
    fn a_naive_list_in_any_order_gives_the_same_answers(
        entries in proptest::collection::vec(entry(), 0..24),
        swaps in proptest::collection::vec(any::<Index>(), 24),
        requests in proptest::collection::vec(request(), 1..24),
    ) {
        let mut kept: Vec<String> = Vec::new();
        for entry in entries {
            if !kept.iter().any(|earlier| naive::collide(earlier, &entry)) {
                kept.push(entry);
            }
        }
        let mut shuffled = kept.clone();
        for (at, swap) in swaps.iter().enumerate().take(kept.len()) {
            shuffled.swap(at, swap.index(kept.len()));
        }
        let routers = [router(&kept), router(&shuffled)];
        for (method, path) in &requests {
            let expected = naive::find(&kept, method, path);
            for router in &routers {
                prop_assert_eq!(find(router, &format!("{method} {path}")), expected, "{} {}", method, path);
            }
        }
    }

    /// An entry reported as unreachable never decides; every other entry decides some request.
    #[test]
    fn an_entry_is_covered_when_it_never_decides(
        entries in proptest::collection::vec(prop_oneof![1 => entry(), 2 => few()], 1..12),
        requests in proptest::collection::vec(request(), 1..24),
    ) {
        let mut kept: Vec<String> = Vec::new();
        for entry in entries {
            if !kept.iter().any(|earlier| naive::collide(earlier, &entry)) {
                kept.push(entry);
            }
        }
        let router = router(&kept);
        let covered: Vec<&str> = router.unreachable_rules().into_iter().map(|covered| *covered.entry).collect();
        for (method, path) in &requests {
            let found = find(&router, &format!("{method} {path}"));
            prop_assert!(found.is_none_or(|found| !covered.contains(&found)), "{} {}", method, path);
        }
        for entry in kept.iter().filter(|entry| !covered.contains(&entry.as_str())) {
            let decides = own(entry).into_iter().any(|request| find(&router, &request) == Some(entry.as_str()));
            prop_assert!(decides, "{} of {:?}", entry, kept);
        }
    }

    /// The property also holds for shadow entries among enforced ones.
    #[test]
    fn what_is_tried_out_is_covered_when_it_would_never_decide(
        entries in proptest::collection::vec((prop_oneof![1 => entry(), 2 => few()], any::<bool>()), 1..12),
    ) {
        let mut kept: Vec<(String, bool)> = Vec::new();
        for (entry, tried) in entries {
            if !kept.iter().any(|(earlier, other)| tried == *other && naive::collide(earlier, &entry)) {
                kept.push((entry, tried));
            }
        }
        let marked: Vec<String> =
            kept.iter().map(|(entry, tried)| format!("{}{entry}", if *tried { "^" } else { "" })).collect();
        let texts: Vec<&str> = marked.iter().map(String::as_str).collect();
        let router = layered(&texts);
        let covered: Vec<&str> = router.unreachable_rules().into_iter().map(|covered| *covered.entry).collect();
        for ((entry, tried), text) in kept.iter().zip(&texts) {
            let layer = if *tried { Layer::Shadow } else { Layer::Enforced };
            let decides = own(entry).into_iter().any(|request| {
                let (method, target) = request.split_once(' ').unwrap();
                let target = RequestTarget::parse(target.as_bytes()).unwrap();
                router.find(layer, Method::parse(method).unwrap(), &target.path) == Some(text)
            });
            prop_assert_eq!(decides, !covered.contains(text), "{} of {:?}", text, texts);
        }
    }

    #[test]
    fn two_entries_collide_when_the_naive_list_says_so(one in entry(), other in entry()) {
        let entries = [&one];
        let mut router = router(&entries);
        let (methods, pattern) = parse(&other);
        let served = MethodMatcher::Methods(&methods);
        prop_assert_eq!(router.insert(Layer::Enforced, served, &pattern, &other).is_err(), naive::collide(&one, &other));
    }
}
