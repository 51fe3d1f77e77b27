//! Texts of paths and queries as fields of messages.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::DeserializeSeed as _;
use serde::de::value::{Error as Unfit, StrDeserializer};

use super::status::BINARY;

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The way from a message to one of its fields, through others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way(Vec<FieldDescriptor>);

/// Why a name leads to no field that a text can be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// There is no such field.
    Unknown(String),
    /// The field is a map, a message, or repeated where one value is wanted.
    Unfit(String),
}

impl Way {
    /// Finds a field by its names, as they are written in the descriptor or in JSON. It may be `repeated` only where that is said.
    pub(super) fn find<'n>(
        message: &MessageDescriptor,
        names: impl IntoIterator<Item = &'n str>,
        repeated: bool,
    ) -> Result<Self, Lost> {
        let (mut way, mut inside) = (Vec::<FieldDescriptor>::new(), Some(message.clone()));
        for name in names {
            let Some(message) = inside.take() else {
                let before = way.last().map(|field| field.name().to_owned());
                return Err(Lost::Unfit(format!("`{}` has no fields", before.unwrap_or_default())));
            };
            let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name));
            let field =
                field.ok_or_else(|| Lost::Unknown(format!("`{}` has no field `{name}`", message.full_name())))?;
            if let (Kind::Message(of), false) = (field.kind(), field.is_list() || field.is_map()) {
                inside = Some(of);
            }
            way.push(field);
        }
        let Some(last) = way.last() else { return Err(Lost::Unknown("no field is named".into())) };
        let unfit = |what: &str| Err(Lost::Unfit(format!("`{}` is {what}", last.name())));
        match last.kind() {
            _ if last.is_map() => unfit("a map"),
            _ if last.is_list() && !repeated => unfit("repeated"),
            Kind::Message(of) if !is_text(&of) => unfit("a message"),
            _ => Ok(Self(way)),
        }
    }

    /// Whether one leads through the other, or both to the same field.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| one == other)
    }

    /// Whether it leads through this field of the message itself.
    pub(super) fn begins_with(&self, field: &FieldDescriptor) -> bool {
        self.0.first() == Some(field)
    }

    pub(super) fn is_repeated(&self) -> bool {
        self.0.last().is_some_and(FieldDescriptor::is_list)
    }

    /// Sets the field of a message, or adds to it where it is repeated.
    ///
    /// # Errors
    /// What the text should have been.
    pub(super) fn set(&self, message: &mut DynamicMessage, text: &str) -> Result<(), String> {
        let Some((last, through)) = self.0.split_last() else { return Ok(()) };
        let value = value(&last.kind(), text).ok_or_else(|| expected(&last.kind()))?;
        let mut inside = message;
        for field in through {
            // It was looked at when the way was found.
            let Some(next) = inside.get_field_mut(field).as_message_mut() else { return Ok(()) };
            inside = next;
        }
        match last.is_list() {
            false => inside.set_field(last, value),
            true => {
                if let Some(list) = inside.get_field_mut(last).as_list_mut() {
                    list.push(value);
                }
            }
        }
        Ok(())
    }
}

/// Messages whose JSON is one text or number.
fn is_text(message: &MessageDescriptor) -> bool {
    let name = message.full_name().strip_prefix("google.protobuf.").unwrap_or_default();
    let numbers = ["DoubleValue", "FloatValue", "Int32Value", "Int64Value", "UInt32Value", "UInt64Value"];
    numbers.contains(&name)
        || matches!(name, "Timestamp" | "Duration" | "FieldMask" | "BoolValue" | "StringValue" | "BytesValue")
}

fn value(kind: &Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Double => Value::F64(float(text)?),
        Kind::Float => Value::F32(if let Ok(value) = text.parse() { value } else { float(text)? as f32 }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(text.parse().ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(text.parse().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(text.parse().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(text.parse().ok()?),
        Kind::Bool => Value::Bool(text.parse().ok()?),
        Kind::String => Value::String(text.to_owned()),
        Kind::Bytes => Value::Bytes(BINARY.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?.into()),
        Kind::Enum(of) => match of.get_value_by_name(text) {
            Some(value) => Value::EnumNumber(value.number()),
            None => Value::EnumNumber(text.parse().ok()?),
        },
        Kind::Message(of) => Value::Message(match of.get_field_by_name("value") {
            // One of the wrappers of `google/protobuf/wrappers.proto`.
            Some(field) => {
                let mut wrapper = DynamicMessage::new(of.clone());
                wrapper.set_field(&field, value(&field.kind(), text)?);
                wrapper
            }
            None => of.clone().deserialize(StrDeserializer::<Unfit>::new(text)).ok()?,
        }),
    })
}

fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

/// What a text should be, for people.
fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Double | Kind::Float => "a number".into(),
        Kind::Bool => "`true` or `false`".into(),
        Kind::String => "text".into(),
        Kind::Bytes => "base64".into(),
        Kind::Enum(of) => format!("one of the names of `{}`", of.full_name()),
        Kind::Message(of) => format!("a `{}`", of.full_name()),
        whole => format!("a whole number ({whole:?})").to_lowercase(),
    }
}
