//! Form errors of a document, and their messages.

use crate::config::path::Step;
use crate::diagnostic::{Diagnostic, Issue, Quoted, Words};
use crate::yaml::{Location, Number, Value};
use serde::de::{self, Expected, Unexpected};
use std::fmt;

/// A form error of a document, with its location and path.
#[derive(Debug)]
pub(in crate::config) struct Found {
    pub(in crate::config) location: Location,
    /// The path as messages show it, with the indices of the file.
    pub(in crate::config) path: String,
    pub(in crate::config) error: FormError,
}

impl Found {
    /// Returns true if the diagnostic concerns the same value, and this is an unreplaced variable.
    pub(in crate::config) fn explains(&self, diagnostic: &Diagnostic) -> bool {
        let is_placeholder = matches!(self.error, FormError::Placeholder(_) | FormError::PlaceholderHidden);
        is_placeholder && self.location == diagnostic.location && self.path == diagnostic.path
    }
}

impl From<Found> for Diagnostic {
    fn from(found: Found) -> Self {
        let Found { location, path, error } = found;
        Self::new(location, path, error.issue())
    }
}

/// Returns true if the value at `path` is missing only because it, or something in it, was faulty and removed. That error is already
/// reported.
pub(in crate::config) fn is_consequence(found: &[Found], path: &str) -> bool {
    let at_or_in =
        |one: &Found| one.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    found.iter().any(at_or_in)
}

/// A form error of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum FormError {
    /// An unknown key.
    UnknownKey {
        /// The key.
        key: String,
        /// The known keys.
        known: &'static [&'static str],
    },
    /// A word that is not among the known ones.
    UnknownWord {
        /// The word.
        word: String,
        /// The known words.
        known: &'static [&'static str],
    },
    /// A missing required key.
    Missing(&'static str),
    /// A value of the wrong type.
    Type {
        /// The value found.
        found: Seen,
        /// The expected type.
        expected: String,
    },
    /// A key without a value.
    Nothing,
    /// An unreplaced variable of a shell or a template.
    Placeholder(Quoted),
    /// An unreplaced variable where the value may be a secret.
    PlaceholderHidden,
    /// Any other error of serde.
    Other(String),
}

impl FormError {
    /// Returns the error for messages.
    pub(in crate::config) fn issue(&self) -> Issue {
        match self {
            Self::UnknownKey { key, known } => {
                Issue::error("key-unknown", format!("unknown key {}", Quoted::new(key)), instead(key, known))
            }
            Self::UnknownWord { word, known } => {
                let message = format!("{} is not a known value", Quoted::new(word));
                Issue::error("value-unknown", message, instead(word, known))
            }
            Self::Missing(key) => Issue::error("key-missing", format!("the key `{key}` is missing"), "add it"),
            Self::Type { found, expected } => {
                Issue::error("type-mismatch", format!("found {found}"), format!("write {expected}"))
            }
            Self::Nothing => Issue::error("value-missing", "has no value", "write one, or leave the key out"),
            Self::Placeholder(variable) => {
                let message = format!("{variable} is an unreplaced variable of a shell or a template");
                Issue::error("variable-unreplaced", message, "write the value, or fill in the template first")
            }
            Self::PlaceholderHidden => {
                let message = "the value (not shown) is an unreplaced variable of a shell or a template";
                let help = "write the value, or, for a key or a secret, `{ env: NAME }`";
                Issue::error("variable-unreplaced", message, help)
            }
            Self::Other(text) => Issue::parse("value-invalid", text),
        }
    }
}

/// A value that was found where another one was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum Seen {
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
    pub(in crate::config) fn hidden(self) -> Self {
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
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
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

/// Returns a hint: where to write it, the nearest known word, or all of them.
fn instead(word: &str, known: &'static [&'static str]) -> String {
    if let Some(elsewhere) = elsewhere(word, known) {
        return elsewhere.to_owned();
    }
    match nearest(word, known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "leave it out".to_owned(),
        None => format!("write one of {}", Words(known)),
    }
}

/// A form error while it propagates out of the tree.
#[derive(Debug)]
pub(crate) struct Error {
    pub(super) form: FormError,
    /// The location, set by the innermost value that knows it.
    pub(super) location: Option<Location>,
    /// The path, innermost step first.
    pub(super) steps: Vec<Step>,
}

impl Error {
    pub(super) fn new(form: FormError) -> Self {
        Self { form, location: None, steps: Vec::new() }
    }

    pub(super) fn of_type(found: Seen, expected: impl Into<String>) -> Self {
        Self::new(FormError::Type { found, expected: expected.into() })
    }

    pub(super) fn at(mut self, location: &Location) -> Self {
        self.location.get_or_insert_with(|| location.clone());
        self
    }

    /// Shows a number that is the error itself as the document has it.
    pub(super) fn with_written(mut self, number: &Number) -> Self {
        if let FormError::Type { found: Seen::Number(found), .. } = &mut self.form
            && self.location.is_none()
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
        if let FormError::Type { found, expected } = self.form {
            self.form = FormError::Type { found: found.hidden(), expected };
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.form.issue().fmt(f)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(FormError::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(text) => Seen::Text(Quoted::new(text)),
            Unexpected::Signed(number) => Seen::Number(number.to_string()),
            Unexpected::Unsigned(number) => Seen::Number(number.to_string()),
            Unexpected::Float(number) => Seen::Number(float(number)),
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

/// Returns a number as JSON has it, with its fraction: `1.0`.
fn float(number: f64) -> String {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string(), |number| number.to_string())
}

/// Returns the expectation of a serde visitor, in words without Rust's names.
fn plain(expected: &dyn Expected) -> String {
    match expected.to_string() {
        text if text == "a sequence" => "a list".to_owned(),
        text if text == "a boolean" => "`true` or `false`".to_owned(),
        text if text.starts_with("a string") || text.starts_with("path string") => "a text".to_owned(),
        text if text == "u32" => format!("a whole number from 0 to {}", u32::MAX),
        text if text == "u64" || text == "usize" => "a whole number, 0 or more".to_owned(),
        text if text == "u16" => format!("a whole number from 0 to {}", u16::MAX),
        text => text,
    }
}
