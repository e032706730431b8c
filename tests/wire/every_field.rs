//! Fills every field that our files declare, by reflection on the true descriptor, and sends the result through both sets of
//! types. What one of them does not know, or takes for something else, is missing afterwards.

use std::collections::{BTreeMap, BTreeSet};

use envoy_types::pb::envoy::service::auth::v3 as theirs;
use modgud::envoy::proto as ours;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value,
};

/// Enough for each member of each oneof to have been chosen; `every_field_is_filled` holds it to that.
const SEEDS: u64 = 64;
/// `google.protobuf.Value` contains itself: below this depth messages stay empty.
const MAX_DEPTH: usize = 10;

/// The true descriptor.
pub(super) fn pool() -> DescriptorPool {
    DescriptorPool::decode(ours::FILE_DESCRIPTOR_SET).unwrap()
}

fn message(name: &str) -> MessageDescriptor {
    pool().get_message_by_name(name).unwrap_or_else(|| panic!("no message {name}"))
}

/// The messages that a message contains, itself included.
fn reachable(root: MessageDescriptor) -> BTreeMap<String, MessageDescriptor> {
    let mut found = BTreeMap::new();
    let mut open = vec![root];
    while let Some(next) = open.pop() {
        if found.insert(next.full_name().to_owned(), next.clone()).is_none() {
            open.extend(next.fields().filter_map(|field| field.kind().as_message().cloned()));
        }
    }
    found
}

/// Every message that a check consists of.
pub(super) fn all_messages() -> BTreeMap<String, MessageDescriptor> {
    let mut all = reachable(message("envoy.service.auth.v3.CheckRequest"));
    all.extend(reachable(message("envoy.service.auth.v3.CheckResponse")));
    all
}

/// Fills messages with values of which no two are alike, as far as their type allows.
struct Filler {
    seed: u64,
    count: u32,
    filled: BTreeSet<String>,
}

impl Filler {
    fn new(seed: u64) -> Self {
        Self { seed, count: 0, filled: BTreeSet::new() }
    }

    fn next(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    /// One of `count` things; a different one with a different seed (splitmix64).
    fn choose(&mut self, count: usize) -> usize {
        let mut z = (self.seed << 32 | u64::from(self.next())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % count as u64).unwrap()
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        if depth == MAX_DEPTH {
            return message;
        }
        let chosen: Vec<_> = descriptor
            .oneofs()
            .map(|oneof| oneof.fields().nth(self.choose(oneof.fields().len())).unwrap().full_name().to_owned())
            .collect();
        for field in descriptor.fields() {
            if field.containing_oneof().is_none() || chosen.iter().any(|name| name == field.full_name()) {
                let value = self.field(&field, depth);
                message.set_field(&field, value);
                self.filled.insert(field.full_name().to_owned());
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        if field.is_map() {
            let entry = field.kind().as_message().unwrap().clone();
            assert_eq!(entry.map_entry_key_field().kind(), Kind::String, "{}", field.full_name());
            self.filled.extend(entry.fields().map(|part| part.full_name().to_owned()));
            let pair = |filler: &mut Self| {
                let key = MapKey::String(format!("key {}", filler.next()));
                (key, filler.single(&entry.map_entry_value_field().kind(), depth))
            };
            Value::Map([pair(self), pair(self)].into())
        } else if field.is_list() {
            Value::List(vec![self.single(&field.kind(), depth), self.single(&field.kind(), depth)])
        } else {
            self.single(&field.kind(), depth)
        }
    }

    /// A value that is not the default, and for numbers one that needs the full width of the type.
    fn single(&mut self, kind: &Kind, depth: usize) -> Value {
        let n = self.next();
        match kind {
            Kind::Message(descriptor) => Value::Message(self.message(descriptor, depth + 1)),
            Kind::Enum(descriptor) => Value::EnumNumber(self.enum_number(descriptor)),
            Kind::String => Value::String(format!("<text {n:05}>")),
            Kind::Bytes => Value::Bytes([b"\xff\xfe".as_slice(), &n.to_be_bytes()].concat().into()),
            Kind::Bool => Value::Bool(true),
            Kind::Double => Value::F64(f64::from(n) + 0.5),
            Kind::Int32 => Value::I32(i32::MIN + n.cast_signed()),
            Kind::Int64 => Value::I64(i64::MIN + i64::from(n)),
            Kind::Uint32 => Value::U32(u32::MAX - n),
            other => panic!("no field of type {other:?} so far: add it here"),
        }
    }

    fn enum_number(&mut self, descriptor: &EnumDescriptor) -> i32 {
        let numbers: Vec<_> = descriptor.values().map(|value| value.number()).filter(|number| *number != 0).collect();
        if numbers.is_empty() { 0 } else { numbers[self.choose(numbers.len())] }
    }
}

fn filled(name: &str) -> impl Iterator<Item = DynamicMessage> {
    let descriptor = message(name);
    (0..SEEDS).map(move |seed| Filler::new(seed).message(&descriptor, 0))
}

/// Sends a message through the type `T`, and asserts that nothing is lost.
#[track_caller]
fn assert_survives<T: Message + Default>(message: &DynamicMessage) {
    let typed = T::decode(message.encode_to_vec().as_slice()).unwrap();
    let back = DynamicMessage::decode(message.descriptor(), typed.encode_to_vec().as_slice()).unwrap();
    assert_eq!(&back, message);
}

#[test]
fn every_field_is_filled() {
    let mut seen = BTreeSet::new();
    for name in ["CheckRequest", "CheckResponse"] {
        for seed in 0..SEEDS {
            let mut filler = Filler::new(seed);
            filler.message(&message(&format!("envoy.service.auth.v3.{name}")), 0);
            seen.append(&mut filler.filled);
        }
    }
    let declared: BTreeSet<_> =
        all_messages().values().flat_map(MessageDescriptor::fields).map(|field| field.full_name().to_owned()).collect();
    assert_eq!(seen, declared);
}

#[test]
fn every_field_of_a_request_survives_both_types() {
    for message in filled("envoy.service.auth.v3.CheckRequest") {
        assert_survives::<theirs::CheckRequest>(&message);
        assert_survives::<ours::CheckRequest>(&message);
    }
}

#[test]
fn every_field_of_a_response_survives_both_types() {
    for message in filled("envoy.service.auth.v3.CheckResponse") {
        assert_survives::<theirs::CheckResponse>(&message);
        assert_survives::<ours::CheckResponse>(&message);
    }
}

/// Replaces each text of a request in turn by bytes that are not UTF-8: `envoy-types` must refuse it, which shows that the
/// field is text there too, and ours must read it, whichever field it is.
#[test]
fn text_is_text_for_envoy_and_may_be_anything_for_us() {
    for message in filled("envoy.service.auth.v3.CheckRequest").take(4) {
        let bytes = message.encode_to_vec();
        let mut texts = 0;
        for start in 0..bytes.len() {
            if bytes[start..].starts_with(b"<text ") {
                let mut broken = bytes.clone();
                broken[start] = 0xff;
                assert!(theirs::CheckRequest::decode(broken.as_slice()).is_err(), "at {start} of {message}");
                let decoded = ours::CheckRequest::decode(broken.as_slice()).unwrap();
                assert_eq!(decoded.encoded_len(), broken.len());
                texts += 1;
            }
        }
        assert!(texts > 20, "only {texts} texts in {message}");
    }
}
