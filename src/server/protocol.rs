//! Recognizes a client that speaks another protocol than its listener, and reports it: HTTP/1.1 or TLS where HTTP/2 without TLS is expected,
//! or the reverse. Such a client is closed, and the log names the setting that is wrong.

use crate::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Closing, ConnectionCounters};
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::rustls::{self, InvalidMessage};

/// The first bytes of an HTTP/2 client (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first byte of a TLS client: the content type `handshake` (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The protocol of a client that a listener for checks does not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongProtocol {
    /// HTTP/1.1.
    Http1,
    /// TLS, on a listener without it.
    Tls,
    /// No TLS, on a listener with it.
    Plaintext,
    /// None of these.
    Unknown,
}

impl WrongProtocol {
    const fn closing(self) -> Closing {
        match self {
            Self::Http1 => Closing::Http1,
            Self::Tls => Closing::Tls,
            Self::Plaintext => Closing::Plaintext,
            Self::Unknown => Closing::UnknownProtocol,
        }
    }
}

/// Returns true if a TLS handshake failed because the client does not speak TLS.
pub(super) fn is_plaintext(error: &Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// The reports of one listener, each throttled. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct ProtocolReports(Arc<Reports>);

#[derive(Debug)]
struct Reports {
    closed: ConnectionCounters,
    http1: Mutex<LogThrottle>,
    tls: Mutex<LogThrottle>,
    plaintext: Mutex<LogThrottle>,
    unknown: Mutex<LogThrottle>,
}

impl ProtocolReports {
    /// Creates reports that count in `closed`.
    pub(super) fn new(closed: ConnectionCounters) -> Self {
        let [http1, tls, plaintext, unknown] = std::array::from_fn(|_| Mutex::default());
        Self(Arc::new(Reports { closed, http1, tls, plaintext, unknown }))
    }

    /// Counts a client, and logs it unless another one was just logged. The fields name the setting of Envoy or modgud to change.
    pub(super) fn report(&self, protocol: WrongProtocol) {
        let Reports { closed, http1, tls, plaintext, unknown } = &*self.0;
        closed.count(protocol.closing());
        let tick = |throttle: &Mutex<LogThrottle>| throttle.lock().unwrap_or_else(PoisonError::into_inner).tick();
        match protocol {
            WrongProtocol::Http1 => {
                if let Some(before) = tick(http1) {
                    let envoy = "the cluster of modgud needs http2_protocol_options";
                    tracing::warn!(envoy, before, "HTTP/1.1 on the gRPC port, which speaks HTTP/2 only");
                }
            }
            WrongProtocol::Tls => {
                if let Some(before) = tick(tls) {
                    let (modgud, envoy) = ("server.tls", "or no transport_socket in the cluster of modgud");
                    tracing::warn!(modgud, envoy, before, "TLS on the gRPC port, which has no server.tls");
                }
            }
            WrongProtocol::Plaintext => {
                if let Some(before) = tick(plaintext) {
                    let envoy = "the cluster of modgud needs a transport_socket for TLS";
                    tracing::warn!(envoy, before, "no TLS on the gRPC port, which has server.tls");
                }
            }
            WrongProtocol::Unknown => {
                if let Some(before) = tick(unknown) {
                    tracing::warn!(before, "unknown protocol on the gRPC port");
                }
            }
        }
    }
}

/// The check of a client's first bytes.
#[derive(Debug)]
pub(super) struct PrefaceCheck {
    /// The part of the preface that has not arrived yet.
    missing: &'static [u8],
    reports: ProtocolReports,
}

impl PrefaceCheck {
    /// Creates the check of a client that has sent nothing yet.
    pub(super) const fn new(reports: ProtocolReports) -> Self {
        Self { missing: PREFACE, reports }
    }

    /// Returns true once the whole preface has arrived.
    pub(super) const fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Checks the next bytes.
    ///
    /// # Errors
    /// `InvalidData` if they are not those of an HTTP/2 client, which is reported.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let length = bytes.len().min(self.missing.len());
        let (Some(found), Some((expected, missing))) = (bytes.get(..length), self.missing.split_at_checked(length))
        else {
            return Ok(());
        };
        if found == expected {
            self.missing = missing;
            return Ok(());
        }
        // The preface begins like a request of HTTP/1.1.
        let has_begun = self.missing.len() < PREFACE.len();
        self.reports.report(match found {
            _ if has_begun => WrongProtocol::Http1,
            [TLS_HANDSHAKE, ..] => WrongProtocol::Tls,
            [letter, ..] if letter.is_ascii_uppercase() => WrongProtocol::Http1,
            _ => WrongProtocol::Unknown,
        });
        Err(ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{PREFACE, PrefaceCheck, ProtocolReports, WrongProtocol, is_plaintext};
    use crate::telemetry::metrics::{ListenerName, Metrics};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::io::{Error, ErrorKind};
    use tokio_rustls::rustls::{self, InvalidMessage};

    /// The reasons that were counted for a client that sends these pieces, and whether its preface was complete.
    fn counted(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let metrics = Metrics::default();
        let mut check = PrefaceCheck::new(ProtocolReports::new(metrics.connections(ListenerName::Grpc)));
        let failed = pieces.iter().any(|piece| !check.is_complete() && check.check(piece).is_err());
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let counts = text.lines().filter(|line| line.starts_with("connections_closed_total{") && line.ends_with(" 1"));
        let reason = |line: &str| line.split("reason=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let reasons: Vec<String> = counts.map(reason).collect();
        assert_eq!(failed, !reasons.is_empty());
        (reasons, check.is_complete())
    }

    #[test]
    fn http1_and_tls_on_the_grpc_port_are_told_from_http2() {
        let http1 = (vec!["http1".to_owned()], false);
        assert_eq!(counted(&[b"GET / HTTP/1.1\r\n"]), http1);
        assert_eq!(counted(&[b"POST /envoy.service.auth.v3.Authorization/Check HTTP/1.1\r\n"]), http1);
        assert_eq!(counted(&[b"P", b"UT / HTTP/1.1\r\n"]), http1);
        assert_eq!(counted(&[b"PRI * HTTP/1.1\r\n"]), http1);
        assert_eq!(counted(&[b"\x16\x03\x01\x02\x00\x01"]), (vec!["tls".to_owned()], false));
        assert_eq!(counted(&[b"\0\0\0\x04"]), (vec!["unknown_protocol".to_owned()], false));
        assert_eq!(counted(&[PREFACE, b"GET"]), (vec![], true));
        assert_eq!(counted(&[&PREFACE[..3], &PREFACE[3..], b"\x16"]), (vec![], true));
        assert_eq!(counted(&[&PREFACE[..23]]), (vec![], false));
        assert_eq!(counted(&[b""]), (vec![], false));
    }

    #[test]
    fn only_a_client_without_tls_is_plaintext() {
        let of = |error: rustls::Error| is_plaintext(&Error::new(ErrorKind::InvalidData, error));
        assert!(of(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)));
        assert!(!of(rustls::Error::NoApplicationProtocol));
        assert!(!is_plaintext(&ErrorKind::TimedOut.into()));
        assert_eq!(WrongProtocol::Plaintext.closing() as usize, 6);
    }
}
