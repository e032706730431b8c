//! Validates the keys that modules and the core service share: how Envoy connects to a service, and how it treats requests for it.

use super::{duration, out_of_range};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, RetryOn};
use crate::diagnostic::{Issue, Quoted};
use crate::envoy::bootstrap::{CertificateFiles, Protocol, Retries, Service, ServiceTls};
use crate::net::upstream_addr::HostPort;
use std::net::IpAddr;
use std::time::Duration;

/// The longest `timeout` and `idle_timeout`.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The greatest number of repetitions of one request.
const MAX_ATTEMPTS: u32 = 5;

/// Returns the settings of a service. `at` is its entry, `upstream` its address if that is valid.
pub(super) fn check(
    at: &Path,
    service: &raw::Service<'_>,
    default_cookies: raw::Cookies,
    upstream: Option<&HostPort>,
    diagnostics: &mut Diagnostics,
) -> Service {
    let raw::Service { protocol, tls, upgrades, timeout, idle_timeout, retries, cookies } = service;
    if *protocol == raw::Protocol::Http2 && !upgrades.is_empty() {
        let message = "a WebSocket needs HTTP/1.1 to the service: few servers accept one on HTTP/2 (RFC 8441)";
        let help = "write `protocol: http1`, or give these paths a module of their own";
        diagnostics.add(at.key("upgrades"), Issue::error("upgrade-on-http2", message, help));
    }
    let timeout = timeout.and_then(|text| diagnostics.ok_or_report(&at.key("timeout"), self::timeout(text)));
    let idle_timeout =
        idle_timeout.and_then(|text| diagnostics.ok_or_report(&at.key("idle_timeout"), self::idle_timeout(text)));
    Service {
        protocol: match protocol {
            raw::Protocol::Http1 => Protocol::Http1,
            raw::Protocol::Http2 => Protocol::Http2,
        },
        tls: tls.and_then(|tls| self::tls(&at.key("tls"), tls, upstream, diagnostics)),
        has_websocket: upgrades.contains(&raw::Upgrade::Websocket),
        timeout,
        idle_timeout,
        retries: retries.and_then(|retries| self::retries(&at.key("retries"), retries, diagnostics)),
        keeps_cookies: cookies.unwrap_or(default_cookies) == raw::Cookies::Keep,
    }
}

/// Parses the time for a response; zero means none.
fn timeout(text: &str) -> Result<Duration, Issue> {
    let limit = duration(text)?;
    if limit.is_zero() { Ok(limit) } else { within(text, limit, ", or `0s` for no limit") }
}

/// Parses the time without a byte. Without a limit, clients could hold connections for ever.
fn idle_timeout(text: &str) -> Result<Duration, Issue> {
    within(text, duration(text)?, "")
}

/// Checks a limit. Envoy counts in milliseconds, so that a part of one would be zero, which is no limit.
fn within(text: &str, limit: Duration, otherwise: &str) -> Result<Duration, Issue> {
    if (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&limit) {
        return Ok(limit);
    }
    let help = format!("write a duration from `1ms` to `24h`{otherwise}");
    Err(Issue::error("duration-out-of-range", format!("{} is out of range", Quoted::new(text)), help))
}

/// Returns the TLS settings; `None` if they have an error.
fn tls(
    at: &Path,
    tls: &raw::ServiceTls,
    upstream: Option<&HostPort>,
    diagnostics: &mut Diagnostics,
) -> Option<ServiceTls> {
    let raw::ServiceTls { ca, name, cert, key } = tls;
    for (key, file) in [("ca", Some(ca)), ("cert", cert.as_ref()), ("key", key.as_ref())] {
        if file.is_some_and(String::is_empty) {
            diagnostics.add(at.key(key), Issue::error("empty", "is empty", "name the file as Envoy's machine has it"));
        }
    }
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some(CertificateFiles { cert: cert.clone(), key: key.clone() }),
        (None, None) => None,
        (Some(_), None) => {
            let message = "a client certificate needs its private key";
            diagnostics.add(at.clone(), Issue::error("client-key-missing", message, "add `key` with its file"));
            None
        }
        (None, Some(_)) => {
            let message = "a private key needs its client certificate";
            diagnostics.add(at.clone(), Issue::error("client-cert-missing", message, "add `cert` with its file"));
            None
        }
    };
    let name = self::name(at, name.as_deref(), upstream, diagnostics)?;
    Some(ServiceTls { ca: ca.clone(), name, client })
}

/// Returns the name that Envoy sends and checks. Without one, it is the host of the address.
fn name(at: &Path, name: Option<&str>, upstream: Option<&HostPort>, diagnostics: &mut Diagnostics) -> Option<String> {
    let Some(name) = name else {
        let host = upstream?.host();
        let read = dns_name(host).ok_or_else(|| {
            let message = format!("{} is not a name, and Envoy checks the name in a certificate", Quoted::new(host));
            let help = "add `name` with one that the service's certificate has, such as `crm.internal`";
            Issue::error("tls-name-missing", message, help)
        });
        return diagnostics.ok_or_report(at, read);
    };
    let read = dns_name(name).ok_or_else(|| {
        let message = format!("{} is not a DNS name", Quoted::new(name));
        let help = "write one that the service's certificate has, such as `crm.internal`, without port and `*`";
        Issue::error("tls-name-invalid", message, help)
    });
    diagnostics.ok_or_report(&at.key("name"), read)
}

/// Returns a DNS name in canonical form; `None` if the text is another one, such as an IP address.
fn dns_name(text: &str) -> Option<String> {
    // The port that an address needs also shows that the text has none.
    let read: HostPort = format!("{text}:1").parse().ok()?;
    read.host().parse::<IpAddr>().is_err().then(|| read.host().to_owned())
}

fn retries(at: &Path, retries: &raw::Retries, diagnostics: &mut Diagnostics) -> Option<Retries> {
    let raw::Retries { attempts, on } = retries;
    let attempts = attempts.unwrap_or(1);
    let attempts = if (1..=MAX_ATTEMPTS).contains(&attempts) {
        Ok(attempts)
    } else {
        Err(out_of_range(attempts, 1, MAX_ATTEMPTS))
    };
    let attempts = diagnostics.ok_or_report(&at.key("attempts"), attempts);
    let is_on = |failure| on.as_ref().is_none_or(|list| list.contains(&failure));
    if on.as_ref().is_some_and(Vec::is_empty) {
        let help = "name `connect-failure`, `refused-stream` or both, or leave `retries` out";
        diagnostics.add(at.key("on"), Issue::error("empty", "is empty, so that nothing would be sent again", help));
    }
    Some(Retries {
        attempts: attempts?,
        on_connect_failure: is_on(RetryOn::ConnectFailure),
        on_refused_stream: is_on(RetryOn::RefusedStream),
    })
}
