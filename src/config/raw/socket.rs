//! `server.socket` as written.

use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The file of a Unix socket.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Socket")]
pub(in crate::config) struct Socket {
    /// The mode of the file, as a text of four octal digits. Connecting requires write permission, so `"0660"` admits modgud's own user and
    /// the group. Default: `"0660"`. A mode that admits every user (`"0666"`) is a warning, unless `insecure_plaintext` is `true`.
    #[schemars(example = &"0660")]
    pub(in crate::config) mode: Option<Mode>,
    /// The group of the file: the name of a group on the machine of `modgud serve`, or a number. modgud's user must be a member of it.
    /// Default: the group that the system chooses, which is modgud's own or, where its set-group-ID bit is set, that of the folder.
    #[schemars(example = &"envoy")]
    pub(in crate::config) group: Option<Group>,
}

/// The mode of a file. A number is an error: `0660` is 660 for one YAML parser, 432 for another.
#[derive(Debug, JsonSchema)]
#[schemars(transparent)]
pub(in crate::config) struct Mode(pub(in crate::config) String);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ModeVisitor)
    }
}

struct ModeVisitor;

impl Visitor<'_> for ModeVisitor {
    type Value = Mode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("four octal digits in quotes, such as `\"0660\"`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Mode, E> {
        Ok(Mode(text.to_owned()))
    }
}

/// A group of the machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "is not a group; write its name, such as `envoy`, or its number, such as `65532`")]
pub(in crate::config) enum Group {
    /// The number of the group.
    Id(u32),
    /// The name of the group.
    Name(String),
}
