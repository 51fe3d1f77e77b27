//! Messages of an answer as JSON.

use super::descriptors::Binding;
use super::frames::broken;
use super::request::HTTP_BODY;
use bytes::Bytes;
use gateway_core::{Error, clock};
use http::HeaderValue;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, SerializeOptions};
use serde_json::Value;

/// What a message is told as.
pub(super) struct Told {
    pub(super) content_type: HeaderValue,
    pub(super) body: Bytes,
}

impl Binding {
    /// An encoded message, or the field of it that is told.
    ///
    /// # Errors
    /// It is none of this type, or no JSON can say it.
    pub(super) fn told(&self, message: Bytes) -> Result<Told, Error> {
        let told = self.tell(message);
        clock::forget();
        told
    }

    fn tell(&self, message: Bytes) -> Result<Told, Error> {
        let unreadable = || broken("the answer's message is none of its type");
        let message =
            DynamicMessage::decode(self.output.clone(), message).map_err(|cause| unreadable().because(cause))?;
        if let Some(raw) = self.raw(&message) {
            return Ok(raw);
        }
        let unsayable = |cause| broken("no JSON can say the answer's message").because(cause);
        let body = match &self.told {
            None => serde_json::to_vec(&message).map_err(unsayable)?,
            Some(field) => {
                let options = SerializeOptions::new();
                let whole = message.serialize_with_options(serde_json::value::Serializer, &options);
                let mut whole = whole.map_err(unsayable)?;
                let value = whole.get_mut(field.json_name()).map(Value::take);
                value.unwrap_or_else(|| absent(field)).to_string().into_bytes()
            }
        };
        Ok(Told { content_type: HeaderValue::from_static("application/json"), body: Bytes::from(body) })
    }

    /// What is told is a body of a type of its own.
    fn raw(&self, message: &DynamicMessage) -> Option<Told> {
        let raw = |message: &DynamicMessage| {
            let content_type = message.get_field_by_name("content_type")?;
            let data = message.get_field_by_name("data")?.as_bytes()?.clone();
            let content_type = content_type.as_str().filter(|text| !text.is_empty());
            let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
            let otherwise = HeaderValue::from_static("application/octet-stream");
            Some(Told { content_type: content_type.unwrap_or(otherwise), body: data })
        };
        match &self.told {
            None if self.output.full_name() == HTTP_BODY => raw(message),
            Some(field) if field.kind().as_message().is_some_and(|of| of.full_name() == HTTP_BODY) => {
                message.get_field(field).as_message().and_then(raw)
            }
            _ => None,
        }
    }
}

/// The value of a field that the canonical JSON leaves out.
fn absent(field: &FieldDescriptor) -> Value {
    if field.is_list() {
        return Value::Array(Vec::new());
    }
    if field.is_map() {
        return Value::Object(serde_json::Map::new());
    }
    match field.kind() {
        Kind::Message(_) => Value::Null,
        Kind::String | Kind::Bytes => "".into(),
        Kind::Bool => false.into(),
        Kind::Double | Kind::Float => 0.0.into(),
        // In JSON these are texts.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => "0".into(),
        Kind::Enum(of) => of.default_value().name().into(),
        _ => 0.into(),
    }
}
