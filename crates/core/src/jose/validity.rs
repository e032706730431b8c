//! The validity dates of a certificate, for display to people. They decide nothing: a key is trusted because it is configured, whatever its
//! certificate says (see `key`).

use spki::der::Decode as _;
use x509_cert::Certificate;

use crate::jose::pem::{self, Contents};
use crate::time::Timestamp;
use std::fmt;

/// The dates of a certificate (RFC 5280 §4.1.2.5), both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub from: Timestamp,
    /// `notAfter`.
    pub until: Timestamp,
}

/// A time outside the dates of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutsideValidity {
    /// The certificate is valid only from this time on.
    NotYet(Timestamp),
    /// The certificate expired at this time.
    Expired(Timestamp),
}

impl Validity {
    /// Returns the dates of the certificate in a PEM text; `None` if that contains something else.
    #[must_use]
    pub fn of_pem(text: &str) -> Option<Self> {
        let (contents, der) = pem::read(text).ok()?;
        match contents {
            Contents::PublicKey | Contents::RsaPublicKey => None,
            Contents::Certificate => Self::of_der(&der),
        }
    }

    /// Returns the dates of a certificate; `None` if it is malformed.
    #[must_use]
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| Timestamp::from_secs(time.to_unix_duration().as_secs());
        Some(Self { from: seconds(validity.not_before), until: seconds(validity.not_after) })
    }

    /// Returns the dates on which both certificates are valid.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// Returns how the time is outside the dates; `None` if the certificate is valid.
    #[must_use]
    pub fn outside(self, now: Timestamp) -> Option<OutsideValidity> {
        let Self { from, until } = self;
        if now < from {
            Some(OutsideValidity::NotYet(from))
        } else if now.as_secs() > until.as_secs() {
            // `notAfter` is a whole second, all of which is included.
            Some(OutsideValidity::Expired(until))
        } else {
            None
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "valid from {} to {}", self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::{OutsideValidity, Validity};
    use crate::jose::testing::SPKI_PEM;
    use crate::time::Timestamp;

    /// A certificate of an RSA key.
    const CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----
MIIC/zCCAeegAwIBAgIUeT0Yit/EgVlC4wnml7DoVA6ofOAwDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjMwMTE5NThaFw0zNjExMjAwMTE5
NThaMA8xDTALBgNVBAMMBHRlc3QwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQCr8LhAi7RRUaUSPbscWtItOPEhVqtJTeCvKg8WyEK+TuLf7kUAVHoQmtM3
HV26UoM20YzF4D70z0DW+pH9GOdF8hcIjBC3my6tEcxh7QR4lIoMDTz3RIsQ5tWk
Oc7wV+AZKwyBnDcwtAeL0Mg2x+roQ/8GbfvtN7pda7csDHu2+FnG2NPZlXZdlPeJ
No4DI/YbbKKz1qY49vijM8FYhaffw92/Il7adBZpr0MZEBISC6z03tsxOUcGLVBc
E80BKlC9B/euPLm+9/s5g9VKMnhp7TC1ZDHuFWf7FfxsjEowJJvrSBln+wl+pvec
Do8ievKGM39+VHvtiLF+dLvAS1RnAgMBAAGjUzBRMB0GA1UdDgQWBBQ228GtmgTy
w50gcbeaX/rFl+NtvDAfBgNVHSMEGDAWgBQ228GtmgTyw50gcbeaX/rFl+NtvDAP
BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQA6WGy2msf2Qo9Ai/nL
/wRJ+iTg4FuRSTqwOs1Psu2K7cTn4EMj8ZBkReueOO+SklLqghg0L2987N/hcKcc
VEO+0CfdP9t5XZc3hpVulb5jZD8hzyoaGDPo291/Z9jws7bRKVaL97t067eBaQie
8NPMRpSK4zsky7foMWaiIgob5MscxgLIyzBlC0htjvWlT1TailXaUFZWZEjIx+zN
r8R+Fa1jB4B+hbZxsIdADHve45Gp1KXHJsGsU5zFubq1a5tExj342h72wwi6QrI8
TaPZeiwmRTJCtPserDZVa6ZlMfHTobjqp2hw4hSsWroqfaXDDBW2E/5AAXWcbUbS
ksij
-----END CERTIFICATE-----
";

    #[test]
    fn the_dates_are_those_of_the_certificate() {
        let Validity { from, until } = Validity::of_pem(&CERTIFICATE_PEM.replace('\n', "\\n")).unwrap();
        let dates = (from.to_string(), until.to_string());
        assert_eq!(dates, ("2026-11-23T01:19:58Z".to_owned(), "2036-11-20T01:19:58Z".to_owned()));
    }

    #[test]
    fn both_ends_and_the_whole_last_second_are_inside() {
        let at = Timestamp::from_secs;
        let valid = Validity { from: at(10), until: at(20) };
        for (millis, expected) in [
            (9_999, Some(OutsideValidity::NotYet(at(10)))),
            (10_000, None),
            (20_999, None),
            (21_000, Some(OutsideValidity::Expired(at(20)))),
        ] {
            assert_eq!(valid.outside(Timestamp::from_millis(millis)), expected, "{millis}");
        }
        let other = Validity { from: at(5), until: at(15) };
        assert_eq!(valid.and(other), Validity { from: at(10), until: at(15) });
    }

    #[test]
    fn only_certificates_have_dates() {
        for text in ["", "this is no PEM", SPKI_PEM, &SPKI_PEM.replace("PUBLIC KEY", "CERTIFICATE")] {
            assert_eq!(Validity::of_pem(text), None, "{text}");
        }
    }
}
