//! Replies, in the format of Python's `json.dumps`: a space after `:` and `,`, and ASCII only.

use super::message::{Envelope, MessageId};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use std::io::{self, Write};

/// A reply: in an envelope, or bare, as its message is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Reply {
    /// With its sender and recipient.
    Enveloped { src: String, dest: String, body: ReplyBody },
    /// The content alone.
    Bare(ReplyBody),
}

/// The content of a reply.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(super) enum ReplyBody {
    /// The answer to a key.
    #[serde(rename = "init_ok")]
    InitOk { in_reply_to: MessageId },
    /// The response to an allowed request.
    #[serde(rename = "api_response")]
    Allowed { in_reply_to: MessageId, status: u16, service: String, user_context: UserContext },
    /// The response to a denied request, or to an invalid message.
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
    /// Creates the reply to a message with this envelope. Its sender becomes the recipient.
    pub(super) fn new(envelope: Option<Envelope>, body: ReplyBody) -> Self {
        match envelope {
            Some(Envelope { src, dest }) => Self::Enveloped { src: dest, dest: src, body },
            None => Self::Bare(body),
        }
    }

    /// Returns the reply on one line, with its line end.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        // A reply consists of strings and numbers, so it always serializes.
        let _ = self.serialize(&mut Serializer::with_formatter(&mut line, Spaced));
        line.push(b'\n');
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
            // DEL is the one other ASCII character that Python escapes.
            if matches!(c, ' '..='~') {
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
    use super::{Envelope, MessageId, Reply, ReplyBody, UserContext};

    fn line(body: ReplyBody, envelope: Option<Envelope>) -> String {
        String::from_utf8(Reply::new(envelope, body).line()).unwrap()
    }

    #[test]
    fn replies_are_written_as_python_writes_them() {
        let id = || MessageId::Number(7.into());
        let user_context =
            || UserContext { user_id: Some("u".into()), role: None, permissions: vec!["read".into(), "write".into()] };
        let content =
            r#""service": "s", "user_context": {"user_id": "u", "role": null, "permissions": ["read", "write"]}"#;
        for (body, expected) in [
            (ReplyBody::InitOk { in_reply_to: id() }, r#"{"type": "init_ok", "in_reply_to": 7}"#.to_owned()),
            (
                ReplyBody::Denied { in_reply_to: MessageId::Text("a".into()), status: 401, error: "No".into() },
                r#"{"type": "api_response", "in_reply_to": "a", "status": 401, "error": "No"}"#.to_owned(),
            ),
            (
                ReplyBody::Allowed {
                    in_reply_to: id(),
                    status: 200,
                    service: "s".into(),
                    user_context: user_context(),
                },
                format!(r#"{{"type": "api_response", "in_reply_to": 7, "status": 200, {content}}}"#),
            ),
        ] {
            let bare = line(body, None);
            assert_eq!(bare, format!("{expected}\n"));
        }
        let envelope = Envelope { src: "client \"é\" 𝄞\n\u{7f}".into(), dest: "gateway".into() };
        assert_eq!(
            line(ReplyBody::InitOk { in_reply_to: id() }, Some(envelope)),
            "{\"src\": \"gateway\", \"dest\": \"client \\\"\\u00e9\\\" \\ud834\\udd1e\\n\\u007f\", \"body\": {\"type\": \"init_ok\", \"in_reply_to\": 7}}\n"
        );
    }
}
