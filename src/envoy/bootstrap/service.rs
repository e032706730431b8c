//! Envoy's connection to a service, and its treatment of requests for it. The settings are those of Envoy since 1.36.

use super::{CertificateFiles, seconds};
use minijinja::{Value, context};
use std::time::Duration;

/// The settings of a service. Each default is Envoy's own, except that cookies are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// The version of HTTP.
    pub protocol: Protocol,
    /// TLS to the service; `None` for plaintext.
    pub tls: Option<ServiceTls>,
    /// True if clients may open a WebSocket.
    pub has_websocket: bool,
    /// Maximum time from the end of a request to the end of its response, zero for none; `None` for Envoy's 15 s.
    pub timeout: Option<Duration>,
    /// Maximum time without a byte; `None` for that of the listener, 300 s.
    pub idle_timeout: Option<Duration>,
    /// The requests that Envoy sends again; `None` for none.
    pub retries: Option<Retries>,
    /// True if the service gets cookies.
    pub keeps_cookies: bool,
}

/// A version of HTTP.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
}

/// TLS to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTls {
    /// The certificate authorities (PEM), as a path on Envoy's machine.
    pub ca: String,
    /// The DNS name that Envoy sends and checks.
    pub name: String,
    /// Envoy's client certificate; `None` if it has none.
    pub client: Option<CertificateFiles>,
}

/// The requests that Envoy sends again, whatever their method. Only failures are named here after which the service has not processed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Maximum number of repetitions.
    pub attempts: u32,
    /// True for failures to connect.
    pub on_connect_failure: bool,
    /// True for streams that the service refused (RFC 9113 §8.7).
    pub on_refused_stream: bool,
}

impl Service {
    /// Returns the fields of a route's action after `cluster`, each with a comma before it. They consist of numbers and fixed words.
    pub(super) fn route_fields(&self) -> Value {
        let Self { timeout, idle_timeout, has_websocket, retries, .. } = self;
        let mut fields = String::new();
        for (name, duration) in [("timeout", timeout), ("idle_timeout", idle_timeout)] {
            if let Some(duration) = duration {
                fields.extend([", ", name, ": ", &seconds(*duration)]);
            }
        }
        if *has_websocket {
            fields.push_str(", upgrade_configs: [{ upgrade_type: websocket }]");
        }
        if let Some(Retries { attempts, on_connect_failure, on_refused_stream }) = retries {
            let on = [(*on_connect_failure, "connect-failure"), (*on_refused_stream, "refused-stream")];
            let on: Vec<&str> = on.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word).collect();
            let number = attempts.to_string();
            fields.extend([", retry_policy: { retry_on: \"", &on.join(","), "\", num_retries: ", &number, " }"]);
        }
        Value::from_safe_string(fields)
    }

    /// Returns the settings of a cluster for the template.
    pub(super) fn cluster(&self) -> Value {
        let tls = self.tls.as_ref().map_or_else(
            || Value::from(()),
            |ServiceTls { ca, name, client }| {
                let client = client.as_ref().map_or_else(|| Value::from(()), CertificateFiles::value);
                context! { ca, name, client }
            },
        );
        context! { http2 => self.protocol == Protocol::Http2, tls }
    }
}

#[cfg(test)]
mod tests {
    use super::{Retries, Service};
    use std::time::Duration;

    #[test]
    fn a_route_has_a_field_for_each_setting() {
        let retries = |on_connect_failure, on_refused_stream| {
            Some(Retries { attempts: 2, on_connect_failure, on_refused_stream })
        };
        let (timeout, idle_timeout) = (Some(Duration::ZERO), Some(Duration::from_millis(1_500)));
        for (service, fields) in [
            (Service::default(), ""),
            (Service { timeout, idle_timeout, ..Service::default() }, ", timeout: 0s, idle_timeout: 1.5s"),
            (Service { has_websocket: true, ..Service::default() }, ", upgrade_configs: [{ upgrade_type: websocket }]"),
            (
                Service { retries: retries(true, true), ..Service::default() },
                ", retry_policy: { retry_on: \"connect-failure,refused-stream\", num_retries: 2 }",
            ),
            (
                Service { retries: retries(false, true), ..Service::default() },
                ", retry_policy: { retry_on: \"refused-stream\", num_retries: 2 }",
            ),
        ] {
            assert_eq!(service.route_fields().to_string(), fields);
        }
    }
}
