//! Messages: `init` and `api_request`, each bare or in an envelope (`src`, `dest`, `body`).
//!
//! Only the id has to be readable: a reply names any other error of the message, and nothing
//! is allowed. An unknown member in a request or in its envelope is wrong, since the sender may mean it as a further
//! restriction. So is a member that is there twice, since two readers could take two different ones.

use super::members::{At, Json, MemberError, Members};
use serde::Serialize;
use serde_json::Number;
use std::fmt;

/// The member that holds the message in an envelope.
const BODY: &str = "body";

/// A message whose id is readable.
pub(super) struct Message {
    pub(super) id: MessageId,
    /// `None` for a bare message, and for one whose envelope has no usable sender or recipient.
    pub(super) envelope: Option<Envelope>,
    pub(super) content: Content,
}

/// The sender and the recipient of a message.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) src: String,
    pub(super) dest: String,
}

/// The content of a message. Has no `Debug`: it can hold a credential.
pub(super) enum Content {
    /// A new key to verify tokens.
    Init { jwt_public_key: String },
    /// A new key, in an invalid message.
    InvalidInit(MemberError),
    /// A request to decide.
    ApiRequest(ApiRequest),
    /// An invalid message of another or no type.
    Invalid(MemberError),
}

impl Content {
    /// Returns true for a message that replaces the key, or would.
    pub(super) const fn is_init(&self) -> bool {
        match self {
            Self::Init { .. } | Self::InvalidInit(_) => true,
            Self::ApiRequest(_) | Self::Invalid(_) => false,
        }
    }
}

/// A request to the gateway.
pub(super) struct ApiRequest {
    pub(super) method: String,
    /// The path, with its query if there is one.
    pub(super) path: String,
    /// Headers in their order, duplicates included.
    pub(super) headers: Vec<(String, String)>,
    pub(super) required_permission: Option<String>,
    /// The place of these members, for errors.
    pub(super) at: At,
}

/// The id of a message, which its reply repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum MessageId {
    /// A number, as in most messages.
    Number(Number),
    /// Any other id.
    Text(String),
}

/// The reason why no reply can name the message that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnreadableId {
    #[error("it has no `msg_id`; write one, a number or a text, beside `type`")]
    Missing,
    #[error("its `msg_id` is neither a number nor a text; write one of them")]
    Type,
    #[error("its `msg_id` has more digits than a reply can repeat; write it as a text")]
    Digits,
    #[error("its `msg_id` is not Unicode text; write UTF-8 without single surrogates")]
    NotUnicode,
    #[error("it has several different `msg_id`; write one")]
    Several,
}

impl Message {
    /// Reads a message from a well-formed JSON object.
    ///
    /// # Errors
    /// [`UnreadableId`] if there is no id that a reply could repeat.
    pub(super) fn parse(object: &[u8]) -> Result<Self, UnreadableId> {
        let outer = Members::of(object);
        let inner: Vec<Members<'_>> = outer.all(BODY).filter_map(Json::members).collect();
        let id = MessageId::of(std::iter::once(&outer).chain(&inner))?;
        let content = content(&outer, inner.first()).unwrap_or_else(|error| {
            let mut types = outer.all("type").chain(inner.iter().flat_map(|inner| inner.all("type")));
            let is_init = types.any(|value| value.text(String::new, "").is_ok_and(|text| text == "init"));
            if is_init { Content::InvalidInit(error) } else { Content::Invalid(error) }
        });
        Ok(Self { id, envelope: Envelope::of(&outer), content })
    }
}

impl Envelope {
    fn of(outer: &Members<'_>) -> Option<Self> {
        let text = |name| outer.text(At::Top, name, "").ok();
        Some(Self { src: text("src")?, dest: text("dest")? })
    }
}

impl MessageId {
    /// Returns the one id of a message, wherever it is.
    fn of<'m, 'a: 'm>(members: impl Iterator<Item = &'m Members<'a>>) -> Result<Self, UnreadableId> {
        let mut found = None;
        for value in members.flat_map(|members| members.all("msg_id")) {
            let id = Self::read(value)?;
            match &found {
                Some(other) if *other != id => return Err(UnreadableId::Several),
                Some(_) | None => found = Some(id),
            }
        }
        found.ok_or(UnreadableId::Missing)
    }

    fn read(value: Json<'_>) -> Result<Self, UnreadableId> {
        /// From here on, binary64 (IEEE 754) can't represent every whole number.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value {
            Json::Number(digits) => {
                let number: Number = serde_json::from_slice(digits).map_err(|_| UnreadableId::Digits)?;
                // The reply repeats a number unchanged: more digits than this would be another number.
                let is_rounded = number.is_f64() && number.as_f64().is_none_or(|value| value.abs() >= EXACT);
                if is_rounded { Err(UnreadableId::Digits) } else { Ok(Self::Number(number)) }
            }
            Json::Text(_) => value.text(String::new, "").map(Self::Text).map_err(|_| UnreadableId::NotUnicode),
            Json::Null | Json::Bool | Json::List | Json::Object(_) => Err(UnreadableId::Type),
        }
    }
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

/// Returns the content of a message: `inner` if it has an envelope, else `outer`.
fn content(outer: &Members<'_>, inner: Option<&Members<'_>>) -> Result<Content, MemberError> {
    if !outer.has(BODY) {
        if outer.has("src") || outer.has("dest") {
            return Err(MemberError::new("`body` is missing beside `src` and `dest`; write an object with `type`"));
        }
        return of_type(outer, At::Top);
    }
    if outer.has("type") {
        let text = "`type` is beside `body`, so that there are two messages; write it in `body`, or write no `body`";
        return Err(MemberError::new(text));
    }
    // The network's own number of the message, which some senders add, is ignored.
    let help = "members of the message belong in `body`";
    known(outer, At::Top, "an envelope", &["src", "dest", BODY, "id"], help)?;
    outer.text(At::Top, "src", "a text")?;
    outer.text(At::Top, "dest", "a text")?;
    outer.one(At::Top, "id")?;
    let body = outer.one(At::Top, BODY)?;
    match (inner, body) {
        (Some(inner), _) => of_type(inner, At::In(BODY)),
        (None, body) => {
            let example = "an object with `type`";
            Err(body.unwrap_or(Json::Null).instead_of(|| At::Top.name(Some(BODY)), example))
        }
    }
}

/// Reads a message by its type.
fn of_type(members: &Members<'_>, at: At) -> Result<Content, MemberError> {
    members.one(at, "msg_id")?;
    match members.text(at, "type", "`init` or `api_request`")?.as_str() {
        "init" => {
            let jwt_public_key = members.text(at, "jwt_public_key", "the PEM text of a public key")?;
            Ok(Content::Init { jwt_public_key })
        }
        "api_request" => ApiRequest::read(members, at).map(Content::ApiRequest),
        _ => Err(MemberError::new(format!("{} is unknown; write `init` or `api_request`", at.name(Some("type"))))),
    }
}

impl ApiRequest {
    fn read(members: &Members<'_>, at: At) -> Result<Self, MemberError> {
        const MEMBERS: [&str; 6] = ["type", "msg_id", "method", "path", "headers", "required_permission"];
        const PERMISSION: &str = "a text, such as `delete`, or leave it out";
        known(members, at, "`api_request`", &MEMBERS, "correct its name, or leave it out")?;
        let method = members.text(at, "method", "a text, such as `GET`")?;
        let path = members.text(at, "path", "a text, such as `/api/users/123`")?;
        let headers = members.one(at, "headers")?.map(|headers| self::headers(headers, at)).transpose()?;
        // `null`, and a text that no permission has, would require nothing: the sender may mean a permission.
        let permission = |value: Json<'_>| value.text(|| at.name(Some("required_permission")), PERMISSION);
        let required_permission = members.one(at, "required_permission")?.map(permission).transpose()?;
        if required_permission.as_ref().is_some_and(String::is_empty) {
            let name = at.name(Some("required_permission"));
            return Err(MemberError::new(format!("{name} is empty; write {PERMISSION}")));
        }
        Ok(Self { method, path, headers: headers.unwrap_or_default(), required_permission, at })
    }
}

/// Reads headers: an object of texts.
fn headers(value: Json<'_>, at: At) -> Result<Vec<(String, String)>, MemberError> {
    let Some(members) = value.members() else {
        return Err(value.instead_of(|| at.name(Some("headers")), "an object of texts, or leave it out"));
    };
    let header = |member: &super::members::Member<'_>| {
        let name = || At::In("headers").name(member.name.as_deref());
        let value = member.value.text(name, "a text")?;
        let name = member.name.clone().ok_or_else(|| {
            MemberError::new("`headers` has a name that is not Unicode text; write UTF-8 without single surrogates")
        })?;
        Ok((name, value))
    };
    members.iter().map(header).collect()
}

/// Checks that each member has one of these names.
fn known(members: &Members<'_>, at: At, of: &str, names: &[&str], help: &str) -> Result<(), MemberError> {
    let is_known = |name: &Option<String>| name.as_deref().is_some_and(|name| names.contains(&name));
    match members.iter().find(|member| !is_known(&member.name)) {
        None => Ok(()),
        Some(member) => {
            let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let name = at.name(member.name.as_deref());
            Err(MemberError::new(format!("{name} is not a member of {of}, which has {list}; {help}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BODY, Content, Message, MessageId, UnreadableId};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn id(text: &str) -> Result<MessageId, UnreadableId> {
        Message::parse(text.as_bytes()).map(|message| message.id)
    }

    #[test]
    fn a_number_is_repeated_as_it_was_sent_or_not_at_all() {
        let read = |id: &str| self::id(&format!(r#"{{ "type": "init", "msg_id": {id}, "jwt_public_key": "" }}"#));
        for good in ["0", "-7", "1.5", "18446744073709551615", "\"123456789012345678901234567890\"", "\"\""] {
            assert_eq!(serde_json::to_string(&read(good).unwrap()).unwrap(), good);
        }
        for (bad, error) in [
            ("123456789012345678901234567890", UnreadableId::Digits),
            ("-1e30", UnreadableId::Digits),
            ("1e400", UnreadableId::Digits),
            ("null", UnreadableId::Type),
            ("true", UnreadableId::Type),
            ("[1]", UnreadableId::Type),
            ("{}", UnreadableId::Type),
            (r#""\ud800""#, UnreadableId::NotUnicode),
            (r#"1, "msg_id": 2"#, UnreadableId::Several),
            (r#"1, "body": { "msg_id": 2 }"#, UnreadableId::Several),
            (r#"1, "msg_id": null"#, UnreadableId::Type),
        ] {
            assert_eq!(read(bad), Err(error), "{bad}");
        }
        assert_eq!(id("{}"), Err(UnreadableId::Missing));
        assert_eq!(id(r#"{ "body": [{ "msg_id": 1 }], "headers": { "msg_id": 1 } }"#), Err(UnreadableId::Missing));
    }

    /// Whatever says `init` ends the key before it, even where it is not a valid message.
    #[test]
    fn an_invalid_message_that_says_init_counts_as_one() {
        let content = |text: &str| Message::parse(text.as_bytes()).unwrap().content;
        for init in [
            r#"{ "msg_id": 1, "type": "init" }"#,
            r#"{ "msg_id": 1, "type": "init", "jwt_public_key": null }"#,
            r#"{ "msg_id": 1, "type": "init", "type": "api_request", "jwt_public_key": "k" }"#,
            r#"{ "src": "a", "dest": "b", "x": 1, "body": { "msg_id": 1, "type": "init", "jwt_public_key": "k" } }"#,
            r#"{ "type": "api_request", "body": { "msg_id": 1, "type": "in\u0069t", "jwt_public_key": "k" } }"#,
        ] {
            assert!(matches!(content(init), Content::InvalidInit(_)), "{init}");
        }
        for other in [r#"{ "msg_id": 1, "type": "Init" }"#, r#"{ "msg_id": 1, "type": ["init"] }"#] {
            assert!(matches!(content(other), Content::Invalid(_)), "{other}");
        }
    }

    /// Generates objects of the members that messages have, right or wrong, each perhaps several times.
    fn any_object(depth: u32) -> BoxedStrategy<String> {
        let words = ["type", "msg_id", "method", "path", "headers", "required_permission", "src", "dest", BODY, "x"];
        let value = prop_oneof![
            4 => prop::sample::select(vec!["init", "api_request", "GET", "/", "delete", ""]).prop_map(|text| json!(text).to_string()),
            2 => (0_u8..3).prop_map(|number| number.to_string()),
            1 => prop::sample::select(vec!["null", "[]", "{}", "{\"a\":\"b\"}", "[{\"type\":\"init\"}]", "\"\\ud800\"", "1e999"])
                .prop_map(str::to_owned),
        ];
        let value = if depth == 0 {
            value.boxed()
        } else {
            prop_oneof![3 => value, 1 => any_object(depth.saturating_sub(1))].boxed()
        };
        let member =
            (prop::sample::select(words.to_vec()), value).prop_map(|(name, value)| format!("{name:?}: {value}"));
        prop::collection::vec(member, 0..9).prop_map(|members| format!("{{{}}}", members.join(", "))).boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// Whatever becomes a request says the same to another reader, and to one that takes the first or the last of
        /// two members.
        #[test]
        fn a_request_is_what_another_parser_reads(
            text in prop_oneof![
                any_object(1),
                any_object(1).prop_map(|body| format!("{{\"src\": \"a\", \"dest\": \"b\", \"body\": {body}}}")),
                any_object(1).prop_map(|rest| format!(
                    "{{\"type\": \"api_request\", \"msg_id\": 1, \"method\": \"GET\", \"path\": \"/\"{}{}",
                    if rest == "{}" { "" } else { ", " }, rest.get(1..).unwrap()
                )),
            ],
        ) {
            if let Ok(Message { id, envelope, content: Content::ApiRequest(request) }) = Message::parse(text.as_bytes()) {
                let outer: Value = serde_json::from_str(&text).unwrap();
                let inner = outer.get(BODY).unwrap_or(&outer);
                prop_assert_eq!(envelope.is_some(), outer.get(BODY).is_some());
                prop_assert_eq!(&inner["type"], "api_request");
                prop_assert_eq!(&inner["msg_id"], &serde_json::to_value(&id).unwrap());
                prop_assert_eq!(&inner["method"], &request.method);
                prop_assert_eq!(&inner["path"], &request.path);
                let permission = request.required_permission.map(Value::from);
                prop_assert_eq!(inner.get("required_permission"), permission.as_ref());
                let names: Vec<_> = inner.as_object().unwrap().keys().collect();
                prop_assert!(names.iter().all(|name| !["src", "dest", BODY, "x"].contains(&name.as_str())), "{}", text);
                // Headers may repeat; everything else is there once.
                let written: usize = names.iter().map(|name| text.matches(&format!("\"{name}\": ")).count()).sum();
                let headers = request.headers.iter().filter(|(name, _)| names.contains(&name)).count();
                prop_assert_eq!(written, names.len().saturating_add(headers), "{}", text);
            }
        }
    }
}
