//! From when to when a certificate says that it is valid. Nothing is decided by it: a key is trusted because it is configured,
//! whatever its certificate says (see `key`); it is there to be shown to people.

use spki::der::Decode as _;
use x509_cert::Certificate;

use crate::clock::Timestamp;
use crate::jose::pem::{self, Contents};

/// The dates of a certificate (RFC 5280 §4.1.2.5), both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub from: Timestamp,
    /// `notAfter`.
    pub until: Timestamp,
}

impl Validity {
    /// The dates of the certificate in a PEM text; `None` when that holds something else.
    #[must_use]
    pub fn of_pem(text: &str) -> Option<Self> {
        let (contents, der) = pem::read(text).ok()?;
        match contents {
            Contents::PublicKey | Contents::RsaPublicKey => return None,
            Contents::Certificate => {}
        }
        let certificate = Certificate::from_der(&der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| Timestamp::from_secs(time.to_unix_duration().as_secs());
        Some(Self { from: seconds(validity.not_before), until: seconds(validity.not_after) })
    }
}

#[cfg(test)]
mod tests {
    use super::Validity;
    use crate::jose::testing::{CERTIFICATE_PEM, SPKI_PEM};

    #[test]
    fn the_dates_are_those_of_the_certificate() {
        let Validity { from, until } = Validity::of_pem(&CERTIFICATE_PEM.replace('\n', "\\n")).unwrap();
        let dates = (from.to_string(), until.to_string());
        assert_eq!(dates, ("2026-11-23T01:19:58Z".to_owned(), "2036-11-20T01:19:58Z".to_owned()));
    }

    #[test]
    fn only_certificates_have_dates() {
        for text in ["", "this is no PEM", SPKI_PEM, &SPKI_PEM.replace("PUBLIC KEY", "CERTIFICATE")] {
            assert_eq!(Validity::of_pem(text), None, "{text}");
        }
    }
}
