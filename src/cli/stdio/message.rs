//! Messages and replies.
//!
//! A missing member makes a message invalid. So does an unknown member in the request or next to it: the sender may mean
//! it as a further restriction. Replies have the format of Python's `json.dumps`: a space after `:` and `,`, and ASCII
//! only.

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use std::fmt;
use std::io::{self, Write};

/// A message with its sender and recipient.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) src: String,
    pub(super) dest: String,
    pub(super) body: Body,
    /// The network's own number of the message, which some senders add; ignored.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
}

/// The content of a message. Has no `Debug`: it can hold a credential.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Body {
    /// A new key to verify tokens.
    Init { msg_id: MessageId, jwt_public_key: String },
    /// A request to decide.
    ApiRequest(ApiRequest),
}

/// A request to the gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiRequest {
    pub(super) msg_id: MessageId,
    pub(super) method: String,
    /// The path, with its query if there is one.
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: HeaderList,
    #[serde(default, deserialize_with = "present")]
    pub(super) required_permission: Option<String>,
}

/// Deserializes a member that is there: `null` would require nothing, and the sender may mean a permission.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// The id of a message, which its reply repeats.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum MessageId {
    /// A number, as in most messages.
    Number(#[serde(deserialize_with = "exact")] Number),
    /// Any other id.
    Text(String),
}

/// Deserializes a number that the reply repeats unchanged: more digits than this would be another number.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    /// From here on, binary64 (IEEE 754) can't represent every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = Number::deserialize(deserializer)?;
    let rounded = number.is_f64() && number.as_f64().is_none_or(|value| value.abs() >= EXACT);
    if rounded { Err(D::Error::custom("a number with too many digits")) } else { Ok(number) }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            // At most what fits on a line, without control characters, which a terminal would act on.
            Self::Text(text) => text.chars().filter(|c| !c.is_control()).take(64).try_for_each(|c| write!(f, "{c}")),
        }
    }
}

/// Headers in their order, duplicates included.
#[derive(Default)]
pub(super) struct HeaderList(pub(super) Vec<(String, String)>);

impl<'de> Deserialize<'de> for HeaderList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = HeaderList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderList, A::Error> {
                let mut list = Vec::new();
                while let Some(header) = map.next_entry()? {
                    list.push(header);
                }
                Ok(HeaderList(list))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A reply with its sender and recipient.
#[derive(Serialize)]
pub(super) struct Reply {
    pub(super) src: String,
    pub(super) dest: String,
    pub(super) body: ReplyBody,
}

/// The content of a reply.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum ReplyBody {
    /// The answer to a key.
    #[serde(rename = "init_ok")]
    InitOk { in_reply_to: MessageId },
    /// The response to an allowed request.
    #[serde(rename = "api_response")]
    Allowed { in_reply_to: MessageId, status: u16, service: String, user_context: UserContext },
    /// The response to a denied request.
    #[serde(rename = "api_response")]
    Denied { in_reply_to: MessageId, status: u16, error: String },
}

/// The caller, as the service sees it.
#[derive(Debug, Default, Serialize)]
pub(super) struct UserContext {
    pub(super) user_id: Option<Box<str>>,
    pub(super) role: Option<Box<str>>,
    pub(super) permissions: Vec<Box<str>>,
}

impl Reply {
    /// Returns the reply on one line, without a line end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        // A reply consists of strings and numbers, so it always serializes.
        let _ = self.serialize(&mut Serializer::with_formatter(&mut line, Spaced));
        line
    }
}

/// The format of `json.dumps`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for c in fragment.chars() {
            if c.is_ascii() {
                write!(writer, "{c}")?;
            } else {
                c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            // Python does not escape it.
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Backspace => writer.write_all(b"\\b"),
            CharEscape::FormFeed => writer.write_all(b"\\f"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, MessageId, Reply, ReplyBody, UserContext};

    fn line(body: ReplyBody) -> String {
        let reply = Reply { src: "gateway".into(), dest: "client \"é\" 𝄞\n".into(), body };
        String::from_utf8(reply.line()).unwrap()
    }

    #[test]
    fn replies_are_written_as_python_writes_them() {
        let id = || MessageId::Number(7.into());
        let begin = r#"{"src": "gateway", "dest": "client \"\u00e9\" \ud834\udd1e\n", "body": {"type": "#;
        assert_eq!(line(ReplyBody::InitOk { in_reply_to: id() }), format!(r#"{begin}"init_ok", "in_reply_to": 7}}}}"#));
        let refused = ReplyBody::Denied { in_reply_to: MessageId::Text("a".into()), status: 401, error: "No".into() };
        assert_eq!(
            line(refused),
            format!(r#"{begin}"api_response", "in_reply_to": "a", "status": 401, "error": "No"}}}}"#)
        );
        let user_context =
            UserContext { user_id: Some("u".into()), role: None, permissions: vec!["read".into(), "write".into()] };
        let allowed = ReplyBody::Allowed { in_reply_to: id(), status: 200, service: "s".into(), user_context };
        let content =
            r#""service": "s", "user_context": {"user_id": "u", "role": null, "permissions": ["read", "write"]}"#;
        assert_eq!(line(allowed), format!(r#"{begin}"api_response", "in_reply_to": 7, "status": 200, {content}}}}}"#));
    }

    #[test]
    fn a_number_is_replied_as_it_was_sent_or_not_at_all() {
        let read = |id: &str| {
            let body = format!(r#"{{ "type": "init", "msg_id": {id}, "jwt_public_key": "" }}"#);
            serde_json::from_str::<Message>(&format!(r#"{{ "src": "a", "dest": "b", "body": {body} }}"#)).is_ok()
        };
        assert!(["0", "-7", "1.5", "18446744073709551615", "\"123456789012345678901234567890\""].into_iter().all(read));
        assert!(!["123456789012345678901234567890", "-1e30", "1e400", "null", "[1]"].into_iter().any(read));
    }
}
