//! Everything that can be wrong with the text of a public key. Owns the texts: each says what was found and what is
//! needed, and none shows key content. Detects nothing itself.

use std::fmt;

use spki::ObjectIdentifier;

/// Why a text is not a key that tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Nothing, or white space.
    #[error("the text is empty, and a public key in PEM is needed")]
    Empty,
    /// No `-----BEGIN`.
    #[error("the text has no PEM block, and one that starts with `-----BEGIN PUBLIC KEY-----` is needed")]
    NoBlock,
    /// A bundle: which of the keys would count?
    #[error("the text has {found} PEM blocks, and one is needed")]
    SeveralBlocks {
        /// How many there are.
        found: usize,
    },
    /// The half that must not be here.
    #[error("the PEM block is a private key, and its public half is needed (`openssl pkey -pubout` writes it)")]
    PrivateKey,
    /// No end line, or one that names something else.
    #[error("the PEM block has no `-----END` line that matches its `-----BEGIN` line")]
    Unfinished,
    /// The lines between are not base64.
    #[error("the PEM block's content is not base64")]
    NotBase64,
    /// PEM, but of something else.
    #[error("the PEM block is {found}, and `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE` is needed")]
    OtherLabel {
        /// What its begin line says.
        found: Label,
    },
    /// The base64 decodes, but not to what the label promises.
    #[error("the PEM block's content is not the DER structure that its label names")]
    NotDer,
    /// A key of another family.
    #[error("the key is of type {found}, and an RSA key is needed")]
    NotRsa {
        /// The family found.
        found: KeyKind,
    },
    /// RFC 7518 §3.3 asks for 2048 bits; shorter keys can be factored.
    #[error("the RSA key has {bits} bits, and at least {} are needed", super::key::MIN_RSA_BITS)]
    TooShort {
        /// Size of the modulus.
        bits: usize,
    },
    /// One check would cost too much, and the cryptographic library refuses it.
    #[error("the RSA key has {bits} bits, and at most {} are supported", super::key::MAX_RSA_BITS)]
    TooLong {
        /// Size of the modulus.
        bits: usize,
    },
    /// With exponent 1 a signature is the message itself (RFC 8017 §3.1).
    #[error("the RSA key's public exponent is even or less than 3, and 65537 is usual")]
    ExponentUnsafe,
    /// Larger than any key generator makes, and refused by the cryptographic library.
    #[error(
        "the RSA key's public exponent has {bits} bits, and at most {} are supported",
        super::key::MAX_EXPONENT_BITS
    )]
    ExponentTooLong {
        /// Size of the exponent.
        bits: usize,
    },
    /// Well-formed, but not a key after all, for example because the modulus is even.
    #[error("the cryptographic library refuses the key")]
    Refused,
}

/// The label of a PEM block, if it looks like one: what stands there was typed by somebody and may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(Option<String>);

impl Label {
    /// Labels are short and in upper case; base64 of any length has lower case, so no content passes for a label.
    pub(super) fn new(text: &str) -> Self {
        let plausible =
            text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_uppercase() || b" 0123456789".contains(&byte));
        Self(plausible.then(|| text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "`{text}`"),
            None => f.write_str("of an unknown kind"),
        }
    }
}

/// The type of a public key, by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyKind(pub(super) ObjectIdentifier);

/// The key types that people paste by mistake (RFC 3279 §2.3, RFC 4055 §1.2, RFC 8410 §3).
const KNOWN: [(&str, &str); 8] = [
    ("1.2.840.10045.2.1", "EC"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "DH"),
];

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oid = self.0.to_string();
        f.write_str(KNOWN.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, name)| name))
    }
}

#[cfg(test)]
mod tests {
    use spki::ObjectIdentifier;

    use super::{KeyFault, KeyKind, Label};
    use crate::jose::testing::assert_good_messages;

    #[test]
    fn messages_are_unique_lowercase_sentences() {
        assert_good_messages(&[
            KeyFault::Empty,
            KeyFault::NoBlock,
            KeyFault::SeveralBlocks { found: 2 },
            KeyFault::PrivateKey,
            KeyFault::Unfinished,
            KeyFault::NotBase64,
            KeyFault::OtherLabel { found: Label::new("EC PARAMETERS") },
            KeyFault::OtherLabel { found: Label::new("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A") },
            KeyFault::NotDer,
            KeyFault::NotRsa { found: KeyKind(ObjectIdentifier::new_unwrap("1.3.101.112")) },
            KeyFault::TooShort { bits: 512 },
            KeyFault::TooLong { bits: 16384 },
            KeyFault::ExponentUnsafe,
            KeyFault::ExponentTooLong { bits: 34 },
            KeyFault::Refused,
        ]);
    }

    #[test]
    fn what_was_found_is_named_unless_it_could_be_content() {
        let label = |text: &str| Label::new(text).to_string();
        assert_eq!(label("CERTIFICATE REQUEST"), "`CERTIFICATE REQUEST`");
        assert_eq!(label("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), "of an unknown kind");
        assert_eq!(label(&"A".repeat(33)), "of an unknown kind");

        let kind = |oid| KeyKind(ObjectIdentifier::new_unwrap(oid)).to_string();
        assert_eq!(kind("1.2.840.10045.2.1"), "EC");
        assert_eq!(kind("1.2.3.4"), "1.2.3.4");
    }
}
