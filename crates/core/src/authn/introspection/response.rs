//! The introspection response (RFC 7662 §2.2): parsed strictly, and accepted only where it is unambiguous.

use crate::jose::{Claims, JsonError, NumericDate};
use crate::time::Timestamp;
use serde_json::Value;

/// An introspection response.
#[derive(Debug, Clone, PartialEq)]
pub enum IntrospectionResponse {
    /// The token is active, with these claims.
    Active(ActiveToken),
    /// The token is inactive, or is not for this client.
    Inactive,
}

/// A token that its server reports as active.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveToken {
    /// The members of the response without `active`.
    pub claims: Claims,
    /// Its `exp`; `Timestamp::NEVER` if that is missing or unreadable.
    pub(super) expires: Timestamp,
}

/// The reason why a response is unusable. The token is then neither active nor inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntrospectionResponseError {
    /// The response is not an object of strict JSON.
    #[error("the response {0}")]
    Json(JsonError),
    /// `active` is neither `true` nor `false`.
    #[error("the response has no `active` that is `true` or `false` (RFC 7662 §2.2)")]
    Active,
}

impl IntrospectionResponse {
    /// Parses the body of a response.
    ///
    /// # Errors
    /// [`IntrospectionResponseError`], also if `active` is missing or anything but `true` or `false`. Such a server does not follow RFC
    /// 7662, so the response means neither active nor inactive.
    pub fn parse(body: &[u8]) -> Result<Self, IntrospectionResponseError> {
        let (claims, active) = Claims::parse_without(body, "active").map_err(IntrospectionResponseError::Json)?;
        match active {
            Some(Value::Bool(true)) => {
                let expires = claims.numeric_date("exp").ok().flatten();
                let expires = expires.map_or(Timestamp::NEVER, NumericDate::floor);
                Ok(Self::Active(ActiveToken { claims, expires }))
            }
            Some(Value::Bool(false)) => Ok(Self::Inactive),
            Some(Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) | None => {
                Err(IntrospectionResponseError::Active)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IntrospectionResponse, IntrospectionResponseError, JsonError};
    use crate::time::Timestamp;

    #[test]
    fn only_true_is_a_yes_and_only_false_is_a_no() {
        let Ok(IntrospectionResponse::Active(active)) =
            IntrospectionResponse::parse(br#"{"active": true, "sub": "u", "exp": 12.5}"#)
        else {
            panic!("it is active")
        };
        assert_eq!((active.claims.get("active"), active.expires), (None, Timestamp::from_millis(12_500)));
        assert_eq!(active.claims.text("sub"), Ok(Some("u")));
        let no = IntrospectionResponse::parse(br#"{"active": false, "sub": "u"}"#);
        assert_eq!(no, Ok(IntrospectionResponse::Inactive));
        for odd in ["\"true\"", "\"false\"", "1", "0", "null", "[true]", "{}", "\"\""] {
            let answer = IntrospectionResponse::parse(format!("{{\"active\": {odd}}}").as_bytes());
            assert_eq!(answer, Err(IntrospectionResponseError::Active), "{odd}");
        }
        assert_eq!(IntrospectionResponse::parse(b"{}"), Err(IntrospectionResponseError::Active));
        assert_eq!(IntrospectionResponse::parse(br#"{"Active": true}"#), Err(IntrospectionResponseError::Active));
    }

    #[test]
    fn what_can_be_read_in_two_ways_says_nothing() {
        for (body, error) in [
            (r#"{"active": false, "active": true}"#, JsonError::DuplicateName),
            (r#"{"active": true, "\u0061ctive": false}"#, JsonError::DuplicateName),
            (r#"{"active": true, "a": {"b": 1, "b": 2}}"#, JsonError::DuplicateName),
            ("<html></html>", JsonError::Syntax),
            ("", JsonError::Syntax),
            (r#"{"active": true} {"active": true}"#, JsonError::Syntax),
            ("true", JsonError::NotAnObject),
            (r#"[{"active": true}]"#, JsonError::NotAnObject),
        ] {
            assert_eq!(
                IntrospectionResponse::parse(body.as_bytes()),
                Err(IntrospectionResponseError::Json(error)),
                "{body}"
            );
        }
    }

    #[test]
    fn an_unreadable_expiry_limits_nothing_here() {
        for (exp, expires) in
            [("\"soon\"", Timestamp::NEVER), ("null", Timestamp::NEVER), ("7", Timestamp::from_secs(7))]
        {
            let body = format!("{{\"active\": true, \"exp\": {exp}}}");
            let Ok(IntrospectionResponse::Active(active)) = IntrospectionResponse::parse(body.as_bytes()) else {
                panic!("{body}")
            };
            assert_eq!(active.expires, expires, "{body}");
        }
    }
}
