//! From a tree to a type: serde, with errors that know their place. [`read`] goes on after a fault, so that all are found.

use super::path::{Path, Step};
use super::tree::{Entry, Item, Node, Place, Value};
use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::fmt;

/// What is wrong with the form of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// A key that nobody reads.
    #[error("unknown key `{key}`{}", Nearest(key, .known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys that may stand there.
        known: &'static [&'static str],
    },
    /// A word that is not one of those that may stand there.
    #[error("`{word}` is not known here{}", Nearest(word, .known))]
    UnknownWord {
        /// The word.
        word: String,
        /// The words that may stand there.
        known: &'static [&'static str],
    },
    /// A key that must be there is not.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A value of another type.
    #[error("found {found}, expected {expected}")]
    Type {
        /// What was found.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// What serde says, when it is none of these.
    #[error("{0}")]
    Other(String),
}

/// Names the nearest known word, or all of them.
struct Nearest<'a>(&'a str, &'a [&'static str]);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word, known) = self;
        let distance = |known: &&&str| strsim::damerau_levenshtein(word, known);
        match known.iter().min_by_key(distance).filter(|nearest| distance(nearest) <= 2.max(word.len() / 3)) {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None if known.is_empty() => f.write_str("; nothing may stand here"),
            None => {
                f.write_str("; known are ")?;
                let mut separator = "";
                known.iter().try_for_each(|word| {
                    write!(f, "{separator}`{word}`")?;
                    separator = ", ";
                    Ok(())
                })
            }
        }
    }
}

/// A fault, on its way out of the tree.
#[derive(Debug)]
pub(super) struct Fault {
    what: FormFault,
    /// Where: set by the innermost value that knows.
    place: Option<Place>,
    /// The way, innermost step first.
    steps: Vec<Step>,
}

impl Fault {
    fn new(what: FormFault) -> Self {
        Self { what, place: None, steps: Vec::new() }
    }

    fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(FormFault::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(text) => format!("the text `{text}`"),
            Unexpected::Signed(number) => format!("the number `{number}`"),
            Unexpected::Unsigned(number) => format!("the number `{number}`"),
            Unexpected::Float(number) => format!("the number `{number}`"),
            Unexpected::Bool(value) => format!("`{value}`"),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a map".to_owned(),
            Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
            other => other.to_string(),
        };
        Self::new(FormFault::Type { found, expected: plain(expected) })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(FormFault::UnknownKey { key: key.to_owned(), known })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(FormFault::UnknownWord { word: word.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(FormFault::Missing(key))
    }
}

/// What serde's derived visitors expect, in words without Rust's names.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string() {
        text if text.starts_with("struct ") => "a map".to_owned(),
        text if text == "a sequence" => "a list".to_owned(),
        text if text.starts_with("a string") || text.starts_with("path string") => "a text".to_owned(),
        text if text == "string or map" || text.starts_with("enum ") => "a word or a map with one key".to_owned(),
        text if matches!(text.as_str(), "u16" | "u32" | "u64" | "usize") => "a whole number".to_owned(),
        text => text,
    }
}

/// One fault of a document, with its place and path.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) path: Path,
    pub(super) shown: String,
    pub(super) what: FormFault,
}

/// Reads a type from a tree and finds every fault of form. What is faulty is taken out of the tree, so that the rest can be
/// read and its meaning checked; `None` when nothing is left to read.
pub(super) fn read<T: DeserializeOwned>(root: &mut Node) -> (Option<T>, Vec<Found>) {
    let mut found: Vec<Found> = Vec::new();
    loop {
        let fault = match T::deserialize(&*root) {
            Ok(value) => return (Some(value), found),
            Err(fault) => fault,
        };
        let Fault { what, place, steps } = fault;
        let path = Path::from_inside(steps);
        // What is missing only because it was faulty, and was taken out for it, has been told already.
        let told = match &what {
            FormFault::Missing(key) => found.iter().any(|one| one.path == path.key(key)),
            FormFault::Type { .. } => path.is_empty_map(root) && found.iter().any(|one| one.path.is_in(&path)),
            FormFault::UnknownKey { .. } | FormFault::UnknownWord { .. } | FormFault::Other(_) => false,
        };
        let remove = match &what {
            FormFault::UnknownKey { key, .. } => path.key(key),
            FormFault::UnknownWord { .. } | FormFault::Missing(_) | FormFault::Type { .. } | FormFault::Other(_) => {
                path.clone()
            }
        };
        let shown = remove.shown(root).to_string();
        let place = place.unwrap_or_else(|| path.place(root).clone());
        let at_root = remove.split().is_none();
        remove.take_out(root);
        if !told {
            found.push(Found { place, path: remove, shown, what });
        }
        if at_root {
            return (None, found);
        }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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
        result.map_err(|fault| fault.at(&self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// A word, or a map with one member.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match &self.value {
            Value::Text(word) => visitor.visit_enum(StrDeserializer::<Fault>::new(word)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(OneOf(entry)),
                _ => Err(Fault::new(FormFault::Type {
                    found: format!("a map with {} keys", entries.len()),
                    expected: format!("exactly one of {}", Words(known)),
                })),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) => {
                let found: Result<String, Fault> = self.deserialize_any(Describe);
                let found = found.unwrap_or_default();
                Err(Fault::new(FormFault::Type { found, expected: format!("one of {}", Words(known)) }))
            }
        };
        result.map_err(|fault| fault.at(&self.place))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The elements of a list.
struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Item>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((position, item)) = self.0.next() else { return Ok(None) };
        let under = |fault: Fault| fault.at(&item.node.place).under(Step::Position(position));
        seed.deserialize(&item.node).map(Some).map_err(under)
    }
}

/// The members of a map.
struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.current = self.rest.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|fault| fault.at(&entry.key_place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.current {
            Some(entry) => member(entry, seed),
            None => Err(Fault::new(FormFault::Other("a value was asked for before its key".to_owned()))),
        }
    }
}

fn member<'de, S: DeserializeSeed<'de>>(entry: &'de Entry, seed: S) -> Result<S::Value, Fault> {
    seed.deserialize(&entry.node).map_err(|fault| {
        let mut fault = fault.at(&entry.node.place);
        // What stands under `value` may be a secret, and is not repeated whatever is wrong with it.
        if let (FormFault::Type { found, .. }, "value", []) = (&mut fault.what, entry.key.as_str(), &*fault.steps) {
            "something else, which is not shown as it may be a secret".clone_into(found);
        }
        fault.under(Step::Key(entry.key.clone()))
    })
}

/// A map with one member, taken for a variant and what belongs to it.
struct OneOf<'de>(&'de Entry);

impl<'de> EnumAccess<'de> for OneOf<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let word: StringDeserializer<Fault> = self.0.key.clone().into_deserializer();
        let variant = seed.deserialize(word).map_err(|fault| fault.at(&self.0.key_place))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for OneOf<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        let found = format!("a map with the key `{}`", self.0.key);
        let expected = format!("the word `{}` alone", self.0.key);
        Err(Fault::new(FormFault::Type { found, expected }).at(&self.0.key_place))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        member(self.0, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.0.node.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.0.node.deserialize_any(visitor)
    }
}

/// Says what a value is, where an enum was expected.
struct Describe;

impl<'de> Visitor<'de> for Describe {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("nothing".to_owned())
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(format!("`{value}`"))
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(format!("the number `{value}`"))
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(format!("the number `{value}`"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(format!("the number `{value}`"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Ok("a list".to_owned())
    }
}

/// Words for a sentence: `a`, `b`, `c`.
struct Words(&'static [&'static str]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.0.iter().enumerate() {
            write!(f, "{}`{word}`", if number == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
