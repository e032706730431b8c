//! Dynamic metadata: the parts of a decision that Envoy's access log and rate limits read. `upstream::metadata` defines
//! its content. It is encoded directly, because every response has it and a `google.protobuf.Struct` would allocate a
//! tree each time.

use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, Verdict};
use modgud_core::jose::JsonRef;
use modgud_core::reason::{Class, Reason};
use modgud_core::upstream::{FieldValue, Metadata};
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

/// Size of most metadata: four short texts and two of 36 bytes.
const USUAL_BYTES: usize = 256;

/// 2^53: up to here binary64 (IEEE 754) represents every whole number.
const MAX_EXACT: u128 = 1 << 53;

/// The tags of `google.protobuf.Struct` and its messages: each field number with wire type 2, length-delimited.
const STRUCT_FIELDS: u8 = 1 << 3 | 2;
const ENTRY_KEY: u8 = 1 << 3 | 2;
const ENTRY_VALUE: u8 = 2 << 3 | 2;
const VALUE_STRING: u8 = 3 << 3 | 2;

/// Encodes the metadata of a decision as a `google.protobuf.Struct`.
pub(super) fn of(decision: &Decision, metadata: &Metadata) -> Vec<u8> {
    let mut encoded = Encoded(Vec::with_capacity(USUAL_BYTES));
    let principal = decision.principal.as_deref();
    match &decision.verdict {
        Verdict::Allow(_) => encoded.text("decision", "allowed"),
        Verdict::Deny(error) => encoded.denial(error.reason()),
    }
    if let Some(rule) = &decision.rule {
        encoded.text("rule", RuleName::as_str(rule));
    }
    if let Some(principal) = principal {
        encoded.text("authenticator", principal.authenticator().as_str());
    }
    for (name, value) in metadata.entries(principal, &decision.computed) {
        match value {
            FieldValue::Text(text) => encoded.text(name, text),
            FieldValue::Texts(texts) => {
                let values = texts.map(|text| protobuf_value(Kind::StringValue(text.to_owned()))).collect();
                encoded.value(name, &protobuf_value(Kind::ListValue(ListValue { values })));
            }
            FieldValue::Json(value) => encoded.value(name, &of_json(value)),
        }
    }
    encoded.0
}

/// The encoded members of a `Struct`.
struct Encoded(Vec<u8>);

impl Encoded {
    /// Adds a denial, in the terms of the log.
    fn denial(&mut self, reason: Reason) {
        let decision = match reason.class() {
            Class::Unavailable => "unavailable",
            Class::Unauthenticated | Class::Forbidden | Class::BadRequest => "denied",
        };
        self.text("decision", decision);
        self.text("reason", reason.code());
    }

    fn text(&mut self, name: &str, text: &str) {
        self.member(name, field_len(text.len()));
        self.field(VALUE_STRING, text.as_bytes());
    }

    fn value(&mut self, name: &str, value: &Value) {
        self.member(name, value.encoded_len());
        // Writing to a vector does not fail.
        let _ = value.encode(&mut self.0);
    }

    /// Writes a member up to its value; `value_len` bytes of value must follow.
    fn member(&mut self, name: &str, value_len: usize) {
        self.head(STRUCT_FIELDS, field_len(name.len()).saturating_add(field_len(value_len)));
        self.field(ENTRY_KEY, name.as_bytes());
        self.head(ENTRY_VALUE, value_len);
    }

    fn field(&mut self, tag: u8, content: &[u8]) {
        self.head(tag, content.len());
        self.0.extend_from_slice(content);
    }

    fn head(&mut self, tag: u8, len: usize) {
        self.0.push(tag);
        encode_varint(len as u64, &mut self.0);
    }
}

/// Returns the length of a field with `len` bytes of content, including tag and length.
fn field_len(len: usize) -> usize {
    encoded_len_varint(len as u64).saturating_add(1).saturating_add(len)
}

const fn protobuf_value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

/// Converts JSON to a protobuf `Value`, whose numbers are binary64. A whole number beyond binary64's precision becomes
/// a text of its digits, as protobuf's JSON format writes 64-bit integers. As a number it would change.
fn of_json(json: JsonRef<'_>) -> Value {
    protobuf_value(match json {
        JsonRef::Null => Kind::NullValue(0),
        JsonRef::Bool(one) => Kind::BoolValue(one),
        JsonRef::Number(one) => {
            let is_exact = one.is_f64() || one.as_i128().is_some_and(|whole| whole.unsigned_abs() <= MAX_EXACT);
            if is_exact {
                Kind::NumberValue(one.as_f64().unwrap_or_default())
            } else {
                Kind::StringValue(one.to_string())
            }
        }
        JsonRef::String(text) => Kind::StringValue(text.to_owned()),
        JsonRef::Array(items) => Kind::ListValue(ListValue { values: items.map(of_json).collect() }),
        JsonRef::Object(members) => {
            let fields = members.map(|(name, value)| (name.to_owned(), of_json(value))).collect();
            Kind::StructValue(Struct { fields })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Encoded, of, of_json};
    use modgud_core::authn::{ApiKey, ApiKeyEntry};
    use modgud_core::authz::RuleName;
    use modgud_core::decide::{Decision, DecisionError};
    use modgud_core::principal::{AuthenticatorName, ClaimMapping, ClaimPath, RoleSource};
    use modgud_core::time::Timestamp;
    use modgud_core::upstream::{Metadata, PrincipalField, ValueSource};
    use prost::Message as _;
    use prost_types::Struct;
    use prost_types::value::Kind;
    use serde_json::json;
    use std::sync::Arc;

    /// Decodes metadata to JSON.
    fn json(encoded: &[u8]) -> serde_json::Value {
        fn value(one: &prost_types::Value) -> serde_json::Value {
            match one.kind.as_ref().unwrap() {
                Kind::NullValue(_) => json!(null),
                Kind::BoolValue(one) => json!(one),
                Kind::NumberValue(one) => json!(one),
                Kind::StringValue(one) => json!(one),
                Kind::ListValue(list) => list.values.iter().map(value).collect(),
                Kind::StructValue(one) => members(one),
            }
        }
        fn members(one: &Struct) -> serde_json::Value {
            one.fields.iter().map(|(name, one)| (name.clone(), value(one))).collect::<serde_json::Map<_, _>>().into()
        }
        members(&Struct::decode(encoded).unwrap())
    }

    #[test]
    fn metadata_is_a_struct() {
        let long = "é".repeat(500);
        let claims = json!({ "long": long, "tree": {"a": [1.5, true, null, {"": "x"}]}, "none": null });
        let roles = ["r".to_owned(), "s".to_owned()];
        let entry = ApiKeyEntry {
            id: "one",
            subject: Some("u"),
            roles: &roles,
            permissions: &[],
            claims: claims.as_object().unwrap().clone(),
            expires: Timestamp::NEVER,
        };
        let mapping = ClaimMapping {
            subject: None,
            organization: None,
            roles: RoleSource::default(),
            permissions: Vec::new(),
            scopes: Vec::new(),
            grants: Arc::default(),
            null_strings: Arc::default(),
        };
        let principal = ApiKey::new(&AuthenticatorName::new("bifrost"), entry, &mapping).unwrap().principal;
        let claim = |path| ValueSource::Claim(ClaimPath::parse(path).unwrap());
        let entries = vec![
            ("subject".into(), ValueSource::Principal(PrincipalField::Subject)),
            ("organization".into(), ValueSource::Principal(PrincipalField::Organization)),
            ("roles".into(), ValueSource::Principal(PrincipalField::Roles)),
            ("long".into(), claim("long")),
            ("tree".into(), claim("tree")),
            ("none".into(), claim("none")),
            ("where".into(), ValueSource::Constant("here".into())),
        ];
        let metadata = Metadata::new(entries, Vec::new());
        let mut decision = Decision::denied(DecisionError::Internal);
        assert_eq!(
            json(&of(&decision, &metadata)),
            json!({"decision": "unavailable", "reason": "internal", "where": "here"})
        );
        decision.rule = Some(RuleName::new("rule"));
        decision.principal = Some(principal);
        let expected = json!({
            "decision": "unavailable", "reason": "internal", "rule": "rule", "authenticator": "bifrost", "subject": "u",
            "roles": ["r", "s"], "long": long, "tree": claims["tree"], "where": "here",
        });
        assert_eq!(json(&of(&decision, &metadata)), expected);
    }

    #[test]
    fn a_whole_number_beyond_binary64_is_written_as_its_digits() {
        for (number, expected) in [
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0)),
            (json!(9_007_199_254_740_993_u64), json!("9007199254740993")),
            (json!(-9_007_199_254_740_993_i64), json!("-9007199254740993")),
            (json!(18_446_744_073_709_551_615_u64), json!("18446744073709551615")),
            (json!(0.1), json!(0.1)),
            (json!([1, {"a": 9_007_199_254_740_993_u64}]), json!([1.0, {"a": "9007199254740993"}])),
        ] {
            let mut encoded = Encoded(Vec::new());
            encoded.value("n", &of_json((&number).into()));
            assert_eq!(json(&encoded.0)["n"], expected, "{number}");
        }
    }

    #[test]
    fn lengths_are_right_at_every_length() {
        for len in [0, 1, 60, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_370, 16_384, 20_000] {
            let text = "a".repeat(len);
            let mut encoded = Encoded(Vec::new());
            encoded.text("name", &text);
            encoded.value("list", &of_json((&json!([text])).into()));
            encoded.text(&text, "b");
            let read = json(&encoded.0);
            assert_eq!(
                (&read["name"], &read["list"], &read[&text]),
                (&json!(text), &json!([text]), &json!("b")),
                "{len}"
            );
        }
    }
}
