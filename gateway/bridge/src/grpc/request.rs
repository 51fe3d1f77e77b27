//! A request in JSON as the message of a call: its body, what its path captured, its query.

use super::descriptors::{Binding, Captured, Content};
use super::paths;
use super::values::{Lost, Way};
use bytes::Bytes;
use gateway_core::{Error, Kind};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use prost_reflect::{DynamicMessage, Kind as Type, MessageDescriptor, Value};
use serde::de::{DeserializeSeed as _, IgnoredAny};

/// `google.api.HttpBody`: a body of any type, as it is.
pub(super) const HTTP_BODY: &str = "google.api.HttpBody";

/// The longest text of a reader's error that is repeated: it may have parts of the body in it.
const LONGEST: usize = 300;

/// How deep messages may be in each other: that many objects and lists of a body, that many names of a field in a query.
const DEEPEST: usize = 64;

/// The message that a request becomes.
///
/// # Errors
/// [`Kind::HttpRequestError`], which names what is wrong.
pub(super) fn message(binding: &Binding, head: &Parts, body: &Bytes) -> Result<DynamicMessage, Error> {
    let content_type = head.headers.get(CONTENT_TYPE);
    let mut message = match &binding.body {
        Content::Whole => read(&binding.input, body, content_type)?,
        Content::Field(field) => {
            let mut message = DynamicMessage::new(binding.input.clone());
            match field.kind() {
                Type::Message(of) if !field.is_list() && !field.is_map() => {
                    message.set_field(field, Value::Message(read(&of, body, content_type)?));
                }
                // A value of any other kind is read as that of its message.
                _ if !body.is_empty() => {
                    check(body)?;
                    let wrapped = [b"{\"", field.json_name().as_bytes(), b"\":", body, b"}"].concat();
                    message = json(&binding.input, &wrapped)?;
                }
                _ => {}
            }
            message
        }
        Content::None => DynamicMessage::new(binding.input.clone()),
    };
    // What is in the path is as it is in the path, whatever the body says (google/api/http.proto).
    let segments = paths::segments(head.uri.path());
    for captured in &binding.captured {
        let text = captured.text(&segments)?;
        let set = captured.way.set(&mut message, &text);
        set.map_err(|expected| refused(format!("the path has `{}` where {expected} should be", shown(&text))))?;
    }
    query(binding, head.uri.query().unwrap_or_default(), &mut message)?;
    Ok(message)
}

/// Whether the body of a request like this may be JSON.
pub(super) fn is_readable(binding: &Binding, head: &Parts) -> bool {
    let is_raw = |of: &MessageDescriptor| of.full_name() == HTTP_BODY;
    match &binding.body {
        Content::Whole if is_raw(&binding.input) => return true,
        Content::Field(field) if field.kind().as_message().is_some_and(is_raw) => return true,
        Content::None => return true,
        _ => {}
    }
    let Some(written) = head.headers.get(CONTENT_TYPE) else { return true };
    let written = written.to_str().unwrap_or_default();
    let media = written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

fn read(of: &MessageDescriptor, body: &Bytes, content_type: Option<&HeaderValue>) -> Result<DynamicMessage, Error> {
    if of.full_name() == HTTP_BODY {
        let mut raw = DynamicMessage::new(of.clone());
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        // A message of that name with other fields has no place for them.
        let _ = raw.try_set_field_by_name("content_type", Value::String(content_type));
        let _ = raw.try_set_field_by_name("data", Value::Bytes(body.clone()));
        return Ok(raw);
    }
    match body.is_empty() {
        true => Ok(DynamicMessage::new(of.clone())),
        false => json(of, body),
    }
}

/// One value of JSON and nothing else.
fn check(body: &[u8]) -> Result<(), Error> {
    serde_json::from_slice::<IgnoredAny>(body).map(drop).map_err(|error| unreadable("", &error))
}

fn json(of: &MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, Error> {
    if depth(text) > DEEPEST {
        return Err(refused(format!("the body is nested more than {DEEPEST} levels deep")));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let mut track = serde_path_to_error::Track::new();
    let read = of.clone().deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track));
    match read.and_then(|message| reader.end().map(|()| message)) {
        Ok(message) => Ok(message),
        Err(error) => {
            let place = track.path().to_string();
            let place = if place == "." { String::new() } else { format!(" at `{}`", shown(&place)) };
            Err(unreadable(&place, &error))
        }
    }
}

/// How deep objects and lists are in each other, if this is JSON.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn unreadable(place: &str, error: &serde_json::Error) -> Error {
    let what = if error.is_data() { "does not fit" } else { "is no JSON" };
    refused(format!("the body {what}{place}: {}", shown(&error.to_string())))
}

/// So much of it as a problem document should have.
fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

impl Captured {
    fn text(&self, segments: &[&str]) -> Result<String, Error> {
        let own = segments.iter().skip(self.first).take(self.length.unwrap_or(usize::MAX)).copied();
        let mut own = own.collect::<Vec<_>>().join("/");
        // A verb is the last segment's, and no part of a value.
        if self.length.is_none_or(|length| self.first + length == segments.len()) && self.has_verb {
            own.truncate(own.rfind(':').unwrap_or(own.len()));
        }
        let text = match self.is_path {
            false => percent_decode_str(&own).decode_utf8().map(String::from),
            true => {
                let kept = own.replace("%2F", "%252F").replace("%2f", "%252f");
                percent_decode_str(&kept).decode_utf8().map(String::from)
            }
        };
        text.map_err(|cause| refused("the path is no UTF-8".into()).because(cause))
    }
}

/// What is in the query, each by the name of a field; `a.b` is the field `b` in `a`.
fn query(binding: &Binding, query: &str, message: &mut DynamicMessage) -> Result<(), Error> {
    let mut seen: Vec<Way> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let shown_name = shown(&name);
        if binding.body == Content::Whole {
            let detail = format!("the query has `{shown_name}`, and this request is made of its body");
            return Err(refused(detail));
        }
        if name.split('.').count() > DEEPEST {
            return Err(refused(format!("the query parameter `{shown_name}` has more than {DEEPEST} names")));
        }
        let way = Way::find(&binding.input, name.split('.'), true).map_err(|lost| match lost {
            Lost::Unknown(what) | Lost::Unfit(what) => {
                refused(format!("the query parameter `{shown_name}` cannot be taken: {}", shown(&what)))
            }
        })?;
        let is_taken = binding.captured.iter().any(|captured| captured.way.overlaps(&way))
            || matches!(&binding.body, Content::Field(field) if way.begins_with(field));
        if is_taken {
            let detail = format!("the query parameter `{shown_name}` is what the path or the body says already");
            return Err(refused(detail));
        }
        if seen.contains(&way) {
            if !way.is_repeated() {
                return Err(refused(format!("the query parameter `{shown_name}` stands there twice")));
            }
        } else {
            seen.push(way.clone());
        }
        way.set(message, &value)
            .map_err(|expected| refused(format!("the query parameter `{shown_name}` should be {expected}")))?;
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, Error> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map(String::from);
    decoded.map_err(|cause| refused("the query is no UTF-8".into()).because(cause))
}

fn refused(detail: String) -> Error {
    Error::new(Kind::HttpRequestError, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_objects_and_lists_outside_of_texts() {
        for (text, expected) in
            [("1", 0), ("{}", 1), ("[[],[[]]]", 3), ("{\"a[{\\\"[\":[1]}", 2), ("\"\\\\\"[", 1), ("]]][", 1)]
        {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }
}
