//! A message as bytes, from its end to its beginning.
//!
//! What stands before a message inside of another one is its length, which is known once it was written. `prost` measures first, at each
//! level all that is below it: a message that is nested deep, as a client may send it, would be measured as often as it is deep.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};

/// The wire type of what has a length.
const DELIMITED: u32 = 2;

/// The number of the value in an entry of a map.
const VALUE: u32 = 2;

/// A message with what stands before it in gRPC: a byte that says that it is not compressed, and its length in four.
pub(super) fn framed(message: DynamicMessage) -> Bytes {
    let mut reversed = Vec::new();
    put(message, &mut reversed);
    let length = u32::try_from(reversed.len()).unwrap_or(u32::MAX);
    reversed.extend(length.to_le_bytes());
    reversed.push(0);
    reversed.reverse();
    Bytes::from(reversed)
}

/// The order of fields is nobody's business, but that of the items of a list is.
fn put(mut message: DynamicMessage, reversed: &mut Vec<u8>) {
    let mut flat = DynamicMessage::new(message.descriptor());
    let fields: Vec<_> = message.take_fields().collect();
    for (field, value) in fields {
        match value {
            Value::Message(inner) if !field.is_group() => delimited(field.number(), inner, reversed),
            Value::List(items) if is_of_messages(&field) => {
                for item in items.into_iter().rev() {
                    if let Value::Message(inner) = item {
                        delimited(field.number(), inner, reversed);
                    }
                }
            }
            Value::Map(entries) if is_map_of_messages(&field) => {
                let Kind::Message(entry) = field.kind() else { continue };
                for (key, value) in entries {
                    let Value::Message(inner) = value else { continue };
                    let before = reversed.len();
                    delimited(VALUE, inner, reversed);
                    let mut with_key = DynamicMessage::new(entry.clone());
                    with_key.set_field(&entry.map_entry_key_field(), key.into());
                    reversed.extend(with_key.encode_to_vec().into_iter().rev());
                    prefix(field.number(), reversed.len() - before, reversed);
                }
            }
            value => flat.set_field(&field, value),
        }
    }
    for (extension, value) in message.take_extensions() {
        flat.set_extension(&extension, value);
    }
    reversed.extend(flat.encode_to_vec().into_iter().rev());
}

fn is_of_messages(field: &FieldDescriptor) -> bool {
    field.is_list() && !field.is_group() && field.kind().as_message().is_some()
}

fn is_map_of_messages(field: &FieldDescriptor) -> bool {
    let entry = field.kind();
    field.is_map()
        && entry.as_message().is_some_and(|entry| entry.map_entry_value_field().kind().as_message().is_some())
}

fn delimited(number: u32, message: DynamicMessage, reversed: &mut Vec<u8>) {
    let before = reversed.len();
    put(message, reversed);
    prefix(number, reversed.len() - before, reversed);
}

/// The key of a field, and how long it is.
fn prefix(number: u32, length: usize, reversed: &mut Vec<u8>) {
    let mut prefix = Vec::with_capacity(10);
    for number in [(number << 3 | DELIMITED) as usize, length] {
        // Grows as it needs to, so it never fails.
        let _ = prost::encode_length_delimiter(number, &mut prefix);
    }
    reversed.extend(prefix.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::DescriptorPool;
    use serde::de::DeserializeSeed as _;
    use serde_json::json;
    use std::path::Path;

    fn pool() -> DescriptorPool {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut compiler = protox::Compiler::new([root.join("tests/protos")]).unwrap();
        compiler.include_imports(true).open_file("nested.proto").unwrap();
        DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_there() {
        let node = pool().get_message_by_name("nested.Node").unwrap();
        for written in [
            json!({}),
            json!({ "name": "a", "inner": { "inner": { "name": "b", "tags": ["x", "y"] } } }),
            json!({ "nodes": [{ "name": "1" }, {}, { "name": "3", "nodes": [{}, { "name": "4" }] }] }),
            json!({ "named": { "": { "name": "a" }, "b": {}, "c": { "named": { "d": {} } } }, "counts": { "a": 1 } }),
            json!({ "one": { "name": "x" }, "free": { "a": [1.0, { "b": null }] }, "numbers": [1, 2, 300] }),
        ] {
            let message = node.clone().deserialize(&written).unwrap();
            let framed = framed(message.clone());
            let (prefix, encoded) = framed.split_first_chunk::<5>().unwrap();
            assert_eq!((prefix[0], u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize), (0, encoded.len()));
            assert_eq!(encoded.len(), message.encoded_len(), "{written}");
            let read = DynamicMessage::decode(node.clone(), encoded).unwrap();
            assert_eq!(read, message, "{written}");
        }
    }
}
