//! `server.admin` as written.

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The listeners for operators.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Admin {
    /// The address of probes and metrics: an IP address and a port.
    Address(String),
    /// The addresses of probes and metrics, and of the page.
    Listeners(AdminListeners),
}

/// The addresses of probes and metrics, and of the page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AdminListeners {
    /// The address of `/livez`, `/readyz`, `/metrics` and `/version`: an IP address and a port. Default: `127.0.0.1:9192`. A change
    /// requires a restart.
    pub(in crate::config) listen: Option<String>,
    /// The address of the page with recent decisions: an IP address of this machine and a port, or a socket, such as
    /// `unix:/run/modgud/page.sock`. `socket` restricts the access to its file. The page has no login: another address is an error.
    /// Default: none. A change requires a restart.
    #[schemars(example = &"127.0.0.1:9194")]
    pub(in crate::config) ui: Option<String>,
}

/// Unlike the derived one of an untagged enum, its errors name the wrong key.
impl<'de> Deserialize<'de> for Admin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AdminVisitor)
    }
}

struct AdminVisitor;

impl<'de> Visitor<'de> for AdminVisitor {
    type Value = Admin;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, such as `127.0.0.1:9192`, or a map with `listen` and `ui`")
    }

    fn visit_str<E: de::Error>(self, address: &str) -> Result<Admin, E> {
        Ok(Admin::Address(address.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Admin, A::Error> {
        AdminListeners::deserialize(MapAccessDeserializer::new(map)).map(Admin::Listeners)
    }
}
