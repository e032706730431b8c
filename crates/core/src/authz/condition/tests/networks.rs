//! Addresses and networks in expressions, the client's address, and the size of the body. The results are those of Kubernetes' libraries.

use super::{CallerPresence, Env, EvaluationError, Expression, Inputs};
use crate::authz::condition::never_equal;
use crate::http::client::ClientSource;
use crate::http::request::{Body, Field, Headers, Peer, Request};
use crate::time::Timestamp;
use serde_json::{Value, json};

/// A request, as far as these tests differ.
#[derive(Clone, Copy, Default)]
struct Sent {
    connection: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
    source: ClientSource,
    body: Option<Body<'static>>,
}

fn compile(text: &str) -> Result<Expression, String> {
    let env = Env::Rule { callers: CallerPresence::Never, patterns: &[] };
    Expression::compile(text, &env)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn evaluate(text: &str, sent: Sent) -> Result<Value, EvaluationError> {
    let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let field = |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(sent.headers.iter().map(field).collect());
    let mut request = Request::parse(b"POST", b"/", b"api.example.com", headers).unwrap();
    request.peer = Peer { address: sent.connection.map(str::as_bytes), ..Peer::default() };
    request.client_source = sent.source;
    request.body = sent.body.unwrap_or_default();
    expression.evaluate(&Inputs {
        request: &request,
        pattern: None,
        rule: None,
        principal: None,
        now: Timestamp::EPOCH,
    })
}

#[test]
fn functions_of_addresses_and_networks_have_kubernetes_results() {
    for (text, expected) in [
        ("string(ip('192.168.0.1'))", json!("192.168.0.1")),
        ("string(ip('2001:DB8::0:ABCD'))", json!("2001:db8::abcd")),
        ("ip('::1') == ip('0:0:0:0:0:0:0:1')", json!(true)),
        ("ip('::1') == ip('::2')", json!(false)),
        ("ip('0.0.0.1') == ip('::1')", json!(false)),
        ("isIP('127.0.0.1') && isIP('::1')", json!(true)),
        ("isIP('127.0.0.256') || isIP(':::1') || isIP('010.0.0.1') || isIP('') || isIP('10.0.0.0/8')", json!(false)),
        ("isIP('::ffff:1.2.3.4') || isIP('fe80::1%eth0') || isIP('[::1]') || isIP(' ::1')", json!(false)),
        ("ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd')", json!(true)),
        ("ip.isCanonical('2001:DB8::ABCD') || ip.isCanonical('2001:db8::0:0:0:abcd')", json!(false)),
        ("ip('127.0.0.1').family()", json!(4)),
        ("ip('::1').family()", json!(6)),
        ("ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified()", json!(true)),
        ("ip('127.0.0.1').isUnspecified() || ip('::1').isUnspecified()", json!(false)),
        ("ip('127.8.0.1').isLoopback() && ip('::1').isLoopback()", json!(true)),
        ("ip('192.168.0.1').isLoopback() || ip('2001:db8::abcd').isLoopback()", json!(false)),
        ("ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()", json!(true)),
        ("ip('ff12::1').isLinkLocalMulticast()", json!(true)),
        ("ip('224.0.1.1').isLinkLocalMulticast() || ip('ff01::1').isLinkLocalMulticast()", json!(false)),
        ("ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast()", json!(true)),
        ("ip('192.168.0.1').isLinkLocalUnicast() || ip('fd80::1').isLinkLocalUnicast()", json!(false)),
        ("ip('192.168.0.1').isGlobalUnicast() && ip('2001:db8::abcd').isGlobalUnicast()", json!(true)),
        ("ip('255.255.255.255').isGlobalUnicast() || ip('ff00::1').isGlobalUnicast()", json!(false)),
        ("ip('0.0.0.0').isGlobalUnicast() || ip('::').isGlobalUnicast() || ip('::1').isGlobalUnicast()", json!(false)),
        ("ip('fe80::1').isGlobalUnicast() || ip('127.0.0.1').isGlobalUnicast()", json!(false)),
        ("isCIDR('192.168.0.0/16') && isCIDR('::1/128') && isCIDR('192.168.0.1/16')", json!(true)),
        (
            "isCIDR('192.168.0.0/33') || isCIDR('::1/129') || isCIDR('192.168.0.0') || isCIDR('10.0.0.0/08')",
            json!(false),
        ),
        ("isCIDR('::ffff:1.2.3.4/104') || isCIDR('010.0.0.0/8') || isCIDR('10.0.0.0/255.0.0.0')", json!(false)),
        ("cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))", json!(true)),
        ("cidr('192.168.0.0/24').containsIP('192.168.0.1')", json!(true)),
        ("cidr('192.168.0.0/24').containsIP('192.168.1.1')", json!(false)),
        ("cidr('::/0').containsIP('192.168.1.1')", json!(false)),
        ("cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))", json!(true)),
        ("cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')", json!(true)),
        ("cidr('192.168.1.0/24').containsCIDR('192.168.2.0/24')", json!(false)),
        ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/16')", json!(false)),
        ("string(cidr('192.168.0.1/24').ip())", json!("192.168.0.1")),
        ("cidr('::1/128').ip().family()", json!(6)),
        ("string(cidr('192.168.0.1/24').masked())", json!("192.168.0.0/24")),
        ("cidr('192.168.0.0/24') == cidr('192.168.0.0/24').masked()", json!(true)),
        ("cidr('192.168.0.1/24') == cidr('192.168.0.1/24').masked()", json!(false)),
        ("cidr('192.168.0.0/16').prefixLength() + cidr('::1/128').prefixLength()", json!(144)),
        ("['10.0.0.0/8', '2001:db8::/32'].exists(n, cidr(n).containsIP('2001:db8::7'))", json!(true)),
        // A loop's variable of that name is no namespace.
        ("[ip('10.0.0.1')].all(ip, ip.family() == 4)", json!(true)),
    ] {
        assert_eq!(evaluate(text, Sent::default()), Ok(expected), "{text}");
    }
}

#[test]
fn wrong_texts_and_types_fail_and_allow_nothing() {
    const HEADERS: &[(&str, &str)] = &[("x-ip", "10.0.0.999"), ("x-good", "10.0.0.1"), ("x-mapped", "::ffff:10.0.0.1")];
    let sent = Sent { headers: HEADERS, ..Sent::default() };
    for (text, expected) in [
        ("ip(request.headers['x-ip']) == ip('10.0.0.1')", EvaluationError::Conversion("ip".into())),
        ("ip(request.headers['x-mapped']).family() == 4", EvaluationError::Conversion("ip".into())),
        ("cidr('10.0.0.0/8').containsIP(request.headers['x-ip'])", EvaluationError::Conversion("ip".into())),
        ("cidr('10.0.0.0/8').containsIP(request.headers['x-mapped'])", EvaluationError::Conversion("ip".into())),
        ("cidr('10.0.0.0/8').containsCIDR(request.headers['x-ip'])", EvaluationError::Conversion("cidr".into())),
        ("cidr(request.headers['x-ip']).containsIP('10.0.0.1')", EvaluationError::Conversion("cidr".into())),
        ("request.headers['x-good'].containsIP('10.0.0.1')", EvaluationError::Types("containsIP".into())),
        ("request.headers['x-good'].family() == 4", EvaluationError::Types("family".into())),
    ] {
        assert_eq!(evaluate(text, sent), Err(expected), "{text}");
    }
    // An address is no text: the two are never equal.
    assert_eq!(evaluate("ip(request.headers['x-good']) == request.headers['x-good']", sent), Ok(json!(false)));
    assert_eq!(evaluate("ip(request.headers['x-good'])", sent), Err(EvaluationError::Result), "it is no JSON");
}

#[test]
fn the_clients_address_is_the_believed_one_or_missing() {
    const NETWORK: &str = "cidr('10.0.0.0/8').containsIP(source.address)";
    const TWO: &[(&str, &str)] = &[("x-envoy-external-address", "10.0.0.1"), ("x-envoy-external-address", "10.0.0.1")];
    let peer = |address| Sent { connection: Some(address), ..Sent::default() };
    let external = |headers| Sent { connection: Some("10.0.0.9"), headers, source: ClientSource::External, body: None };
    let missing = || Err(EvaluationError::Missing("address".into()));
    for (sent, expected) in [
        (peer("10.0.0.1"), Ok(json!(true))),
        (peer("::ffff:10.0.0.1"), Ok(json!(true))),
        (peer("192.0.2.1"), Ok(json!(false))),
        (peer("2001:db8::1"), Ok(json!(false))),
        (peer("010.0.0.1"), missing()),
        (peer("10.0.0.1:80"), missing()),
        (Sent::default(), missing()),
        (external(&[("x-envoy-external-address", "10.0.0.1")]), Ok(json!(true))),
        (external(&[("x-envoy-external-address", "192.0.2.1")]), Ok(json!(false))),
        (external(&[("x-forwarded-for", "10.0.0.1")]), missing()),
        (external(TWO), missing()),
        (external(&[]), missing()),
    ] {
        assert_eq!(evaluate(NETWORK, sent), expected);
        assert_eq!(evaluate("has(source.address)", sent), Ok(json!(expected.is_ok())));
    }
    assert_eq!(evaluate("source.address", peer("2001:DB8:0::1")), Ok(json!("2001:db8::1")));
    assert_eq!(evaluate("source", peer("::ffff:10.0.0.1")), Ok(json!({"address": "10.0.0.1"})));
}

#[test]
fn the_size_is_that_of_the_whole_body_or_what_the_client_is_held_to() {
    const SMALL: &str = "request.size <= 10";
    let headers = |headers| Sent { headers, ..Sent::default() };
    let missing = || Err(EvaluationError::Missing("size".into()));
    for (sent, expected) in [
        (headers(&[("content-length", "10")]), Ok(json!(true))),
        (headers(&[("Content-Length", "11")]), Ok(json!(false))),
        (headers(&[("content-length", "0")]), Ok(json!(true))),
        (headers(&[]), missing()),
        (headers(&[("transfer-encoding", "chunked")]), missing()),
        (headers(&[("content-length", "5"), ("content-length", "5")]), missing()),
        (headers(&[("content-length", "5"), ("content_length", "5")]), missing()),
        (headers(&[("content-length", "5, 5")]), missing()),
        (headers(&[("content-length", "-1")]), missing()),
        (headers(&[("content-length", "+5")]), missing()),
        (headers(&[("content-length", " 5")]), missing()),
        (headers(&[("content-length", "")]), missing()),
        (headers(&[("content-length", "5.0")]), missing()),
        (headers(&[("content-length", "18446744073709551616")]), missing()),
        (headers(&[("content-length", "18446744073709551615")]), missing()),
        (Sent { body: Some(Body::Whole(b"12345678901")), ..headers(&[("content-length", "1")]) }, Ok(json!(false))),
        (Sent { body: Some(Body::Whole(b"1")), ..headers(&[]) }, Ok(json!(true))),
        (Sent { body: Some(Body::Partial), ..headers(&[]) }, missing()),
        (Sent { body: Some(Body::Text(b"1")), ..headers(&[]) }, missing()),
    ] {
        assert_eq!(evaluate(SMALL, sent), expected, "{:?} {:?}", sent.headers, sent.body);
    }
}

#[test]
fn wrong_expressions_are_refused_at_load() {
    for (text, expected) in [
        (
            "cidr('10.0.0.0/33').containsIP(source.address)",
            "`cidr`, at character 5, always fails: `10.0.0.0/33` is not a network; write one such as `10.0.0.0/8` or `2001:db8::/32`",
        ),
        (
            "cidr('10.0.0.0').containsIP(source.address)",
            "`cidr`, at character 5, always fails: `10.0.0.0` is not a network; write one such as `10.0.0.0/8` or `2001:db8::/32`",
        ),
        (
            "ip(source.address) == ip('10.0.0.01')",
            "`ip`, at character 25, always fails: `10.0.0.01` is not an IP address; write one such as `10.0.0.7` or `2001:db8::1`",
        ),
        (
            "cidr('10.0.0.0/8').containsIP('10.0.0')",
            "`containsIP`, at character 30, always fails: `10.0.0` is not an IP address; write one such as `10.0.0.7` or `2001:db8::1`",
        ),
        ("source.adress == '10.0.0.1'", "`source` has no `adress` (character 7); use one of `address`"),
        ("source.address.x == 1", "the value before `.x`, at character 15, has no members"),
        ("ip.family()", "`ip`, at character 1, is not a variable"),
        ("cidr('10.0.0.0/8', 1) == 1", "`cidr`, at character 5, is called in another way; write `cidr('10.0.0.0/8')`"),
        ("source.address.containsIP()", "write `cidr('10.0.0.0/8').containsIP(source.address)`"),
    ] {
        let error = compile(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let condition =
        |text| super::Condition::compile(text, &Env::Rule { callers: CallerPresence::Never, patterns: &[] });
    for text in
        ["cidr('10.0.0.0/8')", "ip(source.address)", "source.address", "cidr('10.0.0.0/8').prefixLength()", "source"]
    {
        assert!(matches!(condition(text).unwrap_err()[..], [super::ExpressionError::NeverBool(_)]), "{text}");
    }
}

#[test]
fn comparisons_with_another_form_are_never_equal() {
    for (text, why) in [
        ("source.address == '10.0.0.0/8'", Some("write `cidr('10.0.0.0/8').containsIP(source.address)`")),
        ("source.address in ['10.0.0.1', '::ffff:10.0.0.2']", Some("shortest form; write `10.0.0.2`")),
        ("source.address == '2001:DB8::1'", Some("write `2001:db8::1`")),
        ("source.address == '10.0.0'", Some("write one such as `10.0.0.7`")),
        ("source.address == 10", Some("it is a text")),
        ("request.size < '10'", Some("it is a number; write `10`")),
        ("source.address == '10.0.0.1'", None),
        ("source.address.startsWith('10.')", None),
    ] {
        let found = never_equal(text);
        match why {
            None => assert!(found.is_empty(), "{text}: {found:?}"),
            Some(why) => assert!(found.iter().any(|one| one.to_string().contains(why)), "{text}: {found:?}"),
        }
    }
}
