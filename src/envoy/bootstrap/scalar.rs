//! Texts as YAML that Envoy reads: it takes a plain number or word for what it looks like.

use crate::yaml;
use std::net::Ipv4Addr;

/// A host: an IPv4 address stands as it is, and every other text in quotes where it could be taken for something else.
pub(super) fn host(text: &str) -> String {
    if text.parse::<Ipv4Addr>().is_ok() { text.to_owned() } else { yaml::scalar(text) }
}
