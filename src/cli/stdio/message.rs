//! Incoming messages. A missing member makes a message invalid. So does an unknown member in the request or next to it:
//! the sender may mean it as a further restriction.

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::fmt;

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
    pub(super) required_permission: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::Message;

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
