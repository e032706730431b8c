//! PEM armour (RFC 7468) in the spellings of environment variables and YAML: parses one labelled block of bytes.

use pem::PemError;

use crate::jose::error::{KeyError, Label};

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

#[cfg(test)]
mod tests {
    use super::{Contents, read};
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
}
