//! Text with `${…}` in it: what a message is made of. The words are those of the plugins' templates.

use super::path::parameter_name;
use super::{Fault, Scalar, Text};
use crate::{MessagePart, MessageSource, MessageTemplate};

/// `"orders.${param.id}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageText(pub(crate) MessageTemplate);

impl Scalar for MessageText {
    const CODE: &'static str = "invalid-template";
    const TEXT: Text = Text { what: "a text", example: Some("orders.${param.id}"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                parts.push(MessagePart::Text(format!("{before}${{")));
                rest = after;
                continue;
            }
            let Some((place, after)) = after.split_once('}') else {
                return Err(Fault::new(format!("`${{{after}` is not closed")).hint("a place is written `${param.id}`"));
            };
            parts.push(MessagePart::Text(before.to_owned()));
            let (source, default) = match place.split_once(":-") {
                Some((source, default)) => (source, Some(default.to_owned())),
                None => (place, None),
            };
            parts.push(MessagePart::Place { source: self::source(source)?, default });
            rest = after;
        }
        parts.push(MessagePart::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, MessagePart::Text(text) if text.is_empty()));
        Ok(Self(MessageTemplate { parts }))
    }
}

fn source(place: &str) -> Result<MessageSource, Fault> {
    let (kind, name) = place.split_once('.').unwrap_or((place, ""));
    Ok(match (kind, name.is_empty()) {
        ("param", false) => MessageSource::Param(parameter_name(name)?),
        ("header", false) => MessageSource::Header(name.to_ascii_lowercase()),
        ("query", false) => MessageSource::Query(name.to_owned()),
        ("attribute", false) => MessageSource::Attribute(name.into()),
        ("method", true) => MessageSource::Method,
        ("path", true) => MessageSource::Path,
        ("id", true) => MessageSource::Id,
        _ => {
            let fault = Fault::new(format!("`${{{place}}}` stands for nothing"));
            return Err(fault.hint("param.NAME, query.NAME, header.NAME, attribute.NAME, method, path or id"));
        }
    })
}
