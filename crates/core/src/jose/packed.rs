//! JSON in one text without gaps, read where it is: a cached token then takes about as much memory as its claims are long, and reading one
//! of them allocates nothing.
//!
//! A value is a letter and its content; a text, list or object has its length before it. Lengths and numbers are written in digits of
//! six bits, the lowest first, with [`MORE`] in every digit but the last. So the whole is UTF-8, and so is each part of it. A name that is
//! frequent is its place in [`NAMES`]. Numbers and texts are exactly those of the [`Value`].

use serde_json::{Map, Number, Value};
use std::slice;

/// A JSON value, borrowed from claims or from a [`Value`].
#[derive(Debug, Clone, PartialEq)]
pub enum JsonRef<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(&'a str),
    /// A list.
    Array(JsonItems<'a>),
    /// An object.
    Object(JsonMembers<'a>),
}

/// The items of a list, in their order.
#[derive(Debug, Clone)]
pub struct JsonItems<'a>(Items<'a>);

#[derive(Debug, Clone)]
enum Items<'a> {
    Packed(PackedReader<'a>),
    Plain(slice::Iter<'a, Value>),
}

/// The members of an object, each name once.
#[derive(Debug, Clone)]
pub struct JsonMembers<'a>(Members<'a>);

#[derive(Debug, Clone)]
enum Members<'a> {
    Packed(PackedReader<'a>),
    Plain(serde_json::map::Iter<'a>),
}

impl<'a> JsonRef<'a> {
    /// Returns the text; `None` for another type.
    #[must_use]
    pub const fn as_str(&self) -> Option<&'a str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the number; `None` for another type.
    #[must_use]
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the member of this name; `None` if there is none, or the value is not an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Self> {
        match self {
            Self::Object(members) => members.get(name),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// Returns a copy of the value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::String(text) => Value::String((*text).to_owned()),
            Self::Array(items) => items.clone().map(|item| item.to_value()).collect(),
            Self::Object(members) => members.clone().map(|(name, value)| (name.to_owned(), value.to_value())).collect(),
        }
    }
}

impl<'a> From<&'a Value> for JsonRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(JsonItems(Items::Plain(items.iter()))),
            Value::Object(members) => Self::Object(JsonMembers(Members::Plain(members.iter()))),
        }
    }
}

impl<'a> Iterator for JsonItems<'a> {
    type Item = JsonRef<'a>;

    fn next(&mut self) -> Option<JsonRef<'a>> {
        match &mut self.0 {
            Items::Packed(reader) => reader.value(),
            Items::Plain(values) => values.next().map(JsonRef::from),
        }
    }
}

impl PartialEq for JsonItems<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

impl<'a> JsonMembers<'a> {
    /// Returns the member of this name; `None` if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<JsonRef<'a>> {
        self.clone().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl<'a> Iterator for JsonMembers<'a> {
    type Item = (&'a str, JsonRef<'a>);

    fn next(&mut self) -> Option<(&'a str, JsonRef<'a>)> {
        match &mut self.0 {
            Members::Packed(reader) => Some((reader.name()?, reader.value()?)),
            Members::Plain(members) => members.next().map(|(name, value)| (name.as_str(), value.into())),
        }
    }
}

/// In any order, as objects are.
impl PartialEq for JsonMembers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().count() == other.clone().count()
            && self.clone().all(|(name, value)| other.get(name).is_some_and(|other| value == other))
    }
}

/// Frequent names of claims, sorted: those of JWTs and OpenID Connect, of `BiFrost`, and of identity providers. They are a quarter of a
/// token. No packed text outlives the process, so the list may change.
const NAMES: [&str; 42] = [
    "account",
    "acr",
    "act",
    "allowed-origins",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "client_id",
    "cnf",
    "core_user_uuid",
    "email",
    "email_verified",
    "exp",
    "family_name",
    "given_name",
    "groups",
    "iat",
    "iss",
    "jti",
    "name",
    "nbf",
    "nonce",
    "oid",
    "organization_uuid",
    "permissions",
    "preferred_username",
    "realm_access",
    "resource_access",
    "role",
    "roles",
    "scope",
    "scp",
    "session_state",
    "sid",
    "sub",
    "tenant",
    "tid",
    "typ",
    "username",
    "ver",
];

/// The mark of a digit after which there are more.
const MORE: u8 = 1 << DIGIT_BITS;
/// The bits of a number that one digit holds: with [`MORE`], it is still ASCII.
const DIGIT_BITS: u32 = 6;

/// Returns the members of an object, packed.
pub(super) fn pack(members: &Map<String, Value>) -> Box<str> {
    let mut packed = String::new();
    push_members(&mut packed, members);
    // A copy of the exact size: the allocator would keep what a text had reserved.
    Box::from(packed.as_str())
}

/// Returns the members that [`pack`] has packed.
pub(super) const fn members(packed: &str) -> JsonMembers<'_> {
    JsonMembers(Members::Packed(PackedReader::new(packed)))
}

/// Appends a number.
pub(crate) fn push_number(into: &mut String, mut number: u64) {
    loop {
        let digit = u8::try_from(number & u64::from(MORE - 1)).unwrap_or_default();
        number >>= DIGIT_BITS;
        let is_last = number == 0;
        into.push(char::from(if is_last { digit } else { digit | MORE }));
        if is_last {
            return;
        }
    }
}

/// Appends a text with its length before it.
pub(crate) fn push_text(into: &mut String, text: &str) {
    push_number(into, text.len() as u64);
    into.push_str(text);
}

fn push_members(into: &mut String, members: &Map<String, Value>) {
    for (name, value) in members {
        push_name(into, name);
        push_value(into, value);
    }
}

/// Appends a name: its place in [`NAMES`], doubled, and one more; or its length, doubled, and the name.
fn push_name(into: &mut String, name: &str) {
    if let Ok(at) = NAMES.binary_search(&name) {
        push_number(into, (at as u64).saturating_mul(2).saturating_add(1));
    } else {
        push_number(into, (name.len() as u64).saturating_mul(2));
        into.push_str(name);
    }
}

fn push_value(into: &mut String, value: &Value) {
    let mut number = |letter, number| {
        into.push(letter);
        push_number(into, number);
    };
    match value {
        Value::Null => into.push('n'),
        Value::Bool(value) => into.push(if *value { 't' } else { 'f' }),
        Value::Number(one) => match (one.as_u64(), one.as_i64()) {
            (Some(whole), _) => number('u', whole),
            (None, Some(whole)) => number('i', whole.cast_unsigned()),
            (None, None) => number('d', one.as_f64().unwrap_or_default().to_bits()),
        },
        Value::String(text) => {
            into.push('s');
            push_text(into, text);
        }
        Value::Array(items) => {
            let mut packed = String::new();
            for item in items {
                push_value(&mut packed, item);
            }
            into.push('a');
            push_text(into, &packed);
        }
        Value::Object(members) => {
            let mut packed = String::new();
            push_members(&mut packed, members);
            into.push('o');
            push_text(into, &packed);
        }
    }
}

/// A reader of what `push_…` has written. It ends at anything else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedReader<'a>(&'a str);

impl<'a> PackedReader<'a> {
    pub(crate) const fn new(packed: &'a str) -> Self {
        Self(packed)
    }

    /// Returns true at the end.
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Reads a number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let digit = self.byte()?;
            number |= u64::from(digit & !MORE).checked_shl(shift)?;
            if digit & MORE == 0 {
                return Some(number);
            }
            shift = shift.saturating_add(DIGIT_BITS);
        }
    }

    /// Reads a text with its length before it.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        self.text_of(length)
    }

    fn name(&mut self) -> Option<&'a str> {
        let head = self.number()?;
        let half = usize::try_from(head >> 1).ok()?;
        if head & 1 == 0 { self.text_of(half) } else { NAMES.get(half).copied() }
    }

    /// Reads a text of this length.
    pub(crate) fn text_of(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = (self.0.as_bytes().first()?, self.0.get(1..)?);
        self.0 = rest;
        Some(*byte)
    }

    fn value(&mut self) -> Option<JsonRef<'a>> {
        Some(match self.byte()? {
            b'n' => JsonRef::Null,
            b't' => JsonRef::Bool(true),
            b'f' => JsonRef::Bool(false),
            b'u' => JsonRef::Number(self.number()?.into()),
            b'i' => JsonRef::Number(self.number()?.cast_signed().into()),
            b'd' => JsonRef::Number(Number::from_f64(f64::from_bits(self.number()?))?),
            b's' => JsonRef::String(self.text()?),
            b'a' => JsonRef::Array(JsonItems(Items::Packed(Self(self.text()?)))),
            b'o' => JsonRef::Object(JsonMembers(Members::Packed(Self(self.text()?)))),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
