//! The address of another service, as operators write it: a host and a port.

use modgud_core::http::host::Host;
use std::fmt;
use std::str::FromStr;

/// A host and a port, such as `crm:8080`, `10.0.0.7:80` or `[::1]:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host in canonical form; an IPv6 address has no brackets.
    host: Box<str>,
    port: u16,
}

/// An error of parsing a [`HostPort`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host and a port from 1 to 65535, such as `crm:8080` or `[::1]:8080`, without `http://` and without a path"
)]
pub struct EndpointError;

impl HostPort {
    /// Returns the name or the address; an IPv6 address has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, which is not 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (_, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port > 0).ok_or(EndpointError)?;
        let host = Host::parse(text.as_bytes()).map_err(|_| EndpointError)?;
        let host = host.name().ok_or(EndpointError)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::{EndpointError, HostPort};

    #[test]
    fn endpoints_have_one_spelling() {
        for (text, host, port, shown) in [
            ("crm:8080", "crm", 8080, "crm:8080"),
            ("CRM.Example.com.:1", "crm.example.com", 1, "crm.example.com:1"),
            ("my_service:65535", "my_service", 65535, "my_service:65535"),
            ("127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80"),
            ("[0:0::1]:80", "::1", 80, "[::1]:80"),
        ] {
            let read: HostPort = text.parse().unwrap();
            assert_eq!((read.host(), read.port(), read.to_string()), (host, port, shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            ":",
            "crm",
            "crm:",
            ":8080",
            "crm:0",
            "crm:65536",
            "crm:+80",
            "crm:080808",
            "http://crm:8080",
            "crm:8080/",
            "[::1]",
            "::1:80",
            "crm 1:80",
            "a@crm:80",
            "crm:80:80",
            "1.2.3:80",
            "unix:/run/crm.sock",
        ] {
            assert_eq!(text.parse::<HostPort>(), Err(EndpointError), "{text}");
        }
    }
}
