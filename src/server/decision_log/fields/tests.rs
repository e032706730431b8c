//! Tests of the fields.

use super::{MAX_LOGGED_BYTES, client, cut, masked, network, path_of, readable, request_id, trace_id};
use modgud_core::http::client::ClientSource;
use modgud_core::http::request::{Field, Headers};

#[test]
fn a_long_path_is_cut_and_marked() {
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    assert_eq!(cut(&path(MAX_LOGGED_BYTES)), path(MAX_LOGGED_BYTES));
    assert_eq!(cut(&path(MAX_LOGGED_BYTES + 1)), format!("{}…", path(MAX_LOGGED_BYTES)));
    assert_eq!(cut(&path(8_000)), format!("{}…", path(MAX_LOGGED_BYTES)));
    // Not within a letter.
    let letters = format!("{}é{}", path(MAX_LOGGED_BYTES - 1), path(9));
    assert_eq!(cut(&letters), format!("{}…", path(MAX_LOGGED_BYTES - 1)));
}

#[test]
fn unread_bytes_are_escaped_and_bounded() {
    assert_eq!(readable(b"api.example.com:8443"), "api.example.com:8443");
    assert_eq!(readable(b"a\r\nb \xff"), "a\\r\\nb \\xff");
    assert_eq!(readable("é".as_bytes()), "\\xc3\\xa9");
    for byte in [b'a', b'\n', 0xff] {
        let text = readable(&[byte; 10_000]).into_owned();
        assert!(text.len() <= MAX_LOGGED_BYTES + "…".len() && text.ends_with('…'), "{text}");
    }
}

#[test]
fn an_unread_target_is_shown_without_what_may_hold_a_credential() {
    for (target, shown) in [
        ("/a/b?token=secret", "/a/b"),
        ("/a;jsessionid=secret", "/a"),
        ("/a%3Bjsessionid=secret", "/a"),
        ("/a%3ftoken=secret", "/a"),
        ("/a#token=secret", "/a"),
        ("/a%23token=secret", "/a"),
        ("/a/../b%2", "/a/../b%2"),
        ("https://user:secret@host/a", ""),
        ("*", ""),
        ("", ""),
    ] {
        assert_eq!(path_of(target.as_bytes()), shown.as_bytes(), "{target}");
    }
}

#[test]
fn a_masked_client_is_a_network_and_a_masked_subject_a_hash() {
    for (address, expected) in
        [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:1:2:3::4", "2001:db8:1::/48"), ("::1", "::/48")]
    {
        assert_eq!(network(address.parse().unwrap()), expected);
    }
    assert_eq!(masked("ada@example.com"), masked("ada@example.com"));
    assert_ne!(masked("ada@example.com"), masked("bob@example.com"));
    assert_eq!(masked("").len(), 16);
}

#[test]
fn the_logged_address_is_the_believed_one() {
    let external =
        |value: &'static str| Headers::new(vec![Field { name: b"x-envoy-external-address", value: value.as_bytes() }]);
    let (forged, good) = (external("10.0.0.7, 10.0.0.8"), external("203.0.113.77"));
    for (source, connection, headers, plain, masked) in [
        (ClientSource::Peer, Some("::ffff:192.0.2.1"), Some(&good), Some("192.0.2.1"), Some("192.0.2.0/24")),
        (ClientSource::Peer, Some("/run/a\nb"), None, Some("/run/a\\nb"), Some("***")),
        (ClientSource::Peer, None, Some(&good), None, None),
        (ClientSource::External, Some("192.0.2.1"), Some(&good), Some("203.0.113.77"), Some("203.0.113.0/24")),
        (ClientSource::External, Some("192.0.2.1"), Some(&forged), None, None),
        (ClientSource::External, Some("192.0.2.1"), None, None, None),
    ] {
        let logged = |masks| client(source, connection.map(str::as_bytes), headers, masks);
        assert_eq!(logged(false).as_deref(), plain, "{source:?} {connection:?}");
        assert_eq!(logged(true).as_deref(), masked, "{source:?} {connection:?}");
    }
}

#[test]
fn ids_are_taken_only_if_they_look_like_one() {
    let headers =
        |name: &'static [u8], value: &'static str| Headers::new(vec![Field { name, value: value.as_bytes() }]);
    let trace = |value| trace_id(&headers(b"traceparent", value));
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(id));
    for bad in [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
    ] {
        assert_eq!(trace(bad), None, "{bad}");
    }
    assert_eq!(request_id(&headers(b"X-Request-Id", "a-b_1")), Some("a-b_1"));
    assert_eq!(request_id(&headers(b"x-request-id", "a b")), None);
}
