//! modgud's credential for an authorization server (RFC 6749 §2.3.1), and the form that carries a token (RFC 7662
//! §2.1). Other servers never get it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use modgud_core::http::percent;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

/// All ASCII characters that are escaped in a form. A space becomes `+` afterwards.
const OF_FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// The client authentication at the authorization server.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuthentication {
    /// In the header `Authorization`, with the scheme `Basic`.
    #[default]
    Basic,
    /// In the form, with the token.
    Post,
}

/// A client id and secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredential {
    /// The `Basic` header; `None` if the credential is in the form.
    authorization: Option<HeaderValue>,
    /// The form fields before the token.
    fields: String,
}

impl ClientCredential {
    /// Creates a credential. Id and secret are form-encoded, for `Basic` too, so any character is valid in them.
    #[must_use]
    pub fn new(id: &str, secret: &str, method: ClientAuthentication) -> Self {
        let (id, secret) = (encoded(id), encoded(secret));
        match method {
            ClientAuthentication::Basic => {
                let pair = STANDARD.encode(format!("{id}:{secret}"));
                // Letters, digits, `+`, `/` and `=` always form a valid header value.
                let mut authorization = HeaderValue::try_from(format!("Basic {pair}")).ok();
                if let Some(value) = &mut authorization {
                    value.set_sensitive(true);
                }
                Self { authorization, fields: String::new() }
            }
            ClientAuthentication::Post => {
                Self { authorization: None, fields: format!("client_id={id}&client_secret={secret}&") }
            }
        }
    }

    /// Returns the header; `None` if the credential is in the form.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Returns the form for a token.
    pub(super) fn form(&self, token: &str) -> Bytes {
        format!("{}token={}&token_type_hint=access_token", self.fields, encoded(token)).into()
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCredential(…)")
    }
}

/// Encodes a text as `application/x-www-form-urlencoded` (RFC 6749 appendix B).
fn encoded(text: &str) -> String {
    percent::encode(text, OF_FORM).replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use super::{ClientAuthentication, ClientCredential};

    #[test]
    fn any_character_is_valid_in_id_and_secret() {
        // The example of RFC 6749 appendix B, and the separator of `Basic`.
        let (id, secret) = (" %&+£€", "a:b c%ü");
        let basic = ClientCredential::new(id, secret, ClientAuthentication::Basic);
        let expected = "Basic KyUyNSUyNiUyQiVDMiVBMyVFMiU4MiVBQzphJTNBYitjJTI1JUMzJUJD";
        assert_eq!(basic.authorization().unwrap(), expected);
        assert_eq!(basic.form("t/~+="), "token=t%2F%7E%2B%3D&token_type_hint=access_token");
        let post = ClientCredential::new(id, secret, ClientAuthentication::Post);
        assert_eq!(post.authorization(), None);
        let expected =
            "client_id=+%25%26%2B%C2%A3%E2%82%AC&client_secret=a%3Ab+c%25%C3%BC&token=t&token_type_hint=access_token";
        assert_eq!(post.form("t"), expected);
        for credential in [basic, post] {
            assert_eq!(format!("{credential:?}"), "ClientCredential(…)");
        }
    }
}
