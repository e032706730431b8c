//! The text of each reason, in the words that a style's clients know. Only this file maps a reason to public text.

use super::BodyStyle;
use crate::reason::{Class, Reason};

/// A text for clients that an operator wrote: one line that every representation can hold uncut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailText(Box<str>);

/// A text that is invalid for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text for clients is 1 to {} bytes on one line, without control characters", DetailText::MAX_BYTES)]
pub struct DetailError;

impl DetailText {
    /// The maximum size of a text, in bytes. A longer one is rejected.
    pub const MAX_BYTES: usize = 512;

    /// Parses a text.
    ///
    /// # Errors
    /// [`DetailError`] if it is empty, too long or more than one line.
    pub fn parse(text: &str) -> Result<Self, DetailError> {
        let told = matches!(text.len(), 1..=Self::MAX_BYTES) && !text.chars().any(char::is_control);
        if told { Ok(Self(text.into())) } else { Err(DetailError) }
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the text of a reason in a style.
pub(super) const fn of(reason: Reason, style: BodyStyle) -> &'static str {
    match style {
        BodyStyle::Problem | BodyStyle::Orchescala => public(reason),
        BodyStyle::Detail => detail(reason),
        BodyStyle::Error => error(reason),
    }
}

/// Returns the generic text of a reason: only the facts that help a client to react.
pub(super) const fn public(reason: Reason) -> &'static str {
    match reason {
        Reason::CredentialMissing => "A credential is required.",
        Reason::CredentialMalformed | Reason::CredentialAmbiguous => "The request must carry exactly one credential.",
        Reason::TokenExpired => "The token has expired.",
        Reason::TokenNotYetValid => "The token is not valid yet.",
        Reason::TokenMalformed
        | Reason::TokenTooLarge
        | Reason::AlgorithmNotAllowed
        | Reason::IssuerUnknown
        | Reason::KeyUnknown
        | Reason::SignatureInvalid
        | Reason::TokenTooOld
        | Reason::AudienceMismatch
        | Reason::ClaimMissing
        | Reason::ClaimInvalid
        | Reason::TokenTypeNotAllowed
        | Reason::CertificateNotAccepted
        | Reason::SenderUnproven
        | Reason::TokenRevoked
        | Reason::ApiKeyUnknown
        | Reason::ApiKeyExpired
        | Reason::TokenInactive
        | Reason::CredentialRefused => "The token is not valid here.",
        Reason::RuleDenied
        | Reason::NoRule
        | Reason::PermissionMissing
        | Reason::RoleMissing
        | Reason::RuleUnknown
        | Reason::ContextInvalid
        | Reason::AuthenticatorNotAllowed
        | Reason::ConditionFalse
        | Reason::ConditionError => "This is not allowed.",
        Reason::RequestMalformed => "The request is malformed.",
        Reason::PathAmbiguous => "The path must be in its normal form.",
        Reason::HostAmbiguous => "The host must be in its normal form.",
        Reason::BodyUnreadable => "The body must be whole, and JSON without a name twice.",
        Reason::KeysUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::AuthenticatorUnavailable
        | Reason::DeadlineExceeded
        | Reason::Overloaded
        | Reason::Internal => "The request could not be checked. Try again later.",
    }
}

/// Returns `BiFrost`'s own text, which its clients know; the generic text if it had none.
const fn detail(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Unauthenticated if matches!(reason, Reason::CredentialMissing) => {
            "Authentication credentials were not provided."
        }
        Class::Unauthenticated if matches!(reason, Reason::TokenExpired) => "Signature has expired.",
        Class::Unauthenticated if matches!(reason, Reason::SignatureInvalid) => "Error decoding signature.",
        Class::Unauthenticated => "Incorrect authentication credentials.",
        Class::Forbidden => "You do not have permission to perform this action.",
        Class::BadRequest | Class::Unavailable => public(reason),
    }
}

/// Returns the text of the gateway that the profile `bearer` reproduces. It distinguishes only expired from invalid tokens.
const fn error(reason: Reason) -> &'static str {
    match reason.class() {
        Class::Unauthenticated if matches!(reason, Reason::TokenExpired) => "Token expired",
        Class::Unauthenticated => "Invalid or expired token",
        Class::Forbidden if matches!(reason, Reason::PermissionMissing | Reason::RoleMissing) => {
            "Insufficient permissions"
        }
        Class::Forbidden => "Forbidden",
        Class::BadRequest | Class::Unavailable => public(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyStyle, DetailText, of, public};
    use crate::reason::Reason;

    #[test]
    fn styles_have_their_own_words() {
        let told = |reason| [BodyStyle::Problem, BodyStyle::Detail, BodyStyle::Error].map(|style| of(reason, style));
        assert_eq!(told(Reason::TokenExpired), ["The token has expired.", "Signature has expired.", "Token expired"]);
        assert_eq!(
            told(Reason::AudienceMismatch),
            ["The token is not valid here.", "Incorrect authentication credentials.", "Invalid or expired token"]
        );
        assert_eq!(told(Reason::NoRule)[2], "Forbidden");
        assert_eq!(told(Reason::PathAmbiguous), [public(Reason::PathAmbiguous); 3]);
    }

    #[test]
    fn an_operator_s_text_is_one_line() {
        for bad in ["", "a\nb", "a\r\nx: y", "a\0", &"a".repeat(513)] {
            assert!(DetailText::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DetailText::parse("Nur für Mitglieder <b>").is_ok());
    }
}
