//! The statistics of Envoy's HTTP listeners: how many clients are connected.
//!
//! `http.PREFIX.downstream_cx_active` is the number of open connections of one HTTP connection manager, for all versions of HTTP. It
//! is read by prefix, because probes, scrapes and requests to the admin interface are connections of other managers in the same Envoy.

use crate::cli::counted;

/// The path and query: `downstream_cx_active` and `downstream_rq_active` of each HTTP connection manager.
pub(super) const TARGET: &str = "/stats?filter=%5Ehttp%5C..%2B%5C.downstream_(cx%7Crq)_active%24";

/// The prefix of the admin interface, which counts the connection of this request too.
const ADMIN: &str = "admin";
/// Number of prefixes that an error names.
const NAMED: usize = 8;

/// The clients of an Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clients {
    /// Open connections.
    pub(super) connections: usize,
    /// Requests in progress.
    pub(super) requests: usize,
}

/// The statistics lack a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Envoy has no statistic `http.{prefix}.downstream_cx_active`; {}", help(.others))]
pub(super) struct StatsError {
    prefix: String,
    others: Vec<String>,
}

fn help(others: &[String]) -> String {
    if others.is_empty() {
        return "use --admin with the address of Envoy's admin interface, and --stat-prefix with the `stat_prefix` of its listener"
            .to_owned();
    }
    let named: Vec<String> = others.iter().take(NAMED).map(|prefix| format!("`{prefix}`")).collect();
    let more = if others.len() > NAMED { ", …" } else { "" };
    format!("use --stat-prefix with the `stat_prefix` of its listener, here {}{more}", named.join(", "))
}

/// Checks a prefix of the command line.
pub(super) fn prefix(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("write the `stat_prefix` of a listener, such as `gateway`"),
        ADMIN => Err(
            "the connections of the admin interface include those of this command; write the `stat_prefix` of a listener",
        ),
        text => Ok(text.to_owned()),
    }
}

impl Clients {
    /// Adds the clients of these prefixes.
    ///
    /// # Errors
    /// [`StatsError`] if one has no statistic.
    pub(super) fn read(body: &[u8], prefixes: &[String]) -> Result<Self, StatsError> {
        let text = String::from_utf8_lossy(body);
        let connections = gauges(&text, ".downstream_cx_active");
        let requests = gauges(&text, ".downstream_rq_active");
        let mut sum = Self { connections: 0, requests: 0 };
        for prefix in prefixes {
            let Some(open) = find(&connections, prefix) else {
                let others = connections.iter().map(|(name, _)| *name).filter(|name| *name != ADMIN && is_plain(name));
                return Err(StatsError { prefix: prefix.clone(), others: others.map(str::to_owned).collect() });
            };
            sum.connections = sum.connections.saturating_add(open);
            sum.requests = sum.requests.saturating_add(find(&requests, prefix).unwrap_or(0));
        }
        Ok(sum)
    }

    /// Returns how many connections remain.
    pub(super) fn remain(&self) -> String {
        counted(self.connections, "connection remains", "connections remain")
    }

    /// Returns what to do about connections that remain.
    pub(super) fn help(&self) -> String {
        match self.requests {
            0 => "no request is in progress on them. Close idle connections in the clients, or lower `idle_timeout` of Envoy's listener"
                .to_owned(),
            requests => {
                let requests = counted(requests, "request is", "requests are");
                format!("{requests} in progress on them. Use a longer --at-most")
            }
        }
    }
}

/// The gauges with this suffix, by prefix.
fn gauges<'a>(text: &'a str, suffix: &str) -> Vec<(&'a str, usize)> {
    let gauge = |line: &'a str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.strip_prefix("http.")?.strip_suffix(suffix)?, value.trim().parse().ok()?))
    };
    text.lines().filter_map(gauge).collect()
}

fn find(gauges: &[(&str, usize)], prefix: &str) -> Option<usize> {
    gauges.iter().find(|(name, _)| *name == prefix).map(|(_, value)| *value)
}

/// Returns true for a name that a terminal shows as it is.
fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::{Clients, prefix};

    const STATS: &str = "http.admin.downstream_cx_active: 2\nhttp.admin.downstream_rq_active: 1\n\
        http.gateway.downstream_cx_active: 16\nhttp.gateway.downstream_rq_active: 3\n\
        http.health.downstream_cx_active: 5\nhttp.in.out.downstream_cx_active: 1\r\n";

    fn read(text: &str, prefixes: &[&str]) -> Result<(usize, usize), String> {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let read = Clients::read(text.as_bytes(), &prefixes);
        read.map(|Clients { connections, requests }| (connections, requests)).map_err(|error| error.to_string())
    }

    #[test]
    fn only_connections_of_the_named_listeners_count() {
        assert_eq!(read(STATS, &["gateway"]), Ok((16, 3)));
        assert_eq!(read(STATS, &["in.out"]), Ok((1, 0)));
        assert_eq!(read(STATS, &["gateway", "in.out"]), Ok((17, 3)));
        let huge = "http.a.downstream_cx_active: 18446744073709551615\nhttp.b.downstream_cx_active: 1\n";
        assert_eq!(read(huge, &["a", "b"]), Ok((usize::MAX, 0)));
    }

    #[test]
    fn a_missing_statistic_is_an_error_that_names_those_that_are_there() {
        assert_eq!(
            read(STATS, &["gate"]).unwrap_err(),
            "Envoy has no statistic `http.gate.downstream_cx_active`; \
             use --stat-prefix with the `stat_prefix` of its listener, here `gateway`, `health`, `in.out`"
        );
        for text in
            ["", "<html>", "http.gateway.downstream_cx_active: many\n", "http.gateway.downstream_cx_active: -1\n"]
        {
            assert_eq!(
                read(text, &["gateway"]).unwrap_err(),
                "Envoy has no statistic `http.gateway.downstream_cx_active`; use --admin with the address of Envoy's admin \
                 interface, and --stat-prefix with the `stat_prefix` of its listener",
                "{text}"
            );
        }
        let odd = "http.a\u{1b}[2J.downstream_cx_active: 1\nhttp.b.downstream_cx_active: 1\n";
        assert!(read(odd, &["x"]).unwrap_err().ends_with("here `b`"));
    }

    #[test]
    fn the_admin_interface_is_no_listener_for_clients() {
        assert!(prefix("gateway").is_ok());
        assert!(prefix("admin").is_err() && prefix("").is_err());
    }
}
