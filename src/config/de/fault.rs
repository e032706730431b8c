//! Form errors of a document, and their messages.

use super::super::path::Step;
use super::super::quoted::{Quoted, Words};
use crate::yaml::{Location, Number, Value};
use serde::de::{self, Expected, Unexpected};
use std::fmt;

/// A form error of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// An unknown key.
    #[error("unknown key {}{}", Quoted::new(key), Instead(key, .known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known keys.
        known: &'static [&'static str],
    },
    /// A word that is not among the known ones.
    #[error("{} is not known here{}", Quoted::new(word), Instead(word, .known))]
    UnknownWord {
        /// The word.
        word: String,
        /// The known words.
        known: &'static [&'static str],
    },
    /// A missing required key.
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    /// A value of the wrong type.
    #[error("found {found}, expected {expected}")]
    Type {
        /// The value found.
        found: Seen,
        /// The expected type.
        expected: String,
    },
    /// A key without a value.
    #[error("nothing stands here; write a value, or leave the key out")]
    Nothing,
    /// An unreplaced variable of a shell or a template.
    #[error(
        "{0} is a variable of a shell or a template, and modgud replaces none; write the value, or fill the template in before"
    )]
    Placeholder(Quoted),
    /// An unreplaced variable where the value may be a secret.
    #[error(
        "what stands here (not shown) is a variable of a shell or a template, and modgud replaces none; write the \
             value, or, for a key or a secret, `{{ env: NAME }}`"
    )]
    PlaceholderHidden,
    /// Any other error of serde.
    #[error("{0}")]
    Other(String),
}

/// A value that was found where another one was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// `null`, or no value at all.
    Nothing,
    /// A boolean.
    Bool(bool),
    /// A number, as read.
    Number(String),
    /// A text.
    Text(Quoted),
    /// A list.
    List,
    /// A map with this many keys; `None` if the count is unknown.
    Map(Option<usize>),
    /// A word that requires a value.
    WordAlone(Quoted),
    /// A map where a single word is expected.
    WordWithValue(Quoted),
    /// A text or a number that may be a secret.
    Hidden(&'static str),
    /// Any other description by serde.
    Other(String),
}

impl Seen {
    /// Returns the description without any content.
    pub(in super::super) fn hidden(self) -> Self {
        match self {
            Self::Text(_) | Self::WordAlone(_) => Self::Hidden("a text"),
            Self::Number(_) => Self::Hidden("a number"),
            Self::WordWithValue(_) => Self::Map(Some(1)),
            Self::Other(_) => Self::Hidden("something else"),
            Self::Nothing | Self::Bool(_) | Self::List | Self::Map(_) | Self::Hidden(_) => self,
        }
    }
}

impl From<&Value> for Seen {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::Text(text) => Self::Text(Quoted::new(text)),
            Value::List(_) => Self::List,
            Value::Map(entries) => Self::Map(Some(entries.len())),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "`{value}`"),
            Self::Number(number) => write!(f, "the number `{number}`"),
            Self::Text(text) => write!(f, "the text {text}"),
            Self::List => f.write_str("a list"),
            Self::Map(Some(0)) => f.write_str("an empty map"),
            Self::Map(Some(keys @ 2..)) => write!(f, "a map with {keys} keys"),
            Self::Map(_) => f.write_str("a map"),
            Self::WordAlone(word) => write!(f, "the word {word} alone"),
            Self::WordWithValue(word) => write!(f, "a map with the key {word}"),
            Self::Hidden(what) => write!(f, "{what} (not shown: it may be a secret)"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Returns the known word that was probably meant. `None` if none is similar.
pub(super) fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    // Known words are short, so a text longer than any of them is not compared.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let distance = |known: &str| strsim::damerau_levenshtein(&word.to_lowercase(), known);
    let nearest = known.iter().copied().min_by_key(|known| distance(known))?;
    (distance(nearest) <= 2.max(word.len() / 3)).then_some(nearest)
}

/// Returns where to write what a key of `require` probably means. `None` for any other key.
fn elsewhere(word: &str, known: &[&str]) -> Option<&'static str> {
    let is_of_a_rule = known.contains(&"permissions") && known.contains(&"authenticators");
    match word {
        "audiences" | "audience" if is_of_a_rule => Some(
            "name all audiences at the authenticator, and one in the rule's `when`: \
             `type(claims.aud) == list ? 'api' in claims.aud : claims.aud == 'api'`",
        ),
        "claims" | "claim" if is_of_a_rule => {
            Some("compare claims in the rule's `when`, such as `claims.token_use == 'access'`")
        }
        "clients" | "client" | "addresses" if is_of_a_rule => {
            Some("restrict client addresses in Envoy, with its RBAC filter")
        }
        _ => None,
    }
}

/// A hint: the nearest known word, or all of them.
struct Instead<'a>(&'a str, &'a &'static [&'static str]);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word, known) = self;
        if let Some(elsewhere) = elsewhere(word, known) {
            return write!(f, "; {elsewhere}");
        }
        match nearest(word, known) {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None if known.is_empty() => f.write_str("; nothing may stand here"),
            None => write!(f, "; known are {}", Words(known)),
        }
    }
}

/// A form error while it propagates out of the tree.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) what: FormError,
    /// The location, set by the innermost value that knows it.
    pub(super) place: Option<Location>,
    /// The path, innermost step first.
    pub(super) steps: Vec<Step>,
}

impl Fault {
    pub(super) fn new(what: FormError) -> Self {
        Self { what, place: None, steps: Vec::new() }
    }

    pub(super) fn of_type(found: Seen, expected: impl Into<String>) -> Self {
        Self::new(FormError::Type { found, expected: expected.into() })
    }

    pub(super) fn at(mut self, place: &Location) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// Shows a number that is the error itself as the document has it.
    pub(super) fn with_written(mut self, number: &Number) -> Self {
        if let FormError::Type { found: Seen::Number(found), .. } = &mut self.what
            && self.place.is_none()
        {
            *found = number.to_string();
        }
        self
    }

    pub(super) fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Returns the error without the value found, which may be a secret.
    pub(super) fn hidden(mut self) -> Self {
        if let FormError::Type { found, expected } = self.what {
            self.what = FormError::Type { found: found.hidden(), expected };
        }
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
        Self::new(FormError::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(text) => Seen::Text(Quoted::new(text)),
            Unexpected::Signed(number) => Seen::Number(number.to_string()),
            Unexpected::Unsigned(number) => Seen::Number(number.to_string()),
            Unexpected::Float(number) => Seen::Number(format!("{number:?}")),
            Unexpected::Bool(value) => Seen::Bool(value),
            Unexpected::Seq => Seen::List,
            Unexpected::Map => Seen::Map(None),
            Unexpected::Unit | Unexpected::Option => Seen::Nothing,
            other => Seen::Other(other.to_string()),
        };
        Self::of_type(found, plain(expected))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(FormError::UnknownKey { key: key.to_owned(), known })
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(FormError::UnknownWord { word: word.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(FormError::Missing(key))
    }
}

/// Returns the expectation of a serde visitor, in words without Rust's names.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string() {
        text if text == "a sequence" => "a list".to_owned(),
        text if text.starts_with("a string") || text.starts_with("path string") => "a text".to_owned(),
        text if text == "u32" => format!("a whole number from 0 to {}", u32::MAX),
        text if text == "u64" || text == "usize" => "a whole number, 0 or more".to_owned(),
        text if text == "u16" => format!("a whole number from 0 to {}", u16::MAX),
        text => text,
    }
}
