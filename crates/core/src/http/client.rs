//! The client's address, as far as it is believed: that of the connection, or that of a header which Envoy overwrites.

use super::request::{HeaderLookup, Headers};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// The header in which Envoy reports the address of an external client.
pub const EXTERNAL_ADDRESS: &str = "x-envoy-external-address";

// Never `x-forwarded-for`: clients write its first entries.
/// The source of a client's address.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientSource {
    /// The address of the connection to Envoy (`source.address` of the check). Behind a load balancer that is the load balancer's.
    #[default]
    Peer,
    /// `x-envoy-external-address`, which Envoy overwrites with `use_remote_address: true`. The address is unknown unless the header occurs
    /// once, with one IP address. Only for an Envoy that is configured as `docs/clients.md` says: clients can write the header otherwise.
    External,
}

impl ClientSource {
    /// Returns the name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::External => "external",
        }
    }

    /// Returns the client's address. `connection` is the address of the connection, as Envoy reports it. `None` if it is unknown: there is
    /// none, or the text is not exactly one IP address.
    #[must_use]
    pub fn address(self, connection: Option<&[u8]>, headers: &Headers<'_>) -> Option<IpAddr> {
        match self {
            Self::Peer => parse(connection?),
            // `sole`, and not `get`: a header of another spelling is the client's, and some proxy may have taken it for this one.
            Self::External => match headers.sole(EXTERNAL_ADDRESS) {
                HeaderLookup::One(value) => parse(value),
                HeaderLookup::Absent | HeaderLookup::Repeated => None,
            },
        }
    }
}

/// Parses an address: no port, no zone, no leading zeros, no white space. IPv4 in IPv6 becomes IPv4, since a socket for both families reports
/// IPv4 clients so.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::{ClientSource, EXTERNAL_ADDRESS};
    use crate::http::request::{Field, Headers};

    fn external(fields: &[(&str, &str)]) -> Option<String> {
        let fields = fields.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
        let found = ClientSource::External.address(Some(b"192.0.2.1"), &Headers::new(fields.collect()));
        found.map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_one_exact_ip_address_or_unknown() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", Some("2001:db8::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("::FFFF:0a00:0001", Some("10.0.0.1")),
            ("::10.0.0.1", Some("::a00:1")),
            ("64:ff9b::10.0.0.1", Some("64:ff9b::a00:1")),
            ("", None),
            (" 10.0.0.1", None),
            ("10.0.0.1 ", None),
            ("10.0.0.1,10.0.0.2", None),
            ("10.0.0.1, 192.0.2.1", None),
            ("010.0.0.1", None),
            ("10.0.0.01", None),
            ("::ffff:010.0.0.1", None),
            ("0x0a.0.0.1", None),
            ("167772161", None),
            ("10.1", None),
            ("10.0.0.1:80", None),
            ("[::1]", None),
            ("[::1]:80", None),
            ("fe80::1%eth0", None),
            ("fe80::1%25eth0", None),
            ("10.0.0.0/8", None),
            ("unknown", None),
            ("/run/envoy.sock", None),
            ("10.0.0.1\0", None),
            ("１０.0.0.1", None),
        ] {
            let none = Headers::default();
            let of_peer = ClientSource::Peer.address(Some(text.as_bytes()), &none).map(|address| address.to_string());
            assert_eq!(of_peer.as_deref(), expected, "{text:?} of the connection");
            assert_eq!(external(&[(EXTERNAL_ADDRESS, text)]).as_deref(), expected, "{text:?} of the header");
        }
        assert_eq!(ClientSource::Peer.address(None, &Headers::default()), None, "a pipe has none");
        assert_eq!(ClientSource::Peer.address(Some(b"\xff"), &Headers::default()), None);
    }

    #[test]
    fn the_header_counts_once_and_in_its_own_spelling() {
        for (fields, expected) in [
            (&[][..], None),
            (&[("X-Envoy-External-Address", "10.0.0.1")][..], Some("10.0.0.1")),
            (&[(EXTERNAL_ADDRESS, "10.0.0.1"), (EXTERNAL_ADDRESS, "10.0.0.1")], None),
            (&[(EXTERNAL_ADDRESS, "10.0.0.1"), ("X-ENVOY-EXTERNAL-ADDRESS", "192.0.2.1")], None),
            (&[(EXTERNAL_ADDRESS, "10.0.0.1"), ("x_envoy_external_address", "192.0.2.1")], None),
            (&[("x_envoy_external_address", "10.0.0.1")], None),
            (&[("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1")], None),
        ] {
            assert_eq!(external(fields).as_deref(), expected, "{fields:?}");
        }
    }
}
