//! The messages that come in. One with a member that is missing is no message; nor is one with a member that is not known in the request
//! or beside it, since that may be meant to ask for more than is asked without it.

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::fmt;

/// A message, and who sends it to whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) src: String,
    pub(super) dest: String,
    pub(super) body: Body,
    /// The network's own number of the message, which some send along. Means nothing here.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
}

/// What a message says. Has no `Debug`: it can hold a credential.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Body {
    /// From now on, tokens are verified with this key.
    Init { msg_id: MessageId, jwt_public_key: String },
    /// May this be done?
    ApiRequest(ApiRequest),
}

/// A request to the gateway.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiRequest {
    pub(super) msg_id: MessageId,
    pub(super) method: String,
    /// With its query, if it has one.
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: HeaderList,
    pub(super) required_permission: Option<String>,
}

/// What a reply refers to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum MessageId {
    /// As in most messages.
    Number(#[serde(deserialize_with = "exact")] Number),
    /// Any other name.
    Text(String),
}

/// A number that is replied as it was sent: a longer one would be another.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    /// From here on not every whole number is one (IEEE 754 binary64).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = Number::deserialize(deserializer)?;
    let rounded = number.is_f64() && number.as_f64().is_none_or(|value| value.abs() >= EXACT);
    if rounded { Err(D::Error::custom("a number with too many digits")) } else { Ok(number) }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            // Not more of it than a line holds, and nothing that does something to a terminal.
            Self::Text(text) => text.chars().filter(|c| !c.is_control()).take(64).try_for_each(|c| write!(f, "{c}")),
        }
    }
}

/// Headers in the order in which they stand there: a name that is there twice is there twice.
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
