//! What modgud shows to an authorization server to be answered (RFC 6749 §2.3.1), and the form that a token is sent in (RFC 7662
//! §2.1). Never shown to anybody else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use std::fmt;

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// In the header `Authorization`, by the scheme `Basic`.
    Basic,
    /// In the form, beside the token.
    Post,
}

/// Who asks, and the secret that proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredential {
    /// By `Basic`; `None` when it stands in the form.
    authorization: Option<HeaderValue>,
    /// What stands in the form before the token.
    fields: String,
}

impl ClientCredential {
    /// A client's id and secret, shown in a way. Both are encoded as a form is, in `Basic` too, so that any character may stand in them.
    #[must_use]
    pub fn new(id: &str, secret: &str, how: ClientAuthentication) -> Self {
        let (id, secret) = (encoded(id), encoded(secret));
        match how {
            ClientAuthentication::Basic => {
                let pair = STANDARD.encode(format!("{id}:{secret}"));
                // Made of letters, digits, `+`, `/` and `=`: always a header's value.
                let mut authorization = HeaderValue::try_from(format!("Basic {pair}")).ok();
                authorization.iter_mut().for_each(|value| value.set_sensitive(true));
                Self { authorization, fields: String::new() }
            }
            ClientAuthentication::Post => {
                Self { authorization: None, fields: format!("client_id={id}&client_secret={secret}&") }
            }
        }
    }

    /// The header, if it is shown there.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The form that asks about a token.
    pub(super) fn form(&self, token: &str) -> Bytes {
        format!("{}token={}&token_type_hint=access_token", self.fields, encoded(token)).into()
    }
}

impl fmt::Debug for ClientCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCredential(…)")
    }
}

/// A text as `application/x-www-form-urlencoded` has it (RFC 6749 appendix B).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{ClientAuthentication, ClientCredential};

    #[test]
    fn any_character_may_stand_in_id_and_secret() {
        // The example of RFC 6749 appendix B, and what separates the two in `Basic`.
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
