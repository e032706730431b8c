//! `require` of authenticators, as written: claims that a token must have, and their values.

use super::Claim;
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A required claim.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Required {
    /// A claim that must have a value.
    Claim(Claim),
    /// A claim that must have one of some values.
    Value(RequiredValue),
}

/// A claim that must have one of some values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RequiredValue {
    /// The name of the claim; a list of names if a name itself contains a dot.
    #[schemars(example = &"token_use")]
    pub(in crate::config) claim: Claim,
    /// The allowed values; at least one. Texts are compared exactly, with case; a `*` at the end matches any rest, and is an error elsewhere.
    /// `true` and `false` allow that value, and no text.
    #[schemars(example = ["access"])]
    pub(in crate::config) values: Vec<Value>,
}

/// An allowed value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "is not a value; write a text, such as `access` or `acme-*`, or `true` or `false`")]
pub(in crate::config) enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A text, or the beginning of texts before a `*`.
    Text(String),
}

impl Required {
    /// Returns the claim.
    pub(in crate::config) const fn claim(&self) -> &Claim {
        match self {
            Self::Claim(claim) | Self::Value(RequiredValue { claim, values: _ }) => claim,
        }
    }
}

/// Unlike the derived one of an untagged enum, its errors name the wrong key or value.
impl<'de> Deserialize<'de> for Required {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RequiredVisitor)
    }
}

struct RequiredVisitor;

impl<'de> Visitor<'de> for RequiredVisitor {
    type Value = Required;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a claim, such as `sub`, a list of names, or `{ claim: token_use, values: [access] }`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Required, E> {
        Ok(Required::Claim(Claim::Text(name.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Required, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(|names| Required::Claim(Claim::Names(names)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Required, A::Error> {
        RequiredValue::deserialize(MapAccessDeserializer::new(map)).map(Required::Value)
    }
}
