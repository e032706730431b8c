//! Prints a service or a message as grpcurl's `describe` does, comments and all.

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, FileDescriptor, Kind};
use std::fmt::Write;

/// What `describe SYMBOL` prints.
pub(super) fn described(pool: &DescriptorPool, symbol: &str) -> String {
    let mut text = String::new();
    if let Some(service) = pool.get_service_by_name(symbol) {
        writeln!(text, "{symbol} is a service:").unwrap();
        comment(&mut text, "", &service.parent_file(), service.path());
        writeln!(text, "service {} {{", service.name()).unwrap();
        for method in service.methods() {
            comment(&mut text, "  ", &service.parent_file(), method.path());
            let (input, output) = (method.input(), method.output());
            let (input, output) = (input.full_name(), output.full_name());
            writeln!(text, "  rpc {} ( .{input} ) returns ( .{output} );", method.name()).unwrap();
        }
    } else {
        let message = pool.get_message_by_name(symbol).unwrap_or_else(|| panic!("{symbol} is not there"));
        writeln!(text, "{symbol} is a message:").unwrap();
        comment(&mut text, "", &message.parent_file(), message.path());
        writeln!(text, "message {} {{", message.name()).unwrap();
        assert_eq!(message.oneofs().len(), 0, "this client does not print `oneof`");
        for field in message.fields() {
            comment(&mut text, "  ", &message.parent_file(), field.path());
            writeln!(text, "  {} {} = {};", kind(&field), field.name(), field.number()).unwrap();
        }
    }
    text.push('}');
    text
}

/// The comment before an element.
fn comment(text: &mut String, indent: &str, file: &FileDescriptor, path: &[i32]) {
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let leading =
        locations.filter(|location| location.path == path).find_map(|location| location.leading_comments.as_ref());
    for line in leading.iter().flat_map(|comment| comment.lines()) {
        writeln!(text, "{indent}//{line}").unwrap();
    }
}

fn kind(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            format!("map<{}, {}>", scalar(&entry.map_entry_key_field()), scalar(&entry.map_entry_value_field()))
        }
        _ if field.cardinality() == Cardinality::Repeated => format!("repeated {}", scalar(field)),
        _ => scalar(field),
    }
}

fn scalar(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => format!(".{}", message.full_name()),
        Kind::Enum(one) => format!(".{}", one.full_name()),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Double => "double".to_owned(),
        other => panic!("this client does not print {other:?}"),
    }
}
