//! What a client is told when it is turned away: status, headers and body for each reason. The one place that maps a reason
//! to public text. No claim, no key name and no configuration is ever in one.

use crate::jose::{Algorithm, Family};
use crate::reason::{Class, Reason};
use bytes::Bytes;

/// A complete answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 400, 401, 403 or 503, or what the operator says instead of 401 and 403.
    pub status: Status,
    /// The value of `WWW-Authenticate`, where one is owed (RFC 9110 §11.6.1).
    pub challenge: Option<Bytes>,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// An HTTP status that turns a client away: 400 to 599. A denial can't have another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16);

/// The status is not one that turns a client away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a denial's status is between 400 and 499")]
pub struct StatusFault;

impl Status {
    /// Checks a status that an operator chose.
    ///
    /// # Errors
    /// [`StatusFault`] outside 400 to 499.
    pub const fn client_error(code: u16) -> Result<Self, StatusFault> {
        match code {
            400..=499 => Ok(Self(code)),
            _ => Err(StatusFault),
        }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

/// How denials look.
#[derive(Debug, Clone)]
pub struct Style {
    /// The form of the body.
    pub body: BodyStyle,
    /// The protection space that `WWW-Authenticate` names (RFC 9110 §11.5).
    pub realm: Realm,
    /// The schemes that `WWW-Authenticate` names.
    pub schemes: ChallengeSchemes,
    /// The status of the class "unauthenticated"; 401 unless a deployment must keep another.
    pub unauthenticated: Status,
    /// The status of the class "forbidden"; 403 unless a deployment must keep another.
    pub forbidden: Status,
}

impl Style {
    /// The status for callers that did not prove who they are (RFC 9110 §15.5.2).
    pub const UNAUTHENTICATED: Status = Status(401);
    /// The status for callers that may not (RFC 9110 §15.5.4).
    pub const FORBIDDEN: Status = Status(403);
}

/// The form of a denial's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyStyle {
    /// `{"type": …, "title": …, "status": …}` (RFC 9457).
    Problem,
    /// `{"detail": …}`, as `BiFrost` answers.
    Detail,
}

/// The schemes by which clients may show their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeSchemes {
    /// `Bearer`, whatever else stands for it (RFC 6750).
    Bearer,
    /// `DPoP`: every token needs a proof (RFC 9449).
    Dpop,
    /// Some tokens need one.
    BearerAndDpop,
}

/// A realm: text that can stand between quotes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm(Box<str>);

/// The text can't be a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a realm is 1 to 64 visible ASCII characters or spaces, without `\"` and `\\`")]
pub struct RealmFault;

impl Default for Realm {
    fn default() -> Self {
        Self("modgud".into())
    }
}

impl Realm {
    /// Checks a realm.
    ///
    /// # Errors
    /// [`RealmFault`] when it would need escaping.
    pub fn parse(text: &str) -> Result<Self, RealmFault> {
        let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\'));
        if plain && matches!(text.len(), 1..=64) { Ok(Self(text.into())) } else { Err(RealmFault) }
    }
}

/// The answers of a configuration, one for each reason, made once.
#[derive(Debug)]
pub struct Answers(Vec<Answer>);

impl Answers {
    /// Makes the answers in a style.
    #[must_use]
    pub fn new(style: &Style) -> Self {
        Self(Reason::ALL.iter().map(|reason| answer(*reason, style)).collect())
    }

    /// The answer for a reason.
    #[must_use]
    pub fn get(&self, reason: Reason) -> Answer {
        // `Reason::ALL` is in the order of declaration, so the number of a variant is its place.
        self.0.get(reason as usize).cloned().unwrap_or_else(|| answer(reason, &Style::plain()))
    }
}

impl Style {
    fn plain() -> Self {
        Self {
            body: BodyStyle::Problem,
            realm: Realm::default(),
            schemes: ChallengeSchemes::Bearer,
            unauthenticated: Self::UNAUTHENTICATED,
            forbidden: Self::FORBIDDEN,
        }
    }
}

fn answer(reason: Reason, style: &Style) -> Answer {
    let status = match reason.class() {
        Class::Unauthenticated => style.unauthenticated,
        Class::Forbidden => style.forbidden,
        Class::Refused => Status(400),
        Class::Unavailable => Status(503),
    };
    let (content_type, body) = body(reason, status, style.body);
    Answer { status, challenge: challenge(reason, style), content_type, body: Bytes::from(body) }
}

/// `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1). A request without a credential is told no error code; one with a bad token is
/// told which it is and a sentence that helps the client and not an attacker. Owed with every 401; sent with the class whatever
/// its status, so that a client that is told 403 for the sake of an old contract can still see what is meant.
fn challenge(reason: Reason, style: &Style) -> Option<Bytes> {
    match reason.class() {
        Class::Unauthenticated => {}
        Class::Forbidden | Class::Refused | Class::Unavailable => return None,
    }
    let bearer = || format!("Bearer realm=\"{}\"{}", style.realm.0, error(reason, "invalid_token"));
    let dpop = || {
        let code = if reason == Reason::SenderUnproven { "invalid_dpop_proof" } else { "invalid_token" };
        let signed = Algorithm::ALL.iter().filter(|algorithm| algorithm.family() != Family::Hmac);
        let algorithms: Vec<&str> = signed.map(|algorithm| algorithm.name()).collect();
        format!("DPoP realm=\"{}\"{}, algs=\"{}\"", style.realm.0, error(reason, code), algorithms.join(" "))
    };
    Some(Bytes::from(match style.schemes {
        ChallengeSchemes::Bearer => bearer(),
        ChallengeSchemes::Dpop => dpop(),
        ChallengeSchemes::BearerAndDpop => format!("{}, {}", bearer(), dpop()),
    }))
}

fn error(reason: Reason, code: &str) -> String {
    if reason == Reason::CredentialMissing {
        return String::new();
    }
    format!(", error=\"{code}\", error_description=\"{}\"", public_text(reason))
}

fn body(reason: Reason, status: Status, style: BodyStyle) -> (&'static str, String) {
    match style {
        BodyStyle::Problem => (
            "application/problem+json",
            serde_json::json!({ "type": "about:blank", "title": title(reason.class()), "status": status.code(), "detail": public_text(reason) })
                .to_string(),
        ),
        BodyStyle::Detail => ("application/json", serde_json::json!({ "detail": detail(reason) }).to_string()),
    }
}

fn title(class: Class) -> &'static str {
    match class {
        Class::Unauthenticated => "Unauthorized",
        Class::Forbidden => "Forbidden",
        Class::Refused => "Bad Request",
        Class::Unavailable => "Service Unavailable",
    }
}

/// The generic text of a reason: what a client can do about it, and no more.
const fn public_text(reason: Reason) -> &'static str {
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
        | Reason::TokenInactive => "The token is not valid here.",
        Reason::RuleDenied
        | Reason::NoRule
        | Reason::PermissionMissing
        | Reason::RoleMissing
        | Reason::AuthenticatorNotAllowed
        | Reason::ConditionFalse
        | Reason::ConditionError => "This is not allowed.",
        Reason::RequestMalformed => "The request is malformed.",
        Reason::PathAmbiguous => "The path must be in its normal form.",
        Reason::HostAmbiguous => "The host must be in its normal form.",
        Reason::KeysUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::DeadlineExceeded
        | Reason::Overloaded
        | Reason::Internal => "The request could not be checked. Try again later.",
    }
}

/// `BiFrost`'s own texts, which its clients know; ours where it had none.
const fn detail(reason: Reason) -> &'static str {
    match reason {
        Reason::CredentialMissing => "Authentication credentials were not provided.",
        Reason::TokenExpired => "Signature has expired.",
        Reason::SignatureInvalid => "Error decoding signature.",
        Reason::CredentialMalformed
        | Reason::CredentialAmbiguous
        | Reason::TokenMalformed
        | Reason::TokenTooLarge
        | Reason::AlgorithmNotAllowed
        | Reason::IssuerUnknown
        | Reason::KeyUnknown
        | Reason::TokenNotYetValid
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
        | Reason::TokenInactive => "Incorrect authentication credentials.",
        Reason::RuleDenied
        | Reason::NoRule
        | Reason::PermissionMissing
        | Reason::RoleMissing
        | Reason::AuthenticatorNotAllowed
        | Reason::ConditionFalse
        | Reason::ConditionError => "You do not have permission to perform this action.",
        Reason::RequestMalformed
        | Reason::PathAmbiguous
        | Reason::HostAmbiguous
        | Reason::KeysUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::DeadlineExceeded
        | Reason::Overloaded
        | Reason::Internal => public_text(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, BodyStyle, ChallengeSchemes, Realm, Status, Style};
    use crate::reason::{Class, Reason};

    fn style(body: BodyStyle) -> Style {
        Style { body, ..Style::plain() }
    }

    #[test]
    fn every_reason_has_its_own_answer_of_its_class() {
        for body in [BodyStyle::Problem, BodyStyle::Detail] {
            let answers = Answers::new(&style(body));
            for reason in Reason::ALL {
                let answer = answers.get(*reason);
                let expected = match reason.class() {
                    Class::Unauthenticated => 401,
                    Class::Forbidden => 403,
                    Class::Refused => 400,
                    Class::Unavailable => 503,
                };
                assert_eq!(answer.status.code(), expected, "{reason}");
                assert_eq!(answer.challenge.is_some(), reason.class() == Class::Unauthenticated, "{reason}");
                assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap().is_object(), "{reason}");
                assert_eq!(answer, super::answer(*reason, &style(body)), "{reason} has another reason's answer");
            }
        }
    }

    #[test]
    fn a_client_is_told_the_schemes() {
        let told = |schemes, reason| {
            let answers = Answers::new(&Style { schemes, ..style(BodyStyle::Problem) });
            String::from_utf8(answers.get(reason).challenge.unwrap().to_vec()).unwrap()
        };
        let algs = r#"algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA""#;
        let described = r#"error_description="The token is not valid here.""#;
        for (schemes, reason, expected) in [
            (ChallengeSchemes::Bearer, Reason::CredentialMissing, r#"Bearer realm="modgud""#.to_owned()),
            (ChallengeSchemes::Dpop, Reason::CredentialMissing, format!(r#"DPoP realm="modgud", {algs}"#)),
            (
                ChallengeSchemes::BearerAndDpop,
                Reason::CredentialMissing,
                format!(r#"Bearer realm="modgud", DPoP realm="modgud", {algs}"#),
            ),
            (
                ChallengeSchemes::Dpop,
                Reason::SenderUnproven,
                format!(r#"DPoP realm="modgud", error="invalid_dpop_proof", {described}, {algs}"#),
            ),
            (
                ChallengeSchemes::Dpop,
                Reason::IssuerUnknown,
                format!(r#"DPoP realm="modgud", error="invalid_token", {described}, {algs}"#),
            ),
            (
                ChallengeSchemes::Bearer,
                Reason::SenderUnproven,
                format!(r#"Bearer realm="modgud", error="invalid_token", {described}"#),
            ),
        ] {
            assert_eq!(told(schemes, reason), expected);
        }
    }

    #[test]
    fn a_deployment_can_keep_the_old_status() {
        let style = Style { unauthenticated: Status::client_error(403).unwrap(), ..style(BodyStyle::Detail) };
        let answer = Answers::new(&style).get(Reason::TokenExpired);
        assert_eq!(answer.status.code(), 403);
        assert_eq!(&answer.body[..], br#"{"detail":"Signature has expired."}"#);
    }

    #[test]
    fn a_status_that_lets_through_can_not_be_made() {
        for code in [0, 100, 200, 204, 302, 399, 500, 503, 600] {
            assert!(Status::client_error(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_realm_can_not_leave_its_quotes() {
        for bad in ["", "a\"b", "a\\b", "a\nb", "ä"] {
            assert!(Realm::parse(bad).is_err(), "{bad:?}");
        }
    }
}
