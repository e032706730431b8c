//! Packed claims read as the claims that were packed.

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
