//! Readable parameters, and ambiguous ones.

use super::{AmbiguousParameter, Query};
use proptest::prelude::*;

fn get(query: &str, name: &str) -> Result<Option<String>, AmbiguousParameter> {
    Query::new(Some(query)).get(name)
}

#[test]
fn a_parameter_that_can_be_read_in_one_way_is_read() {
    for (query, expected) in [
        ("", None),
        ("&&", None),
        ("a=1", None),
        ("orga=1&xorg=2", None),
        ("org", Some("")),
        ("org=", Some("")),
        ("a=1&org=x&b", Some("x")),
        ("org=a=b", Some("a=b")),
        ("org=a%26b%3Dc%2B%20d", Some("a&b=c+ d")),
        ("org=%C3%A9", Some("é")),
        ("%6Frg=x", Some("x")),
        ("org=x&a=1;2&b=1+2&c=%zz&d=1&d=2", Some("x")),
        ("org=%2578", Some("%78")),
        ("org=x&a=%u006f&b=%ff&%C3%B6=1&100%25=2&%5Ba%5D=3&+=4", Some("x")),
    ] {
        assert_eq!(get(query, "org"), Ok(expected.map(str::to_owned)), "{query}");
    }
    assert_eq!(Query::new(None).get("org"), Ok(None));
    assert_eq!(get("a.b=1", "a.b"), Ok(Some("1".to_owned())));
}

#[test]
fn a_parameter_that_servers_read_in_two_ways_is_not_read() {
    for query in [
        "org=x&org=y",
        "org=x&org=x",
        "org&org=x",
        "org=x&Org=y",
        "ORG=x",
        "org=x&org[]=y",
        "org[]=x",
        "org[a]=x",
        "org%5B0%5D=x",
        "org=x&+org=y",
        "org%20=x",
        "org%00=x",
        "org%00x=x",
        "a=1;org=x",
        "org=x;a=1",
        "org=x;",
        "org=a+b",
        "org=%",
        "org=%4",
        "org=%zz",
        "org=%00",
        "org=%ff",
        "org=x&%6frg=y",
        // Names of other parameters that are `org` to some server.
        "org=x&%u006frg=y",
        "org=x&%U006Frg=y",
        "%u006frg=y",
        "org=x&a=1;%u006frg=y",
        "org=x&%c1%afrg=y",
        "org=x&%256frg=y",
        "org=x&%25u006frg=y",
        "org=x&%zz=y",
        "org=x&%=y",
        "org=x&%ff=y",
    ] {
        assert_eq!(get(query, "org"), Err(AmbiguousParameter), "{query}");
    }
    assert_eq!(get("a=1", "a[]"), Err(AmbiguousParameter), "a name that some server reads more into");
    // PHP maps these to one name.
    assert_eq!(get("a_b=1&a.b=2", "a.b"), Err(AmbiguousParameter));
    assert_eq!(get("a_b=1", "a.b"), Err(AmbiguousParameter));
}

#[test]
fn all_parameters_are_read_or_none() {
    let all = |query| Query::new(Some(query)).all();
    let pairs = |list: &[(&str, &str)]| {
        Ok(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    };
    assert_eq!(all(""), pairs(&[]));
    assert_eq!(all("a=1&&b&c=%20"), pairs(&[("a", "1"), ("b", ""), ("c", " ")]));
    for query in ["a=1&a=2", "a=1&A=2", "a.b=1&a_b=2", "a=1&b=x;y", "a=1&b=+", "a=%zz", "a&a[]", "a[b]=1", "%C3%A9=1"] {
        assert_eq!(all(query), Err(AmbiguousParameter), "{query}");
    }
}

proptest! {
    /// Checks that reading single parameters and reading all of them agree.
    #[test]
    fn the_two_ways_to_read_agree(query in "([abA._%;+=&\\[]|%61|%5B){0,24}") {
        if let Ok(all) = Query::new(Some(&query)).all() {
            for (name, value) in all {
                prop_assert_eq!(get(&query, &name), Ok(Some(value)), "{}", name);
            }
        }
    }
}

#[test]
fn a_name_is_found_however_a_server_may_spell_it() {
    let found = |query: &str| Query::new(Some(query)).may_name(|name| name.eq_ignore_ascii_case("customer"));
    for named in [
        "customer=victim",
        "customer",
        "customer=",
        "a=1&Customer=victim",
        "a=1;customer=victim",
        "customer[]=victim",
        "customer%5Bid%5D=victim",
        "%63ustomer=victim",
        "+customer=victim",
        "customer%00x=victim",
        "a=1&%u0063ustomer=victim",
        "%2563ustomer=victim",
        "a%ff=1",
    ] {
        assert!(found(named), "{named}");
    }
    for other in ["", "a=customer", "customers=1", "a=1&b=2", "customer.id=1", "x[customer]=1", "%C3%B6=1"] {
        assert!(!found(other), "{other}");
    }
    assert!(!Query::new(None).may_name(|_| true));
}
