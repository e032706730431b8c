//! YAML scalars for Envoy, which parses a plain number or word as what it looks like.

use crate::yaml;
use std::net::Ipv4Addr;

/// Formats a host: an IPv4 address plain, any other text quoted if it is ambiguous.
pub(super) fn host(text: &str) -> String {
    if text.parse::<Ipv4Addr>().is_ok() { text.to_owned() } else { yaml::scalar(text) }
}
