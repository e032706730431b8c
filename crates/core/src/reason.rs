//! Stable reason codes of denials for operators, each with one class. The texts for clients are in `denial`.

use std::fmt;

/// The class of a [`Reason`], which determines the HTTP status of the denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The caller did not prove their identity: 401 (RFC 9110 §15.5.2).
    Unauthenticated,
    /// The caller is known, or need not be, and lacks access: 403 (RFC 9110 §15.5.4).
    Forbidden,
    /// The request itself can be read in more than one way: 400 (RFC 9110 §15.5.1).
    BadRequest,
    /// modgud could not decide: 503 (RFC 9110 §15.6.4).
    Unavailable,
}

impl Class {
    /// Returns the name of a decision of this class in logs and metrics.
    #[must_use]
    pub const fn decision(self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::Forbidden | Self::BadRequest => "denied",
            Self::Unavailable => "unavailable",
        }
    }

    /// Returns the name of the class in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::BadRequest => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Declares the reasons as one table, so that no reason can lack a class, a code or an explanation.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $class:ident, $code:literal, $explanation:literal;)+) => {
        /// The reason for a denial. The code is a public contract; the explanation is for operators only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the stable `snake_case` code, as used in logs, metrics and documents.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Returns the class, which determines the status of the denial.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)+ }
            }

            /// Returns one sentence for the operator, never sent to a client.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)+ }
            }
        }
    };
}

reasons! {
    /// No credential in any of the authenticators' credential locations.
    CredentialMissing, Unauthenticated, "credential_missing",
        "the rule requires an authenticated caller, and the request has no credential";
    /// A credential location holds a value that is not a well-formed credential.
    CredentialMalformed, Unauthenticated, "credential_malformed",
        "the request has a credential that is not `SCHEME token`, or whose scheme no authenticator accepts";
    /// More than one credential, or a repeated header.
    CredentialAmbiguous, Unauthenticated, "credential_ambiguous",
        "the request has more than one credential, or a header with one is repeated";
    /// The token is not a JWS in compact serialisation with strict JSON inside (RFC 7515 §3.1).
    TokenMalformed, Unauthenticated, "token_malformed",
        "the token is not a well-formed signed JWT";
    /// The token is larger than the size limit.
    TokenTooLarge, Unauthenticated, "token_too_large",
        "the token is larger than the limit";
    /// `alg` is not in the authenticator's allow-list (RFC 8725 §3.1).
    AlgorithmNotAllowed, Unauthenticated, "algorithm_not_allowed",
        "the token's `alg` is not one that the authenticator allows";
    /// `iss` is not the issuer of any authenticator.
    IssuerUnknown, Unauthenticated, "issuer_unknown",
        "the token's `iss` is not that of any authenticator";
    /// `kid` is not the id of any known key of the issuer (RFC 7515 §4.1.4).
    KeyUnknown, Unauthenticated, "key_unknown",
        "the token's `kid` is not that of any key of its issuer";
    /// The signature does not verify with any of the issuer's keys.
    SignatureInvalid, Unauthenticated, "signature_invalid",
        "the token's signature does not verify with any key of its issuer";
    /// The token has no `kid`, and its issuer has more keys than are tried ([`KeySet::MAX_TRIED`](crate::jose::KeySet::MAX_TRIED)).
    KeyAmbiguous, Unauthenticated, "key_ambiguous",
        "the token's `kid` does not select a key, and its issuer has more keys than are tried";
    /// `exp` has been reached (RFC 7519 §4.1.4).
    TokenExpired, Unauthenticated, "token_expired",
        "the token's `exp` has been reached";
    /// `nbf` or `iat` lies in the future (RFC 7519 §4.1.5, §4.1.6).
    TokenNotYetValid, Unauthenticated, "token_not_yet_valid",
        "the token's `nbf` or `iat` lies in the future";
    /// The token's lifetime exceeds `max_lifetime`.
    TokenTooOld, Unauthenticated, "token_too_old",
        "the token's `exp` minus its `iat` is more than `max_lifetime`";
    /// `aud` names another audience, is missing, or is present where none is expected (RFC 7519 §4.1.3).
    AudienceMismatch, Unauthenticated, "audience_mismatch",
        "the token's `aud` does not name an audience of the authenticator, or one that the rule requires";
    /// A claim that the authenticator requires is missing.
    ClaimMissing, Unauthenticated, "claim_missing",
        "the token lacks a claim that the authenticator requires";
    /// A claim that the authenticator requires has another value than it allows.
    ClaimNotAllowed, Unauthenticated, "claim_not_allowed",
        "a claim of the token has none of the values that the authenticator allows";
    /// A claim has an unusable type or value.
    ClaimInvalid, Unauthenticated, "claim_invalid",
        "a claim of the token has an unusable type or value";
    /// `typ` is not one of the accepted types (RFC 8725 §3.11).
    TokenTypeNotAllowed, Unauthenticated, "token_type_not_allowed",
        "the token's `typ` is not one that the authenticator accepts";
    /// No entry of the authenticator accepts the certificate of the connection.
    CertificateNotAccepted, Unauthenticated, "certificate_not_accepted",
        "no entry of the authenticator accepts the certificate of the client's connection";
    /// The token is bound to a key, and the client did not prove possession of that key (RFC 8705, RFC 9449).
    SenderUnproven, Unauthenticated, "sender_unproven",
        "the token must be bound to its sender, and the client did not prove possession of the key";
    /// The token, its subject or its organization is on the revocation list.
    TokenRevoked, Unauthenticated, "token_revoked",
        "the token, its subject or its organization has been revoked";
    /// The credential is none of the authenticator's API keys.
    ApiKeyUnknown, Unauthenticated, "api_key_unknown",
        "the credential is none of the authenticator's API keys";
    /// The API key's `expires` has been reached.
    ApiKeyExpired, Unauthenticated, "api_key_expired",
        "the API key's `expires` has been reached";
    /// The authorization server reports the token as inactive (RFC 7662 §2.2).
    TokenInactive, Unauthenticated, "token_inactive",
        "the authorization server reports the token as inactive";
    /// A custom authenticator rejects the credential.
    CredentialRefused, Unauthenticated, "credential_refused",
        "a custom authenticator rejects the credential";
    /// A custom authenticator denies all access to the caller.
    CallerRefused, Forbidden, "caller_refused",
        "a custom authenticator accepts the credential, and denies its caller all access";
    /// The rule denies all callers.
    RuleDenied, Forbidden, "rule_denied",
        "the rule denies all callers of this request";
    /// No rule matches and the fallback is `denied`.
    NoRule, Forbidden, "no_rule",
        "no rule matches, and the fallback is `denied`";
    /// The Envoy route names a rule that does not exist.
    RuleUnknown, Forbidden, "rule_unknown",
        "the Envoy route names a rule (`modgud.rule`) that does not exist";
    /// The Envoy route sends a context extension that modgud does not understand.
    ContextInvalid, Forbidden, "context_invalid",
        "the `context_extensions` of the Envoy route have an unknown key of modgud, or one without a value";
    /// The caller lacks a permission or a scope.
    PermissionMissing, Forbidden, "permission_missing",
        "the caller lacks a permission or scope that the rule requires";
    /// The caller lacks a role.
    RoleMissing, Forbidden, "role_missing",
        "the caller lacks a role that the rule requires";
    /// The caller's authenticator is none of those that the rule names.
    AuthenticatorNotAllowed, Forbidden, "authenticator_not_allowed",
        "the rule does not accept callers of this caller's authenticator";
    /// The client's address is in none of the rule's networks, or unknown.
    ClientNotAllowed, Forbidden, "client_not_allowed",
        "the client's address is in no network that the rule requires, or it is unknown";
    /// The rule's condition is false, or the request names another organization than the caller's.
    ConditionFalse, Forbidden, "condition_false",
        "the rule's `when` is false, or the request names another organization than the caller's";
    /// The rule's condition can't be evaluated.
    ConditionError, Forbidden, "condition_error",
        "the rule's `when` can't be evaluated for this request";
    /// The request lacks a part that every HTTP request has, or holds a forbidden part.
    RequestMalformed, BadRequest, "request_malformed",
        "the request's method, headers or attributes are not those of an HTTP request";
    /// The path can be read in more than one way.
    PathAmbiguous, BadRequest, "path_ambiguous",
        "the request's path can be read in more than one way";
    /// The host can be read in more than one way.
    HostAmbiguous, BadRequest, "host_ambiguous",
        "the request's host can be read in more than one way";
    /// The path and query are longer than `request.max_target`.
    UriTooLong, BadRequest, "uri_too_long",
        "the request's path and query are longer than `request.max_target`";
    /// The check is larger than `server.max_message`, or has too many headers and other entries.
    RequestTooLarge, BadRequest, "request_too_large",
        "the check, which holds the request's headers and body, is larger than `server.max_message`";
    /// The body may hold a relevant value and can't be read reliably.
    BodyUnreadable, BadRequest, "body_unreadable",
        "the request's body, which may name a person to act for, is incomplete or ambiguous";
    /// The issuer's keys are unavailable.
    KeysUnavailable, Unavailable, "keys_unavailable",
        "the keys that could verify the token are unavailable from their provider";
    /// The authorization server is unavailable for introspection (RFC 7662).
    IntrospectionUnavailable, Unavailable, "introspection_unavailable",
        "the authorization server is unavailable for introspection";
    /// A custom authenticator is unavailable.
    AuthenticatorUnavailable, Unavailable, "authenticator_unavailable",
        "a custom authenticator can't check the credential at present";
    /// The check did not finish within `server.deadline`.
    DeadlineExceeded, Unavailable, "deadline_exceeded",
        "the check exceeded the deadline";
    /// More than `server.max_in_flight` checks are in progress, in total or on this connection, or too many messages are
    /// incomplete, or a custom authenticator has its maximum of calls in progress.
    Overloaded, Unavailable, "overloaded",
        "more checks are in progress than `server.max_in_flight` or a custom authenticator allows";
    /// The check could not be read, or modgud failed internally.
    Internal, Unavailable, "internal",
        "the check could not be read, or modgud failed internally";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::HashSet;

    #[test]
    fn codes_and_explanations_are_unique() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        let texts: HashSet<_> = Reason::ALL.iter().map(|reason| reason.explanation()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert_eq!(texts.len(), Reason::ALL.len());
    }
}
