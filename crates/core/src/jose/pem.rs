//! PEM armour (RFC 7468) in the spellings of environment variables and YAML: parses one labelled block of bytes. The dates of a
//! certificate are for display only: a key is trusted because it is configured, whatever its certificate contains.

use pem::PemError;
use spki::der::Decode as _;
use x509_cert::Certificate;

use crate::jose::error::{KeyError, Label};
use crate::time::Timestamp;

/// The content type of a block, according to its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// `SubjectPublicKeyInfo` (RFC 7468 §13).
    PublicKey,
    /// `RSAPublicKey` (RFC 8017 appendix A.1.1).
    RsaPublicKey,
    /// `Certificate` (RFC 7468 §5).
    Certificate,
}

/// Parses the one block in `text`. Any line ending is accepted, also `\n` written as two characters, or a space. Text around the block,
/// such as quotes or a tool's output, is ignored (RFC 7468 §2).
///
/// # Errors
/// A [`KeyError`] that names what was found instead of one public block.
pub(super) fn read(text: &str) -> Result<(Contents, Vec<u8>), KeyError> {
    let line = one_line(text);
    if line.is_empty() {
        return Err(KeyError::Empty);
    }
    // Before all else: an operator who pasted a private key must learn that first, not of a missing end line.
    if line.contains("PRIVATE KEY-----") {
        return Err(KeyError::PrivateKey);
    }
    match line.matches("-----BEGIN ").count() {
        0 => return Err(KeyError::NoBlock),
        1 => {}
        found => return Err(KeyError::SeveralBlocks { found }),
    }
    let block = pem::parse(&line).map_err(|error| match error {
        PemError::InvalidData(_) => KeyError::NotBase64,
        _ => KeyError::Unfinished,
    })?;
    let contents = match block.tag() {
        "PUBLIC KEY" => Contents::PublicKey,
        "RSA PUBLIC KEY" => Contents::RsaPublicKey,
        "CERTIFICATE" => Contents::Certificate,
        other => return Err(KeyError::OtherLabel { found: Label::new(other) }),
    };
    Ok((contents, block.into_contents()))
}

/// Replaces every line ending with a space.
pub(super) fn one_line(text: &str) -> String {
    // Base64 has no backslash, so these can only be line ends; and base64 ignores line breaks.
    let spaced = text.replace("\\r", " ").replace("\\n", " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The dates of a certificate (RFC 5280 §4.1.2.5), both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub from: Timestamp,
    /// `notAfter`.
    pub until: Timestamp,
}

impl Validity {
    /// Returns the dates of the certificate in a PEM text; `None` if that contains something else.
    #[must_use]
    pub fn of_pem(text: &str) -> Option<Self> {
        let (contents, der) = read(text).ok()?;
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
    use super::{Contents, Validity, read};
    use crate::jose::error::{KeyError, Label};
    use crate::jose::testing::SPKI_PEM;

    #[test]
    fn one_block_has_many_spellings() {
        let (contents, bytes) = read(SPKI_PEM).unwrap();
        assert_eq!(contents, Contents::PublicKey);
        let line_ends = |end: &str| SPKI_PEM.replace('\n', end);
        for (what, text) in [
            ("CRLF", line_ends("\r\n")),
            ("CR", line_ends("\r")),
            ("line feed written out", line_ends("\\n")),
            ("CRLF written out", line_ends("\\r\\n")),
            ("line feed written out and real", line_ends("\\n\n")),
            ("spaces for line ends", line_ends(" ")),
            ("tabs for line ends", line_ends("\t")),
            ("blank lines", line_ends("\n\n")),
            ("indented, as in YAML", line_ends("\n      ")),
            ("content on one line", line_ends("").replace("KEY-----M", "KEY-----\nM")),
            ("no line ends at all", line_ends("")),
            ("no final line end", SPKI_PEM.trim_end().to_owned()),
            ("spaces around", format!("  \n{SPKI_PEM}\n  ")),
            ("double quotes", format!("\"{}\"", SPKI_PEM.trim_end())),
            ("single quotes, line feed written out", format!("'{}'", line_ends("\\n"))),
            ("byte order mark", format!("\u{feff}{SPKI_PEM}")),
            ("words of a tool before", format!("writing RSA key\n{SPKI_PEM}")),
        ] {
            assert_eq!(read(&text), Ok((contents, bytes.clone())), "{what}");
        }
    }

    #[test]
    fn anything_but_one_public_block_is_named() {
        let private = SPKI_PEM.replace("PUBLIC", "PRIVATE");
        let label = |name: &str| SPKI_PEM.replace("PUBLIC KEY", name);
        let other = |name: &str| KeyError::OtherLabel { found: Label::new(name) };
        for (what, text, expected) in [
            ("nothing", String::new(), KeyError::Empty),
            ("white space", " \n\\n ".to_owned(), KeyError::Empty),
            ("a word", "changeme".to_owned(), KeyError::NoBlock),
            ("a path", "/etc/modgud/key.pem".to_owned(), KeyError::NoBlock),
            ("an OpenSSH key", "ssh-rsa AAAAB3NzaC1yc2E= me".to_owned(), KeyError::NoBlock),
            ("a JWK", "{\"kty\":\"RSA\"}".to_owned(), KeyError::NoBlock),
            ("a bundle", SPKI_PEM.repeat(3), KeyError::SeveralBlocks { found: 3 }),
            ("PKCS#8", private.clone(), KeyError::PrivateKey),
            ("PKCS#1 private", label("RSA PRIVATE KEY"), KeyError::PrivateKey),
            ("SEC1", label("EC PRIVATE KEY"), KeyError::PrivateKey),
            ("encrypted", label("ENCRYPTED PRIVATE KEY"), KeyError::PrivateKey),
            ("OpenSSH private", label("OPENSSH PRIVATE KEY"), KeyError::PrivateKey),
            ("private, unfinished", private.split_once("-----END").unwrap().0.to_owned(), KeyError::PrivateKey),
            ("private and public", format!("{private}{SPKI_PEM}"), KeyError::PrivateKey),
            ("no end", SPKI_PEM.split_once("-----END").unwrap().0.to_owned(), KeyError::Unfinished),
            ("other end", SPKI_PEM.replace("END PUBLIC", "END RSA PUBLIC"), KeyError::Unfinished),
            ("not base64", SPKI_PEM.replace("MIIB", "MI*B"), KeyError::NotBase64),
            ("base64url", SPKI_PEM.replace("MIIB", "MI_B"), KeyError::NotBase64),
            ("a character lost", SPKI_PEM.replace("MIIB", "MIB"), KeyError::NotBase64),
            ("a request", label("CERTIFICATE REQUEST"), other("CERTIFICATE REQUEST")),
            ("parameters", label("EC PARAMETERS"), other("EC PARAMETERS")),
            ("lower case", label("public key"), other("public key")),
        ] {
            assert_eq!(read(&text), Err(expected), "{what}");
        }
    }

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
    fn only_certificates_have_dates() {
        for text in ["", "this is no PEM", SPKI_PEM, &SPKI_PEM.replace("PUBLIC KEY", "CERTIFICATE")] {
            assert_eq!(Validity::of_pem(text), None, "{text}");
        }
    }
}
