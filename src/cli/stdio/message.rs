//! The messages that come in. One with a member that is missing is no message; nor is one with a member that is not known in the request
//! or beside it, since that may be meant to ask for more than is asked without it.

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
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
    Number(serde_json::Number),
    /// Any other name.
    Text(String),
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
