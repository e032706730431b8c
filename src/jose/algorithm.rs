//! The signature algorithms and which kind of key each one takes. Owns the names; allows nothing by itself: every
//! check passes its own allow-list.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm};

/// A JWS signature algorithm (RFC 7518 §3.1). There is no variant for `none`, so no code path can choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

/// A kind of key. One key belongs to one family, and an algorithm is only ever tried with keys of its own: that is
/// what stops a public key from serving as an HMAC secret (RFC 8725 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// RSA (RFC 8017).
    Rsa,
}

impl Algorithm {
    /// Every algorithm, in the order of documents.
    pub const ALL: &[Self] = &[Self::Rs256];

    /// The algorithm of that exact name; names are case-sensitive (RFC 7515 §4.1.1).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// The name as it stands in `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
        }
    }

    /// The kind of key that the algorithm takes.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Rs256 => Family::Rsa,
        }
    }

    /// The check itself, in the library that does it.
    pub(super) fn check(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl Family {
    /// The family as operators know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(*algorithm));
        }
        for name in [
            "",
            "none",
            "None",
            "NONE",
            "nOnE",
            "rs256",
            "Rs256",
            "RS256 ",
            " RS256",
            "RS256\0",
            "R\u{ff33}256",
            "HS256",
        ] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
