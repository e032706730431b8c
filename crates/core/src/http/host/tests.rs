//! Spellings of one host, and rejected ones.

use super::{Host, HostError};
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;

#[test]
fn spellings_of_one_host_are_equal() {
    let table: &[(&str, &[&str])] = &[
        (
            "api.example.com",
            &[
                "api.example.com",
                "API.Example.COM",
                "api.example.com.",
                "api.example.com:443",
                "Api.example.com.:8080",
                "api.example.com:65535",
            ],
        ),
        ("localhost", &["localhost", "LOCALHOST.", "localhost:0"]),
        ("my_service-1", &["my_service-1", "MY_Service-1:80"]),
        ("10.0.0.1", &["10.0.0.1", "10.0.0.1.", "10.0.0.1:9191"]),
        ("1.example", &["1.example", "1.EXAMPLE"]),
        ("0xcafe.example", &["0xcafe.example"]),
        ("[::1]", &["[::1]", "[0:0:0:0:0:0:0:1]", "[::0001]:443"]),
        ("[2001:db8::a]", &["[2001:DB8::A]", "[2001:db8:0:0::a]", "[2001:0db8::000a]:1"]),
    ];
    for (name, spellings) in table {
        let host = Host(Some(Cow::Borrowed(*name)));
        for spelling in *spellings {
            assert_eq!(Host::parse(spelling.as_bytes()), Ok(host.clone()), "{spelling}");
        }
    }
}

#[test]
fn no_host_is_a_state_of_its_own() {
    let none = Host::parse(b"").unwrap();
    assert_eq!(none.name(), None);
    assert_ne!(Some(none), Host::parse(b"localhost").ok());
}

#[test]
fn a_host_in_its_one_spelling_is_borrowed() {
    let Host(name) = Host::parse(b"api.example.com.:443").unwrap();
    assert!(matches!(name, Some(Cow::Borrowed("api.example.com"))));
}

#[test]
fn ambiguous_hosts_are_refused() {
    let table: &[(&[u8], HostError)] = &[
        (b"user@example.com", HostError::UserInfo(4)),
        (b"user:pass@example.com", HostError::UserInfo(9)),
        (b"a.example,b.example", HostError::List(9)),
        (b" example.com", HostError::IllegalByte(0)),
        (b"example.com ", HostError::IllegalByte(11)),
        (b"example.com/", HostError::IllegalByte(11)),
        (b"example.com?", HostError::IllegalByte(11)),
        (b"example.com#", HostError::IllegalByte(11)),
        (b"example.com\\", HostError::IllegalByte(11)),
        (b"example%2ecom", HostError::IllegalByte(7)),
        (b"[fe80::1%25eth0]", HostError::IllegalByte(8)),
        (b"ex\xc3\xa4mple.com", HostError::IllegalByte(2)),
        (b"example.com\0", HostError::IllegalByte(11)),
        (b"example.com\r\n", HostError::IllegalByte(11)),
        (b"example.com\x7f", HostError::IllegalByte(11)),
        (b"*.example.com", HostError::IllegalByte(0)),
        (b"example.com:", HostError::Port),
        (b"example.com:x", HostError::Port),
        (b"example.com:+80", HostError::IllegalByte(12)),
        (b"example.com:-80", HostError::Port),
        (b"example.com:65536", HostError::Port),
        (b"example.com:000080", HostError::Port),
        (b"example.com:80:80", HostError::Port),
        (b"example.com:80.", HostError::Port),
        (b"::1", HostError::Port),
        (b"[::1]:", HostError::Port),
        (b".", HostError::EmptyLabel),
        (b":443", HostError::EmptyLabel),
        (b".example.com", HostError::EmptyLabel),
        (b"example..com", HostError::EmptyLabel),
        (b"example.com..", HostError::EmptyLabel),
        (b"10.0.1", HostError::Ipv4),
        (b"167772161", HostError::Ipv4),
        (b"010.0.0.1", HostError::Ipv4),
        (b"10.0.0.256", HostError::Ipv4),
        (b"10.0.0.1.1", HostError::Ipv4),
        (b"0x0a.0.0.0x1", HostError::Ipv4),
        (b"0X0A000001", HostError::Ipv4),
        (b"example.1.", HostError::Ipv4),
        (b"example.0x", HostError::Ipv4),
        (b"[]", HostError::Ipv6),
        (b"[::1", HostError::Ipv6),
        (b"::1]", HostError::Port),
        (b"[::1]]", HostError::Ipv6),
        (b"[::1].", HostError::Ipv6),
        (b"[::1]443", HostError::Ipv6),
        (b"[10.0.0.1]", HostError::Ipv6),
        (b"[v1.x]", HostError::Ipv6),
        (b"[example.com]", HostError::Ipv6),
        (b"a[::1]", HostError::Port),
        (b"a]", HostError::Ipv6),
    ];
    for (raw, error) in table {
        assert_eq!(Host::parse(raw), Err(*error), "{}", raw.escape_ascii());
    }
}

#[test]
fn lengths_are_bounded() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{label}");
    assert_eq!(longest.len(), 255);
    assert_eq!(Host::parse(longest.as_bytes()).unwrap().name(), Some(longest.as_str()));
    assert_eq!(Host::parse(format!("{longest}.").as_bytes()), Err(HostError::TooLong));
    assert_eq!(Host::parse(format!("{label}a.example").as_bytes()), Err(HostError::LabelTooLong));
}

#[test]
fn messages_are_unique() {
    let all = [
        HostError::TooLong,
        HostError::UserInfo(7),
        HostError::List(7),
        HostError::IllegalByte(7),
        HostError::Port,
        HostError::EmptyLabel,
        HostError::LabelTooLong,
        HostError::Ipv4,
        HostError::Ipv6,
    ];
    let numbers: HashSet<_> = all.into_iter().map(number).collect();
    let messages: HashSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((numbers.len(), messages.len()), (9, 9));
}

/// Returns a number for each variant. A new one does not compile until it has a number, and thus an entry in the list above.
const fn number(error: HostError) -> u8 {
    match error {
        HostError::TooLong => 1,
        HostError::UserInfo(_) => 2,
        HostError::List(_) => 3,
        HostError::IllegalByte(_) => 4,
        HostError::Port => 5,
        HostError::EmptyLabel => 6,
        HostError::LabelTooLong => 7,
        HostError::Ipv4 => 8,
        HostError::Ipv6 => 9,
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = Host::parse(&raw);
    }

    #[test]
    fn case_port_and_trailing_dot_make_no_other_host(name in "[a-z_-]{1,8}(\\.[a-z][a-z0-9]{0,5}){0,3}", port: u16) {
        let plain = Host::parse(name.as_bytes()).unwrap();
        prop_assert_eq!(plain.name(), Some(name.as_str()));
        let shouted = format!("{}.:{port}", name.to_uppercase());
        prop_assert_eq!(Host::parse(shouted.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn the_one_spelling_reads_as_itself(raw in "[a-zA-Z0-9.:\\[\\]x]{1,16}") {
        if let Ok(host) = Host::parse(raw.as_bytes()) {
            let name = host.name().unwrap();
            prop_assert_eq!(Host::parse(name.as_bytes()).unwrap(), host.clone());
        }
    }

    #[test]
    fn every_spelling_of_an_ipv6_address_is_one_host(address: std::net::Ipv6Addr) {
        let groups = address.segments().map(|group| format!("{group:04X}")).join(":");
        let long = Host::parse(format!("[{groups}]:443").as_bytes()).unwrap().name().map(str::to_owned);
        prop_assert_eq!(long, Some(format!("[{address}]")));
    }
}
