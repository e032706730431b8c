//! A serde deserializer of the tree: each error has a location, and none shows a secret.

use super::error::{Error, FormError, Seen, nearest};
use super::secret;
use crate::config::path::Step;
use crate::config::raw::{KEY, SHARED_SECRET, SOURCE};
use crate::diagnostic::{Quoted, Words};
use crate::yaml::{Element, Member, Node, Value};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// The forms of a source of keys or secrets, for messages.
pub(super) const SOURCES: &str = "`{ env: NAME }`, `{ file: PATH }` or `{ value: TEXT }`";

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), current: None }),
        };
        let written = |error: Error| match &self.value {
            Value::Number(number) => error.with_written(number),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => error,
        };
        result.map_err(|error| written(error).at(&self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Deserializes a map and nothing else: serde would take a list for the values of the keys in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value {
            _ if name == SHARED_SECRET => secret::deserialize(self, known, visitor),
            Value::Map(_) => self.deserialize_any(visitor),
            other => Err(Error::of_type(other.into(), "a map").at(&self.place)),
        }
    }

    /// Deserializes a word, or a map with one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match &self.value {
            Value::Map(entries) => match (entries.as_slice(), name) {
                ([entry], SOURCE) => visitor.visit_enum(Source(entry, known)),
                ([entry], _) => visitor.visit_enum(OneOf(entry)),
                (_, SOURCE) => Err(Error::of_type((&self.value).into(), format!("exactly one of {SOURCES}"))),
                (_, _) => Err(Error::of_type((&self.value).into(), format!("exactly one of {}", Words(known)))),
            },
            other if name == SOURCE => Err(Error::of_type(other.into(), SOURCES).hidden()),
            other if name == KEY => {
                Err(Error::of_type(other.into(), format!("exactly one of {}", Words(known))).hidden())
            }
            Value::Text(word) => visitor.visit_enum(Word(word)),
            other => Err(Error::of_type(other.into(), format!("one of {}", Words(known)))),
        };
        result.map_err(|error| error.at(&self.place))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The elements of a list.
struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Element>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((position, item)) = self.0.next() else { return Ok(None) };
        let under = |error: Error| error.at(&item.node.place).under(Step::Position(position));
        seed.deserialize(&item.node).map(Some).map_err(under)
    }
}

/// The members of a map.
struct Entries<'de> {
    rest: std::slice::Iter<'de, Member>,
    current: Option<&'de Member>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        seed.deserialize(word(&entry.key)).map(Some).map_err(|error| error.at(&entry.key_place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.current {
            Some(entry) => member(entry, seed),
            None => Err(Error::new(FormError::Other("a value was asked for before its key".to_owned()))),
        }
    }
}

fn member<'de, S: DeserializeSeed<'de>>(entry: &'de Member, seed: S) -> Result<S::Value, Error> {
    let under = |error: Error| error.at(&entry.node.place).under(Step::Key(entry.key.clone()));
    seed.deserialize(&entry.node).map_err(under)
}

fn word(text: &str) -> StrDeserializer<'_, Error> {
    text.into_deserializer()
}

/// A word, read as a variant without content.
struct Word<'de>(&'de str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        Ok((seed.deserialize(word(self.0))?, self))
    }
}

impl Word<'_> {
    fn needs_a_value<T>(&self) -> Result<T, Error> {
        Err(Error::of_type(Seen::WordAlone(Quoted::new(self.0)), format!("`{{ {}: … }}`", self.0)))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Error> {
        self.needs_a_value()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.needs_a_value()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        self.needs_a_value()
    }
}

/// A map with one member, read as a variant and its content.
struct OneOf<'de>(&'de Member);

impl<'de> EnumAccess<'de> for OneOf<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let variant = seed.deserialize(word(&self.0.key)).map_err(|error| error.at(&self.0.key_place))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for OneOf<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        let key = &self.0.key;
        let error = Error::of_type(Seen::WordWithValue(Quoted::new(key)), format!("the word `{key}` alone"));
        Err(error.at(&self.0.key_place))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        member(self.0, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.node.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.0.node.deserialize_any(visitor)
    }
}

/// A map with one member that names a key or secret. Errors never repeat its content.
struct Source<'de>(&'de Member, &'static [&'static str]);

impl<'de> EnumAccess<'de> for Source<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let Self(entry, known) = self;
        let meant = known.contains(&entry.key.as_str()) || nearest(&entry.key, known).is_some();
        let read = if meant {
            seed.deserialize(word(&entry.key))
        } else {
            Err(Error::of_type(Seen::Text(Quoted::new(&entry.key)), SOURCES).hidden())
        };
        Ok((read.map_err(|error| error.at(&entry.key_place))?, self))
    }
}

impl<'de> VariantAccess<'de> for Source<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        OneOf(self.0).unit_variant().map_err(Error::hidden)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        member(self.0, seed).map_err(Error::hidden)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        OneOf(self.0).tuple_variant(len, visitor).map_err(Error::hidden)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        OneOf(self.0).struct_variant(fields, visitor).map_err(Error::hidden)
    }
}
