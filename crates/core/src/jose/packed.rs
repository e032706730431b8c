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
mod tests {
    use super::{JsonRef, NAMES, PackedReader, members, pack, push_number};
    use proptest::prelude::*;
    use serde_json::{Map, Number, Value, json};

    fn unpacked(packed: &str) -> Value {
        members(packed).map(|(name, value)| (name.to_owned(), value.to_value())).collect()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("JSON has no such number", |one| Number::from_f64(one).map(Value::Number)),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn any_object() -> impl Strategy<Value = Map<String, Value>> {
        let name = prop_oneof![any::<String>(), prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned)];
        prop::collection::btree_map(name, any_value(), 0..12).prop_map(|all| all.into_iter().collect())
    }

    #[test]
    fn the_names_are_sorted_and_each_is_read_again() {
        assert!(NAMES.is_sorted_by(|one, next| one < next));
        let object: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
        assert_eq!(unpacked(&pack(&object)), Value::Object(object));
    }

    #[test]
    fn the_text_is_shorter_than_the_claims() {
        let claims = json!({
            "iss": "bifrost", "exp": 1_700_036_000, "iat": 1_700_000_000, "scope": "read write",
            "core_user_uuid": "fd76ce0c-d8be-4aa6-91ed-000000000001",
            "organization_uuid": "70f0d039-e3d9-427e-b161-4e95dbd9e918", "username": "user000000000001@example.com",
        });
        let (text, packed) = (claims.to_string(), pack(claims.as_object().unwrap()));
        assert!(packed.len() * 3 < text.len() * 2, "{} and {}", packed.len(), text.len());
        assert_eq!(unpacked(&packed), claims);
    }

    #[test]
    fn numbers_and_texts_stay_exact() {
        let two_to_53 = 9_007_199_254_740_993_u64;
        for value in [
            json!(0),
            json!(63),
            json!(64),
            json!(two_to_53),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(-1),
            json!(-0.0),
            json!(1.0),
            json!(0.1),
            json!(5e-324),
            json!(1.797_693_134_862_315_7e308),
            json!(18_446_744_073_709_551_616.0),
            json!(""),
            json!("\u{0}é😀\u{2028}@\u{7f}"),
            json!("s".repeat(5_000)),
            json!([]),
            json!({}),
            json!([[], {}, [null]]),
            json!({"": {"": ""}, "\u{0}": 1}),
        ] {
            let claims = json!({ "a": value, "b": 1 });
            let packed = pack(claims.as_object().unwrap());
            let read = members(&packed).get("a").unwrap();
            // As text: `0.0` and `-0.0` are equal numbers.
            assert_eq!(read.to_value().to_string(), value.to_string());
            assert_eq!(read, JsonRef::from(&value));
            assert_eq!(members(&packed).get("b"), Some(JsonRef::from(&json!(1))));
            assert_eq!(members(&packed).get("A"), None);
        }
    }

    #[test]
    fn what_is_cut_off_ends_the_reading() {
        let claims = json!({"a": [1, "b", {"c": [true, 1.5]}], "d": "é"});
        let packed = pack(claims.as_object().unwrap());
        for (end, _) in packed.char_indices() {
            for (name, value) in members(packed.get(..end).unwrap()) {
                let _ = (name, value.to_value());
            }
        }
        assert_eq!(
            PackedReader::new("\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{1}").number(),
            None
        );
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(object in any_object(), name in any::<String>()) {
            let packed = pack(&object);
            prop_assert_eq!(unpacked(&packed).to_string(), Value::Object(object.clone()).to_string());
            for (name, value) in &object {
                prop_assert_eq!(members(&packed).get(name), Some(value.into()));
            }
            prop_assert_eq!(members(&packed).get(&name), object.get(&name).map(JsonRef::from));
        }

        #[test]
        fn numbers_are_read_again(number in any::<u64>(), shift in 0_u32..64) {
            let mut packed = String::new();
            push_number(&mut packed, number >> shift);
            prop_assert_eq!(PackedReader::new(&packed).number(), Some(number >> shift));
        }
    }
}
