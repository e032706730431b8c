//! Dynamic metadata: facts about a decision, also a denial, for Envoy's access log, rate limits and later filters. `envoy` encodes them.

use super::header_encoding::FieldValue;
use super::value::{ValueSource, computed};
use crate::authz::condition::{Expression, Inputs};
use crate::jose::{JsonRef, is_beyond_64_bits};
use crate::principal::Principal;
use serde_json::Value;

/// The longest text, in bytes; a longer one is omitted.
const MAX_TEXT_BYTES: usize = 1024;
/// The maximum nesting of lists and objects; a deeper value is omitted. Envoy's parser has a limit, and can't read a response beyond it.
const MAX_DEPTH: usize = 8;
/// The most values of a list or an object in total; one with more is omitted.
const MAX_VALUES: usize = 100;

/// The keys that are always present, and reserved for that reason.
pub const BUILTIN_KEYS: [&str; 4] = ["decision", "reason", "rule", "authenticator"];

/// The additional metadata, by name.
#[derive(Debug, Default)]
pub struct Metadata {
    known: Vec<(Box<str>, ValueSource)>,
    computed: Vec<(Box<str>, Expression)>,
}

/// The results of the expressions for one request, in their order. The response is built after the request is gone.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Computed(Vec<Option<Value>>);

impl Computed {
    /// The result for requests that could not be read.
    pub const NOTHING: Self = Self(Vec::new());
}

impl Metadata {
    /// Builds metadata from names with their sources: facts about the caller, and expressions.
    #[must_use]
    pub const fn new(known: Vec<(Box<str>, ValueSource)>, computed: Vec<(Box<str>, Expression)>) -> Self {
        Self { known, computed }
    }

    /// Returns the expressions.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.computed.iter().map(|(_, expression)| expression)
    }

    /// Evaluates the expressions. One without a result or value is omitted.
    #[must_use]
    pub fn compute(&self, inputs: &Inputs<'_>) -> Computed {
        Computed(self.computed.iter().map(|(_, expression)| computed(expression, inputs).unwrap_or_default()).collect())
    }

    /// Returns the metadata about the caller, if it is known, and about the request. Entries without a value or beyond a limit are omitted,
    /// as no decision depends on them.
    pub fn entries<'a>(
        &'a self,
        principal: Option<&'a Principal>,
        computed: &'a Computed,
    ) -> impl Iterator<Item = (&'a str, FieldValue<'a>)> {
        let known =
            self.known.iter().filter_map(move |(name, source)| Some((&**name, known(source.find(principal)?)?)));
        let computed = self.computed.iter().zip(&computed.0);
        known.chain(computed.filter_map(|((name, _), value)| Some((&**name, json(value.as_ref()?.into())?))))
    }
}

fn known(found: FieldValue<'_>) -> Option<FieldValue<'_>> {
    match found {
        FieldValue::Text(text) => is_loggable(text).then_some(FieldValue::Text(text)),
        FieldValue::Texts(texts) => {
            (texts.clone().count() <= MAX_VALUES && texts.clone().all(is_loggable)).then_some(FieldValue::Texts(texts))
        }
        FieldValue::Json(value) => json(value),
    }
}

fn json(value: JsonRef<'_>) -> Option<FieldValue<'_>> {
    match value {
        JsonRef::String(text) => is_loggable(text).then_some(FieldValue::Text(text)),
        value => fits(&value, MAX_DEPTH, &mut 0).then_some(FieldValue::Json(value)),
    }
}

/// Returns true if a text is safe in a log: short enough, and without line ends.
fn is_loggable(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
}

fn fits(value: &JsonRef<'_>, depth: usize, count: &mut usize) -> bool {
    *count = count.saturating_add(1);
    let Some(below) = depth.checked_sub(1) else { return false };
    *count <= MAX_VALUES
        && match value {
            JsonRef::Null | JsonRef::Bool(_) => true,
            // Rounded: a token could have had another number.
            JsonRef::Number(number) => !is_beyond_64_bits(number),
            JsonRef::String(text) => is_loggable(text),
            JsonRef::Array(items) => items.clone().all(|item| fits(&item, below, count)),
            JsonRef::Object(members) => {
                members.clone().all(|(name, value)| is_loggable(name) && fits(&value, below, count))
            }
        }
}

#[cfg(test)]
mod tests {
    use super::{Computed, FieldValue, MAX_TEXT_BYTES, Metadata};
    use crate::principal::{ClaimPath, Identity, Principal};
    use crate::upstream::{PrincipalField, ValueSource};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn principal(claims: Value) -> Principal {
        let identity = Identity { roles: vec!["a".into(), "b".into()], ..Identity::default() };
        Principal::of(claims, &identity, Arc::default())
    }

    #[test]
    fn what_has_no_value_or_one_out_of_bounds_is_left_out() {
        let source = || ValueSource::Claim(ClaimPath::parse("claim").unwrap());
        let metadata = Metadata::new(vec![("claim".into(), source())], Vec::new());
        let nested = |depth: usize| (1..depth).fold(json!("x"), |inner, _| json!([inner]));
        for (value, is_present) in [
            (json!("a\u{2028}é"), true),
            (json!("a\nb"), false),
            (json!("a".repeat(MAX_TEXT_BYTES)), true),
            (json!("a".repeat(MAX_TEXT_BYTES + 1)), false),
            (json!(7), true),
            (json!(18_446_744_073_709_551_615_u64), true),
            (json!(18_446_744_073_709_551_616.0), false),
            (json!({"a": [1e30]}), false),
            (json!(null), false),
            (json!([]), true),
            (json!({"a": [1, null, {"b": false}]}), true),
            (json!({"a": ["b\u{7f}"]}), false),
            (json!({"a\n": 1}), false),
            (nested(8), true),
            (nested(9), false),
            (vec![1; 99].into(), true),
            (vec![1; 100].into(), false),
        ] {
            let principal = principal(json!({ "claim": value }));
            assert_eq!(metadata.entries(Some(&principal), &Computed::NOTHING).count() == 1, is_present, "{value}");
        }
    }

    #[test]
    fn a_constant_needs_no_caller() {
        let entries = vec![
            ("where".into(), ValueSource::Constant("here".into())),
            ("roles".into(), ValueSource::Principal(PrincipalField::Roles)),
            ("via".into(), ValueSource::Principal(PrincipalField::Authenticator)),
        ];
        let metadata = Metadata::new(entries, Vec::new());
        assert_eq!(
            metadata.entries(None, &Computed::NOTHING).collect::<Vec<_>>(),
            [("where", FieldValue::Text("here"))]
        );
        let principal = principal(json!({}));
        let roles = FieldValue::Texts(principal.identity().roles());
        let expected = [("where", FieldValue::Text("here")), ("roles", roles), ("via", FieldValue::Text("bifrost"))];
        assert_eq!(metadata.entries(Some(&principal), &Computed::NOTHING).collect::<Vec<_>>(), expected);
    }
}
